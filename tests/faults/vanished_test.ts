/**
 * A directory that disappears while a server runs: removed, renamed, no longer
 * mounted.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { SessionDirectoryError } from "../../src/core/errors.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID } from "../constants.ts";
import { callStore } from "../operations.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { goOn } from "./aftermath.ts";
import { beginSession, sessionOf } from "./scenes.ts";

Deno.test("a directory that is missing: a change is an error, a read finds no session, and all sessions are there when it is back", async () => {
  using place = new TemporaryDirectory();
  const directory = place.join("sessions");
  const store = new DirectorySessionStore(directory, { create: true });
  await store.save(ID, sessionOf(1));
  Deno.renameSync(directory, place.join("away"));

  assertEquals(await store.load(ID), undefined);
  assertEquals(await store.has(ID), false);
  for (
    const name of [
      "touch",
      "update",
      "delete",
      "save",
      "create",
      "cleanup",
    ] as const
  ) {
    await assertRejects(
      () => callStore(name, { store, record: sessionOf(2), minutes: 30 }),
      SessionDirectoryError,
      "it was removed or replaced",
    );
  }
  const list = () => callStore("entries", { store });
  await assertRejects(list, Deno.errors.NotFound);
  await assertRejects(() => beginSession(store), SessionDirectoryError);
  // The store does not make it again, on whatever disk is there now.
  assertEquals(place.list(), ["away"]);

  Deno.renameSync(place.join("away"), directory);
  assertEquals(await store.load(ID), sessionOf(1));
  await goOn(store, directory, 0);
});
