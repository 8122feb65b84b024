/**
 * Calls a store in a process of its own, because the call may hang: what is
 * done to which session of which directory, and reports what came of each.
 */

import { assertEquals } from "@std/assert";
import { system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { spawn } from "../spawn.ts";

/** A call of a store. */
export type CallName =
  | "load"
  | "has"
  | "touch"
  | "update"
  | "delete"
  | "save"
  | "create"
  | "entries"
  | "entries of a user"
  | "cleanup";

/** What is done, in this order. */
export interface Calls {
  readonly directory: string;
  readonly ids: readonly string[];
  readonly calls: readonly CallName[];
  /** Takes the place of the first ID's file right before that is opened. */
  readonly swap?: string;
}

type Call = (store: DirectorySessionStore, id: string) => Promise<unknown>;

const RECORD = { data: { n: 2 }, createdAt: 1 };

const CALLS: Readonly<Record<CallName, Call>> = {
  load: (store, id) => store.load(id),
  has: (store, id) => store.has(id),
  touch: (store, id) => store.touch(id),
  update: (store, id) => store.update(id, () => RECORD),
  delete: (store, id) => store.delete(id),
  save: (store, id) => store.save(id, RECORD),
  create: (store, id) => store.create(id, RECORD),
  entries: async (store) =>
    (await Array.fromAsync(store.entries())).map(([id]) => id).sort(),
  "entries of a user": (store) =>
    Array.fromAsync(store.entries({ user: "ann" })),
  cleanup: (store) => store.deleteOldSessions(0),
};

/** Far more than any of them needs, in milliseconds: what takes longer hangs. */
export const LONGEST = 60_000;

/**
 * Calls a store in a process that may see one directory, and devices.
 *
 * @param calls What is called.
 * @param path The directory.
 * @returns What came of each call.
 */
export async function callStore(
  calls: Calls,
  path: string,
): Promise<Record<string, unknown>> {
  const child = spawn(import.meta.url, [JSON.stringify(calls)], {
    paths: [path, "/dev"],
  });
  const { code, stdout, stderr } = await child.end(LONGEST);
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Replaces what was listed by something else, before it is opened. */
function swapBeforeOpen(path: string, by: string): void {
  const { open } = system;
  let isSwapped = false;
  system.open = (opened, options) => {
    if (opened === path && !isSwapped) {
      isSwapped = true;
      Deno.removeSync(path);
      Deno.renameSync(by, path);
    }
    return open(opened, options);
  };
}

if (import.meta.main) {
  const { directory, ids, calls, swap }: Calls = JSON.parse(Deno.args[0]!);
  const store = new DirectorySessionStore(directory, {
    lockTimeout: 0,
    onWarning: () => {},
  });
  if (swap !== undefined) swapBeforeOpen(`${directory}/${ids[0]}`, swap);
  const report: Record<string, unknown> = {};
  for (const id of ids) {
    for (const call of calls) {
      report[`${call} ${id}`] = await CALLS[call](store, id).then(
        (result) => result ?? "none",
        (error) => error.name,
      );
    }
  }
  console.log(JSON.stringify(report));
}
