/**
 * The order of real system calls, as the kernel sees them: what `durability`
 * promises rests on it. The order is the one that is drawn at the top of
 * `src/directory/atomic_file.ts`.
 */

import { assertEquals } from "@std/assert";
import type { Durability } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { layOut } from "./directory_state.ts";
import { SCENES } from "./scenes.ts";
import { describeCalls, findObstacle, trace } from "./strace.ts";
import type { Play } from "./trace_script.ts";

const REPLACE = [
  "write temporary",
  "sync temporary",
  "lock temporary",
  "rename temporary to session",
  "sync directory",
  "unlock session",
];
// The replaced file is locked first and unlocked last. At its unlock it has no
// name any more; strace shows its former name.
const REPLACE_LOCKED = ["lock session", ...REPLACE, "unlock session"];
const CREATE = [
  "write temporary",
  "sync temporary",
  "lock temporary",
  "link temporary to session",
  "unlink temporary",
  "sync directory",
  "unlock temporary",
];
const REMOVE = [
  "lock session",
  "unlink session",
  "sync directory",
  "unlock session",
];

/** The calls of each change, from its beginning to its answer. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  "a save over a session": REPLACE_LOCKED,
  "a save of a new session": CREATE,
  "a create": CREATE,
  "a create over an expired session": [
    "write temporary",
    "sync temporary",
    "lock temporary",
    "unlink temporary",
    "unlock temporary",
    ...REPLACE_LOCKED,
  ],
  "an update": REPLACE_LOCKED,
  "an update that deletes": REMOVE,
  "a delete": REMOVE,
};

const obstacle = findObstacle();
const skipped = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;

/** Runs every change under strace; what each did, from begin to answer. */
async function traceChanges(
  durability: Durability,
): Promise<Record<string, string[]>> {
  using place = new TemporaryDirectory();
  const plays: Play[] = [];
  for (const [i, title] of Object.keys(CALLS).entries()) {
    const directory = place.join(`sessions-${i}`);
    Deno.mkdirSync(directory, { mode: 0o700 });
    await new DirectorySessionStore(directory).setup();
    layOut(directory, SCENES.find((scene) => scene.title === title)!);
    plays.push({ title, directory });
  }
  const lines = await trace(place.path, "tests/faults/trace_script.ts", [
    durability,
    JSON.stringify(plays),
  ]);
  const isMark = (text: string) => (line: string) =>
    line.includes(`"${text}\\n"`);
  const done = plays.map(({ title, directory }) => {
    const begin = lines.findIndex(isMark("begins"));
    const end = lines.findIndex(isMark("answered"));
    const between = lines.splice(0, end + 1).slice(begin + 1, end);
    return [title, describeCalls(between, directory)] as const;
  });
  return Object.fromEntries(done);
}

Deno.test({
  name:
    `durability power: a file is on the disk before its name leads to it, and its name before the answer${skipped}`,
  ignore: obstacle !== undefined,
  fn: async () => {
    const calls = await traceChanges("power");
    assertEquals(calls, CALLS);
    const count = Object.values(calls).flat().length;
    console.log(
      `${count} system calls of ${Object.keys(calls).length} changes`,
    );
  },
});

Deno.test({
  name: `durability process: nothing waits for the disk${skipped}`,
  ignore: obstacle !== undefined,
  fn: async () => {
    const isLock = (call: string) => /^(?:un)?lock /.test(call);
    const without = Object.entries(CALLS).map(([title, calls]) => [
      title,
      calls.filter((call) => !call.startsWith("sync ") && !isLock(call))
        // The replaced file is kept as the recycled file.
        .flatMap((call) =>
          call.startsWith("rename ")
            ? ["link session to temporary", call]
            : [call]
        ),
    ]);
    const traced = Object.entries(await traceChanges("process")).map((
      [title, calls],
    ) => [title, calls.filter((call) => !isLock(call))]);
    assertEquals(traced, without);
  },
});
