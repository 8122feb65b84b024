/**
 * Calls a store in a process of its own, because a call may hang, and reports
 * the result of each call.
 */

import { assertEquals } from "@std/assert";
import { system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { recordOf } from "../constants.ts";
import { type CallName, callStore } from "../operations.ts";
import { spawn } from "../spawn.ts";

/** The calls, in their order. */
export interface Calls {
  readonly directory: string;
  readonly ids: readonly string[];
  readonly calls: readonly CallName[];
  /** A file that replaces the first ID's file right before that is opened. */
  readonly swap?: string;
}

const RECORD = recordOf({ n: 2 });

/** Far more than any call needs, in milliseconds: a longer call hangs. */
export const LONGEST = 60_000;

/**
 * Calls a store in a process that may see one directory, and devices.
 *
 * @param calls The calls.
 * @param path The directory.
 * @returns The result of each call.
 */
export async function callInProcess(
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

/** Replaces a listed file by something else, before it is opened. */
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
      const change = () => RECORD;
      const done = callStore(call, { store, id, record: RECORD, change });
      report[`${call} ${id}`] = await done.then(
        (result) =>
          Array.isArray(result)
            ? result.map(([id]) => id).sort()
            : result ?? "none",
        (error) => error.name,
      );
    }
  }
  console.log(JSON.stringify(report));
}
