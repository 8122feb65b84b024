/**
 * All errors of the system that do not reach the caller: in each case the answer
 * is correct without them.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStrictEquals,
} from "@std/assert";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { ID } from "../constants.ts";
import { callStore } from "../operations.ts";
import { replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { FaultySystem } from "./faulty_system.ts";
import { makeError } from "./system_errors.ts";

Deno.test("an unreadable file that cannot be set aside is not a session, and onWarning() gets the error", async () => {
  for (const name of ["EROFS", "EACCES", "ENOSPC", "EIO"] as const) {
    using directory = new TemporaryDirectory();
    const warnings: StoreWarning[] = [];
    const store = new DirectorySessionStore(directory.path, {
      onWarning: (warning) => warnings.push(warning),
    });
    await store.setup();
    Deno.writeTextFileSync(directory.join(ID), "unreadable");
    const error = makeError(name);
    using _readOnly = replaceSystem({
      rename: () => {
        throw error;
      },
    });
    assertEquals(await store.load(ID), undefined);
    assertEquals(await store.load(ID), undefined);
    assertEquals(warnings.map(({ type }) => type), ["unreadable"]);
    assertStrictEquals(warnings[0]!.error, error);
    assertEquals(directory.list(), [".latchkey", ID]);
    assertEquals(await store.touch(ID), false);
    assertEquals(await store.update(ID, (record) => record), undefined);
    assertEquals(await store.delete(ID), false);
    assertEquals(warnings.length, 1);
  }
});

Deno.test("a name that does not lead to a file has no session, whichever call fails; only where an lstat fails does the caller get an error", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path, {
    onWarning: () => {},
  });
  await store.setup();
  Deno.mkdirSync(directory.join(ID));
  const operations = ["load", "touch", "update", "delete"] as const;
  let unseen = 0;
  for (const name of operations) {
    for (let step = 1;; step++) {
      using faulty = new FaultySystem({
        step,
        manner: "instead",
        makeError: () => makeError("EIO"),
      });
      const heard = await callStore(name, { store }).catch((error) => error);
      if (heard instanceof Error && faulty.thrown.includes(heard)) {
        // The error of the check that the directory is still there.
        assertMatch(faulty.failed, /^stat latchkey-|^exists .latchkey$/);
      } else if (faulty.failed.startsWith("lstat ") && heard instanceof Error) {
        // The error that led to the lstat, not that of the lstat.
        assert(!faulty.thrown.includes(heard));
        unseen++;
      } else {
        assert(heard === undefined || heard === false, `${heard}`);
      }
      assertEquals(faulty.open.size, 0);
      if (faulty.thrown.length === 0) break;
    }
  }
  assertEquals(unseen, operations.length);
  assertEquals(directory.list(), [".latchkey", ID]);
});
