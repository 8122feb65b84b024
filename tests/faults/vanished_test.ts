/**
 * A directory that goes away under a running server: removed, renamed, not
 * mounted any more.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { SessionDirectoryError } from "../../src/core/errors.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { goOn } from "./aftermath.ts";
import { ID, recordOf } from "./scenes.ts";

Deno.test("a directory that is gone: whoever changes a session hears it, whoever reads finds none, and nobody has lost one when it is back", async () => {
  using place = new TemporaryDirectory();
  const directory = place.join("sessions");
  const store = new DirectorySessionStore(directory, { create: true });
  await store.save(ID, recordOf(1));
  Deno.renameSync(directory, place.join("away"));

  assertEquals(await store.load(ID), undefined);
  assertEquals(await store.has(ID), false);
  for (
    const change of [
      () => store.touch(ID),
      () => store.update(ID, (record) => record),
      () => store.delete(ID),
    ]
  ) {
    await assertRejects(
      change,
      SessionDirectoryError,
      "it was removed or replaced",
    );
  }
  const manager = new SessionManager<{ n: number }>({ store });
  const writes: Record<string, () => Promise<unknown>> = {
    save: () => store.save(ID, recordOf(2)),
    create: () => store.create(ID, recordOf(2)),
    entries: () => Array.fromAsync(store.entries()),
    cleanup: () => store.deleteOldSessions(30),
    "a request that begins a session": () =>
      manager.run(new Request("http://localhost/"), (session) => {
        session.set("n", 1);
        return new Response();
      }),
  };
  for (const [name, operate] of Object.entries(writes)) {
    await assertRejects(operate, Deno.errors.NotFound, undefined, name);
  }
  // Least of all is it made again, on whatever disk is there now.
  assertEquals(place.list(), ["away"]);

  Deno.renameSync(place.join("away"), directory);
  assertEquals(await store.load(ID), recordOf(1));
  await goOn(store, directory, 0);
});
