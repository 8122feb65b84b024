/**
 * Runs as a process of its own that lacks something: tries each operation
 * while it does, and prints what it was told.
 */

import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, recordOf } from "./scenes.ts";
import { describeError } from "./system_errors.ts";

/** What is lacking: descriptors, or the right to write the directory. */
export type Lack = "descriptors" | "rights";

/** What was told of each operation: its error, or what it answered. */
export type Told = Readonly<Record<string, unknown>>;

async function tryAll(store: DirectorySessionStore): Promise<Told> {
  const operations: Record<string, () => Promise<unknown>> = {
    load: () => store.load(ID),
    touch: () => store.touch(ID),
    save: () => store.save(ID, recordOf(2)),
    create: () => store.create("one-more-session", recordOf(2)),
    update: () => store.update(ID, () => recordOf(2)),
    delete: () => store.delete(ID),
    entries: () =>
      Array.fromAsync(store.entries(), ([id, record]) => [id, record]),
    cleanup: () => store.deleteOldSessions(30),
    setup: () => new DirectorySessionStore(store.directory).setup(),
  };
  const told: Record<string, unknown> = {};
  for (const [name, operate] of Object.entries(operations)) {
    told[name] = await operate().then(
      (answer) => ({ answer }),
      describeError,
    );
  }
  return told;
}

/** Opens a file until no more can be opened. */
function openAll(path: string): Deno.FsFile[] {
  const files: Deno.FsFile[] = [];
  try {
    for (;;) files.push(Deno.openSync(path));
  } catch {
    return files;
  }
}

if (import.meta.main) {
  const lack = Deno.args[0] as Lack;
  const directory = Deno.args[1]!;
  const store = new DirectorySessionStore(directory);
  await store.setup();
  await store.save(ID, recordOf(1));
  const files = lack === "descriptors" ? openAll(`${directory}/${ID}`) : [];
  if (lack === "rights") Deno.chmodSync(directory, 0o500);
  const told = await tryAll(store);
  for (const file of files) file.close();
  if (lack === "rights") Deno.chmodSync(directory, 0o700);
  const then = await store.load(ID);
  console.log(JSON.stringify({ told, then }));
}
