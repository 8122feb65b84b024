/*
 * How much dearer than the bare system calls is it to change a session?
 *
 * 2026-11-20, Deno 2.9.6, ext4, 2 cores, the middle of three rounds (p75).
 * Speed, the system calls being 1:
 *
 *                          500 B   4 KiB
 *   save                    0.76    0.98
 *   save, afresh, bare      0.14    0.14
 *   update                  0.80    0.72
 *   create                  0.97    1.10
 *   delete                  0.75    0.77
 *
 * Since the file that was replaced is written over the next time, a save takes
 * 118 µs where the bare calls with a fresh file take 640: on ext4 a rename over
 * a name waits for the blocks of a new file. What is left above the bare calls
 * is the format, its checksum, two unlocks. In memory (tmpfs) a fresh file costs
 * 30 µs and a recycled one 32.
 *
 * On a disk that others use the time of a rename can change fourfold within a
 * minute: compare only in one group, and only on a quiet machine. With a list of
 * permissions, as here, Deno also looks up each part of a path at each open: 4 to
 * 6 µs, for the bare calls and for ours.
 */
import { DirectorySessionStore } from "../src/stores/directory_store.ts";
import { MemorySessionStore } from "../src/stores/memory_store.ts";
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
