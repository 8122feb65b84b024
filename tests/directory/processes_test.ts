/** The promises of `isMultiprocessSafe` and `isThreadSafe`, with real processes and workers. */

import { assert, assertEquals } from "@std/assert";
import { temporaryBirth } from "../../src/directory/layout.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  runTogether,
  type Start,
  startProcess,
  startWorker,
} from "./clients.ts";
import { describeIndex } from "../index_state.ts";
import type { Task } from "./client_script.ts";
import { ID, recordOf } from "../constants.ts";

const TIMES = 1_000;

/** The names in a directory, without the recycled files: at most one of each client. */
function listWithoutRecycled(
  directory: TemporaryDirectory,
  clients: number,
): string[] {
  const names = directory.list();
  const others = names.filter((name) => temporaryBirth(name) === undefined);
  const recycledFiles = names.length - others.length;
  assert(
    recycledFiles <= clients,
    `${clients} clients, ${recycledFiles} recycled files`,
  );
  return others;
}

async function assertNothingLost(starts: readonly Start[]): Promise<void> {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  assert(store.isMultiprocessSafe && store.isThreadSafe);
  await store.save(ID, recordOf({ n: 0 }));
  const task = {
    act: "increment",
    directory: directory.path,
    id: ID,
    times: TIMES,
  } as const;
  const reports = await runTogether(starts.map((start) => [start, task]));
  const total = TIMES * starts.length;
  assertEquals(await store.load(ID), recordOf({ n: total }));
  const names = listWithoutRecycled(directory, starts.length);
  assertEquals(names, [".latchkey", ID]);
  const times = reports.map(({ ms }) => Math.round(Number(ms)));
  console.log(
    `${total} increments by ${starts.length}: the first was done after ${
      Math.min(...times)
    } ms, the last after ${Math.max(...times)} ms`,
  );
}

Deno.test("8 processes lose none of 8,000 updates", async () => {
  await assertNothingLost(Array(8).fill(startProcess));
});

Deno.test("4 workers lose none of 4,000 updates", async () => {
  await assertNothingLost(Array(4).fill(startWorker));
});

Deno.test("processes and workers together lose no update", async () => {
  const both = [startProcess, startWorker];
  await assertNothingLost([...both, ...both]);
});

Deno.test("of processes and workers that create the same ID, one succeeds", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const ids = Array.from({ length: 300 }, (_, n) => `session-number-${n}`);
  // Every third exists and has expired: create() then replaces it.
  for (const [n, id] of ids.entries()) {
    if (n % 3 === 0) await store.save(id, recordOf({}, { expiresAt: 1 }));
  }
  const starts = [startProcess, startProcess, startProcess, startWorker];
  const reports = await runTogether(
    [...starts, ...starts].map((start, mark) => [
      start,
      { act: "create", directory: directory.path, ids, mark },
    ]),
  );
  const winners = new Map<string, number[]>();
  for (const [mark, { won }] of reports.entries()) {
    for (const id of won as string[]) {
      winners.set(id, [...winners.get(id) ?? [], mark]);
    }
  }
  for (const id of ids) {
    const [mark, ...others] = winners.get(id) ?? [];
    assertEquals(others, [], `${id} was won by several`);
    assertEquals((await store.load(id))?.data, { mark: mark! });
  }
  const names = listWithoutRecycled(directory, reports.length);
  assertEquals(names.length, ids.length + 1);
  const counts = reports.map(({ won }) => (won as string[]).length);
  console.log(`${ids.length} sessions, won by each: ${counts.join(", ")}`);
});

Deno.test("an acknowledged login is never missing from its user's sessions, while 8 processes log in and out and others clean up", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const store = new DirectorySessionStore(path);
  await store.setup();
  const tasks: Task[] = Array.from({ length: 8 }, (_, n) => ({
    act: "sign",
    directory: path,
    id: `session-number-${n}`,
    user: "ann",
    times: 99,
  }));
  tasks.push({ act: "clean", directory: path, times: 60 });
  const reports = await runTogether(tasks.map((task) => [startProcess, task]));
  assertEquals(reports.flatMap(({ wrong = [] }) => wrong), []);
  const { missing, stale } = describeIndex(path);
  assertEquals(missing, []);
  await store.deleteOldSessions(1e9);
  assertEquals(describeIndex(path).entries, []);
  console.log(`left for the cleaner: ${stale.length} entries`);
});
