/*
 * What does it cost that every system call goes through one object, so that a
 * test can put itself in between?
 *
 * 2026-11-20, Deno 2.9.6, ext4, 2 cores. Nothing that can be measured: 0.96 to
 * 1.04 of the bare calls' speed in five rounds, 1.00 in the middle (p75).
 */
import { system } from "../src/system/system.ts";
import { makeDataSet, SIZES, temporaryDirectory } from "./data_set.ts";
import { Floors } from "./floors.ts";

const [title, size] = SIZES[0]!;
const { ids, record, walk } = makeDataSet(size);
const path = temporaryDirectory();
const floors = new Floors(path);
for (const id of ids) floors.create(id, record);
const buffer = new Uint8Array(64 * 1024);
const reading = { read: true };

const group = `open, lock, read, unlock, close, ${title}`;
const [next, nextThrough] = [walk(), walk()];
Deno.bench("bare", { group, baseline: true }, () => {
  const file = Deno.openSync(`${path}/${next()}.json`);
  file.tryLockSync(false);
  file.readSync(buffer);
  file.unlockSync();
  file.close();
});
Deno.bench("through the seam", { group }, () => {
  const file = system.open(`${path}/${nextThrough()}.json`, reading);
  system.tryLock(file, false);
  system.read(file, buffer);
  system.unlock(file);
  system.close(file);
});
