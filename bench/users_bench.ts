/*
 * What does it cost to find a user's five sessions among 10,000, and how much
 * dearer would it be without an index?
 *
 * 2026-11-20, Deno 2.9.6, ext4, 2 cores, a busy machine (p75): 0.9 ms with the
 * index, 350 ms to open all. Where there are more sessions the index costs a
 * 256th of a listing of all names: a user's entries are in one of 256
 * directories.
 */
import { DirectorySessionStore } from "../src/directory/directory_store.ts";
import { SessionManager } from "../src/manager/manager.ts";
import { temporaryDirectory } from "./data_set.ts";

const SESSIONS = 10_000;
const OF_A_USER = 5;

const path = temporaryDirectory();
const store = new DirectorySessionStore(path);
const manager = new SessionManager({ store });
for (let n = 0; n < SESSIONS; n++) {
  await store.save(n.toString(16).padStart(32, "0"), {
    data: { n },
    createdAt: Date.now(),
    user: n < OF_A_USER ? "ann" : `user ${n}`,
  });
}

const group = "a user's five sessions among 10,000";
const buffer = new Uint8Array(64 * 1024);
Deno.bench("system calls: open all", { group, baseline: true }, () => {
  for (const { name, isFile } of Deno.readDirSync(path)) {
    if (!isFile) continue;
    using file = Deno.openSync(`${path}/${name}`);
    file.readSync(buffer);
  }
});
Deno.bench("SessionManager.sessionsOf()", { group }, async () => {
  const { length } = await manager.sessionsOf("ann");
  if (length !== OF_A_USER) throw new Error(`Found ${length}`);
});
