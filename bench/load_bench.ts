/*
 * How much dearer than the bare system calls is it to load a session?
 *
 * 2026-11-27, Deno 2.9.6, ext4, 2 cores that others slowed down by half, the
 * middle of three runs (p75). Speed, the system calls being 1:
 *
 *                             500 B   4 KiB
 *   load                       0.76    0.85
 *   load and touch, not due    0.78    0.90
 *   load and touch, due        0.84    0.63
 *
 * On a quiet machine, a week before, the first line was 0.85 and 0.92.
 *
 * What is left of a load: the unlock before the close, the promise, the header
 * and its checksum. A touch that is due decodes the record twice, which shows
 * at 4 KiB. Before the options of `openSync`, nested promises, `using` and the
 * second read of what is not needed were gone, it stood at 0.78 and 0.88.
 */
import { DirectorySessionStore } from "../src/directory/directory_store.ts";
import { MemorySessionStore } from "../src/engines/memory.ts";
import { makeDataSet, SIZES, temporaryDirectory } from "./data_set.ts";
import { Floors } from "./floors.ts";

const DAY = 24 * 60 * 60 * 1000;

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

  const group = `load, ${title}`;
  const [next, nextInDirectory, nextInMemory] = [walk(), walk(), walk()];
  Deno.bench("system calls", { group, baseline: true }, () => {
    floors.load(next());
  });
  Deno.bench("DirectorySessionStore", { group }, async () => {
    await directory.load(nextInDirectory());
  });
  Deno.bench("MemorySessionStore", { group }, async () => {
    await memory.load(nextInMemory());
  });
}

// A manager's sessions have an idle timeout, and every load asks for a touch.
for (const [title, size] of SIZES) {
  const { ids, record, walk } = makeDataSet(size, { idleTimeout: DAY });
  const path = temporaryDirectory();
  const floors = new Floors(path);
  const directory = new DirectorySessionStore(path);
  for (const id of ids) {
    floors.create(id, record);
    await directory.save(id, record);
  }

  for (const isDue of [false, true]) {
    const group = `load and touch, ${isDue ? "due" : "not due"}, ${title}`;
    const [next, nextInDirectory] = [walk(), walk()];
    const touch = () => isDue;
    const options = { touch };
    Deno.bench("system calls", { group, baseline: true }, () => {
      floors.loadAndTouch(next(), touch);
    });
    Deno.bench("DirectorySessionStore", { group }, async () => {
      await directory.load(nextInDirectory(), options);
    });
  }
}
