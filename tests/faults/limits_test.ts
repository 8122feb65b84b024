/**
 * A process that may open no more files, or may not write the directory, or may
 * not open a file in it.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { userTag } from "../../src/core/codec.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { bucketLockPath } from "../../src/directory/layout.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { HOUR, ID, OTHER_ID, USER } from "../constants.ts";
import { putEntry } from "../index_state.ts";
import { runSync, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { goOn } from "./aftermath.ts";
import type { Change } from "./few_descriptors_script.ts";
import type { Report } from "./forbidden_script.ts";
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

Deno.test({
  name:
    `a change with few file descriptors left is either acknowledged and made, or neither${sh.skipped}`,
  ignore: sh.skipped !== "",
  fn: async () => {
    for (const durability of ["process", "power"]) {
      using directory = new TemporaryDirectory();
      const { code, stdout, stderr } = await spawn(
        "tests/faults/few_descriptors_script.ts",
        [directory.path, durability],
        {
          paths: [directory.path],
          through: ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"],
        },
      ).end();
      assertEquals(code, 0, stderr);
      const changes: Change[] = JSON.parse(stdout);
      for (const change of changes) {
        assertEquals(change.isDone, change.isWritten, JSON.stringify(change));
      }
      assert(changes.some(({ isDone }) => isDone));
      assert(changes.some(({ isDone }) => !isDone));
    }
  },
});

const NOT_OURS = 1_000_001;
const isRoot = WITHOUT_RIGHTS[0] === "setpriv";

Deno.test({
  name: `a session whose file may not be opened is none, and stops nothing${
    isRoot ? without.skipped : " (skipped: only root can give a file away)"
  }`,
  ignore: !isRoot || without.skipped !== "",
  fn: async () => {
    using directory = new TemporaryDirectory();
    const store = new DirectorySessionStore(directory.path);
    await store.save(ID, sessionOf(1));
    await store.save(OTHER_ID, sessionOf(1));
    const tag = userTag(USER);
    putEntry(directory.path, { tag, id: OTHER_ID });
    const lock = bucketLockPath(directory.path, tag);
    for (const path of [directory.join(ID), lock]) {
      Deno.chownSync(path, NOT_OURS, NOT_OURS);
    }
    const before = Deno.readFileSync(directory.join(ID));
    const { id, cookie } = await beginForbidden(store, 0o644);
    const barred = await beginForbidden(store, 0o600);
    const { code, stdout, stderr } = await spawn(
      "tests/faults/forbidden_script.ts",
      [directory.path, cookie, barred.cookie],
      { paths: [directory.path], through: WITHOUT_RIGHTS },
    ).end();
    assertEquals(code, 0, stderr);
    const { answers, warnings, messages }: Report = JSON.parse(stdout);
    assertEquals(answers, {
      load: null,
      "load and touch": null,
      has: false,
      "must be readable": ["SessionUnreadableError", "PermissionDenied"],
      // In doubt a logout is not acknowledged.
      touch: "PermissionDenied",
      update: "PermissionDenied",
      delete: "PermissionDenied",
      save: "PermissionDenied",
      create: "PermissionDenied",
      entries: [OTHER_ID],
      "entries of a user": [],
      login: { ...sessionOf(2), user: USER },
      "logged in": USER,
      logout: true,
      "request that reads": USER,
      "request that changes": "PermissionDenied",
      "request that logs out": "PermissionDenied",
      "request that signs out": "PermissionDenied",
      "barred request": "",
      "barred logout": "PermissionDenied",
    });
    const notPermitted = [ID, id, barred.id].map((id) => directory.join(id));
    const told = [
      ...[...notPermitted, lock].map((path) =>
        ["not permitted", path] as const
      ),
      ["unwritten", directory.join(id)] as const,
    ];
    assertEquals(warnings.toSorted(), told.toSorted());
    for (const [n, message] of messages.entries()) {
      if (warnings[n]![0] !== "not permitted") continue;
      assertStringIncludes(message, `it belongs to uid ${NOT_OURS}`);
    }
    assertEquals(Deno.readFileSync(directory.join(ID)), before);
  },
});

/** Begins a session whose file is another user's. */
async function beginForbidden(
  store: DirectorySessionStore,
  mode: number,
): Promise<{ readonly id: string; readonly cookie: string }> {
  const manager = new SessionManager({ store, idleTimeout: HOUR });
  const session = await manager.open(new Request("http://localhost/"));
  session.setUser(USER);
  const headers = new Headers();
  await manager.commit(session, headers);
  const path = `${store.directory}/${session.id}`;
  Deno.chmodSync(path, mode);
  Deno.chownSync(path, NOT_OURS, NOT_OURS);
  return { id: session.id, cookie: headers.get("set-cookie")!.split(";")[0]! };
}

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
