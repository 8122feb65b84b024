/*
 * How much dearer than the bare system calls is it to change a session?
 *
 * 2026-11-27, Deno 2.9.6, ext4, 2 cores that others slowed down by half, the
 * middle of three runs (p75). Speed, the system calls being 1:
 *
 *                          500 B   4 KiB
 *   save                    0.66    0.99
 *   save, afresh, bare      0.13    0.15
 *   update                  0.70    0.94
 *   create                  0.65    0.60
 *   delete                  0.40    0.51
 *
 * Since the file that was replaced is written over the next time, a save takes
 * 260 µs where the bare calls with a fresh file take 1,280: on ext4 a rename over
 * a name waits for the blocks of a new file. Since that file also stays open, in
 * turns of 4 ms, on a quieter machine, a save took 86 µs where it took 95, and
 * the bare calls 54 where they took 70. What is left above them is the format,
 * its checksum, the read of whose session it was, an unlock; to create and to
 * delete, the entry in the index of users.
 *
 * On a disk that others use the time of a rename can change fourfold within a
 * minute: compare only in one group, and only on a quiet machine. With a list of
 * permissions, as here, Deno also looks up each part of a path at each open: 4 to
 * 6 µs, for the bare calls and for ours.
 */
import { DirectorySessionStore } from "../src/directory/directory_store.ts";
import { MemorySessionStore } from "../src/engines/memory.ts";
import type { SessionRecord } from "../src/core/record.ts";
import { makeDataSet, SIZES, temporaryDirectory } from "./data_set.ts";
import { Floors } from "./floors.ts";

/** Is in none of the data sets: created and deleted in turn. */
const ONE_MORE = "0".repeat(32);

function visit(record: SessionRecord): SessionRecord {
  const { data } = record;
  const visits = data.visits === 1_234 ? 4_321 : 1_234;
  return { ...record, data: { ...data, visits } };
}

for (const [title, size] of SIZES) {
  const { ids, record, walk } = makeDataSet(size);
  const path = temporaryDirectory();
  const floors = new Floors(path);
  const directory = new DirectorySessionStore(path);
  const memory = new MemorySessionStore();
  for (const id of ids) {
    floors.create(id, record);
    await directory.save(id, record);
    await memory.save(id, record);
  }

  {
    const group = `save, ${title}`;
    const [next, nextInDirectory, nextInMemory] = [walk(), walk(), walk()];
    const nextAfresh = walk();
    Deno.bench("system calls", { group, baseline: true }, () => {
      floors.save(next(), record);
    });
    Deno.bench("system calls, a fresh file each time", { group }, () => {
      floors.saveAfresh(nextAfresh(), record);
    });
    Deno.bench("DirectorySessionStore", { group }, async () => {
      await directory.save(nextInDirectory(), record);
    });
    Deno.bench("MemorySessionStore", { group }, async () => {
      await memory.save(nextInMemory(), record);
    });
  }

  {
    const group = `update, ${title}`;
    const [next, nextInDirectory, nextInMemory] = [walk(), walk(), walk()];
    Deno.bench("system calls", { group, baseline: true }, () => {
      floors.update(next(), (value) => visit(value as SessionRecord));
    });
    Deno.bench("DirectorySessionStore", { group }, async () => {
      await directory.update(nextInDirectory(), visit);
    });
    Deno.bench("MemorySessionStore", { group }, async () => {
      await memory.update(nextInMemory(), visit);
    });
  }

  {
    const group = `create, ${title}`;
    Deno.bench("system calls", { group, baseline: true }, (b) => {
      b.start();
      floors.create(ONE_MORE, record);
      b.end();
      floors.delete(ONE_MORE);
    });
    Deno.bench("DirectorySessionStore", { group }, async (b) => {
      b.start();
      await directory.create(ONE_MORE, record);
      b.end();
      await directory.delete(ONE_MORE);
    });
  }

  {
    const group = `delete, ${title}`;
    Deno.bench("system calls", { group, baseline: true }, (b) => {
      floors.create(ONE_MORE, record);
      b.start();
      floors.delete(ONE_MORE);
      b.end();
    });
    Deno.bench("DirectorySessionStore", { group }, async (b) => {
      await directory.create(ONE_MORE, record);
      b.start();
      await directory.delete(ONE_MORE);
      b.end();
    });
  }
}
