/*
 * How much dearer than the bare system calls is an operation on a session?
 *
 * 2026-11-28, Deno 2.9.6, ext4, 2 cores, by `bench:check`. Speed, the system calls
 * being 1:
 *
 *                             500 B   4 KiB
 *   load                       0.77    0.90
 *   load and touch, not due    0.83    0.92
 *   load and touch, due        0.73    0.63
 *   save                       0.71    0.75
 *   update                     0.77    0.83
 *   create                     0.76    0.49
 *   delete                     0.52    0.51
 *
 * What is left of a load: the unlock before the close, the promise, the header
 * and its checksum. A touch that is due decodes the record twice, which shows
 * at 4 KiB.
 *
 * Since the file that was replaced is written over the next time, a save took
 * 260 µs where the bare calls with a fresh file took 1,280: on ext4 a rename over
 * a name waits for the blocks of a new file. What is left above the bare calls
 * is the format, its checksum, the read of whose session it was, an unlock; to
 * create and to delete, the entry in the index of users.
 *
 * On a disk that others use the time of a rename can change fourfold within a
 * minute: compare only in one group, and only on a quiet machine. With a list of
 * permissions, as here, Deno also looks up each part of a path at each open: 4 to
 * 6 µs, for the bare calls and for ours.
 */
import { SIZES, temporaryDirectory } from "./data_set.ts";
import type { Step } from "./harness/turns.ts";
import { makeOperations, type Operation } from "./operations.ts";

const TITLES: Readonly<Record<keyof Operation, string>> = {
  floor: "system calls",
  afresh: "system calls, a fresh file each time",
  directory: "DirectorySessionStore",
  memory: "MemorySessionStore",
};

for (const [sizeTitle, size] of SIZES) {
  const operations = await makeOperations(temporaryDirectory(), size);
  for (const [name, operation] of Object.entries(operations)) {
    for (const [side, step] of Object.entries(operation)) {
      register(step, {
        name: TITLES[side as keyof Operation],
        group: `${name}, ${sizeTitle}`,
        baseline: side === "floor",
      });
    }
  }
}

function register(
  { before, run, after }: Step,
  options: { name: string; group: string; baseline: boolean },
): void {
  if (before !== undefined || after !== undefined) {
    Deno.bench({
      ...options,
      fn: async (b) => {
        await before?.();
        b.start();
        await run();
        b.end();
        await after?.();
      },
    });
  } else if (options.baseline || options.name === TITLES.afresh) {
    // The bare calls return no promise, and must not pay for one.
    Deno.bench({ ...options, fn: run as () => void });
  } else {
    Deno.bench({ ...options, fn: async () => void await run() });
  }
}
