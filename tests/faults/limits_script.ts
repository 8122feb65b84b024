/**
 * Runs as a process of its own under a limit: tries each operation, and prints
 * how each ended.
 */

import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, OTHER_ID } from "../constants.ts";
import { type CallName, callStore } from "../operations.ts";
import { sessionOf } from "./scenes.ts";
import { describeError } from "./system_errors.ts";

/** The limit: descriptors, or the right to write the directory. */
export type Lack = "descriptors" | "rights";

/** How each operation ended: its error, or what it answered. */
export type Ends = Readonly<Record<string, unknown>>;

const CALLS: readonly CallName[] = [
  "load",
  "touch",
  "save",
  "create",
  "update",
  "delete",
  "entries",
  "cleanup",
];

/** Leaves the last access out of entries. */
function withoutAccess(answer: unknown): unknown {
  return Array.isArray(answer)
    ? answer.map(([id, record]) => [id, record])
    : answer;
}

async function tryAll(store: DirectorySessionStore): Promise<Ends> {
  const ends: Record<string, unknown> = {};
  for (const name of CALLS) {
    const id = name === "create" ? OTHER_ID : ID;
    const change = () => sessionOf(2);
    const call = { store, id, record: sessionOf(2), change, minutes: 30 };
    ends[name] = await callStore(name, call).then(
      (answer) => ({ answer: withoutAccess(answer) }),
      describeError,
    );
  }
  const { directory } = store;
  ends.setup = await new DirectorySessionStore(directory).setup()
    .catch(describeError);
  return ends;
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
  await store.save(ID, sessionOf(1));
  const files = lack === "descriptors" ? openAll(`${directory}/${ID}`) : [];
  if (lack === "rights") Deno.chmodSync(directory, 0o500);
  const ends = await tryAll(store);
  for (const file of files) file.close();
  if (lack === "rights") Deno.chmodSync(directory, 0o700);
  const then = await store.load(ID);
  console.log(JSON.stringify({ ends, then }));
}
