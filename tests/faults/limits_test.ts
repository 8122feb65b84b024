/** A process that may open no more files, or may not write the directory. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID } from "../constants.ts";
import { runSync, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { goOn } from "./aftermath.ts";
import type { Ends, Lack } from "./limits_script.ts";
import { sessionOf } from "./scenes.ts";
import { describeError, type ErrorName, makeError } from "./system_errors.ts";

/**
 * Runs a process under a limit, and checks that no session was lost.
 *
 * @param command Runs the command that follows it under a limit.
 * @returns How each operation ended.
 */
async function runLacking(
  lack: Lack,
  command: readonly string[],
): Promise<Ends> {
  using directory = new TemporaryDirectory();
  const { code, stdout, stderr } = await spawn(
    "tests/faults/limits_script.ts",
    [lack, directory.path],
    { paths: [directory.path], through: command },
  ).end();
  assertEquals(code, 0, stderr);
  const { ends, then } = JSON.parse(stdout);
  assertEquals(then, sessionOf(1));
  assertEquals(directory.list(), [".latchkey", ID]);
  const store = new DirectorySessionStore(directory.path);
  await goOn(store, directory.path, 0);
  return ends;
}

function assertEnds(
  ends: Ends,
  name: ErrorName,
  operations: readonly string[],
): void {
  const error = JSON.parse(JSON.stringify(describeError(makeError(name))));
  const expected = operations.map((operation) => [operation, error]);
  assertEquals(ends, Object.fromEntries(expected));
}

const sh = tryRun("sh", ["-c", "ulimit -n 64"]);

Deno.test({
  name:
    `a process that can open no more files gets the system's error, and loses no session${sh.skipped}`,
  ignore: sh.skipped !== "",
  fn: async () => {
    const ends = await runLacking("descriptors", [
      "sh",
      "-c",
      'ulimit -n 64; exec "$@"',
      "sh",
    ]);
    const { load, ...others } = ends;
    // Every operation has to open a file.
    assertEnds({ load, ...others }, "EMFILE", Object.keys(ends));
    assert(Object.keys(ends).length > 5);
  },
});

/**
 * Root may write everywhere unless it gives up its capabilities; for another
 * user `env` runs the process without a change.
 */
const WITHOUT_RIGHTS = canWriteAnyway()
  ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] as const
  : ["env"] as const;
const [lessener, ...less] = WITHOUT_RIGHTS;
const without = tryRun(lessener, [...less, "true"]);

Deno.test({
  name:
    `a process that may not write the directory gets the system's error, can still read, and loses no session${without.skipped}`,
  ignore: without.skipped !== "",
  fn: async () => {
    const ends = await runLacking("rights", WITHOUT_RIGHTS);
    const { load, touch, entries, cleanup, ...others } = ends;
    assertEquals(load, { answer: sessionOf(1) });
    assertEquals(touch, { answer: true });
    assertEquals(entries, { answer: [[ID, sessionOf(1)]] });
    assertEquals(cleanup, {
      answer: { deleted: 0, remaining: 1, orphans: 0 },
    });
    const { setup, ...changed } = others;
    const { class: name, message } = setup as Record<string, string>;
    assertEquals(name, "SessionDirectoryError");
    assertMatch(message!, /Permission denied \(os error 13\)/);
    const changes = ["save", "create", "update", "delete"];
    assertEnds(changed, "EACCES", changes);
  },
});

function canWriteAnyway(): boolean {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(directory.join("file"), "", { mode: 0o400 });
  try {
    Deno.openSync(directory.join("file"), { write: true }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/** Tries a command; why it cannot be used, for a title. */
function tryRun(command: string, args: string[]): { skipped: string } {
  try {
    const { code, stderr } = runSync(command, args);
    return { skipped: code === 0 ? "" : ` (skipped: ${stderr.trim()})` };
  } catch (error) {
    return { skipped: ` (skipped: ${(error as Error).message})` };
  }
}
