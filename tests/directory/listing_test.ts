import { assert, assertEquals } from "@std/assert";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { system } from "../../src/system/system.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { actBefore, recordSystem, replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

Deno.test("entries() skips a session that is deleted meanwhile", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(ID, recordOf());
  await store.save(OTHER_ID, recordOf());
  using hook = actBefore(
    "open",
    (path) => path.endsWith(ID),
    () => Deno.removeSync(directory.join(ID)),
  );
  const found = await Array.fromAsync(store.entries());
  assert(hook.hasActed);
  assertEquals(found.map(([id, record]) => [id, record]), [
    [OTHER_ID, recordOf()],
  ]);
});

Deno.test("entries() of a user lists again, and finds a session that the first listing missed", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const ids = Array.from({ length: 9 }, (_, n) => `session-number-${n}`);
  for (const id of ids) await store.save(id, recordOf({}, { user: "ann" }));
  const { readDirectory } = system;
  using recorded = recordSystem(directory.path);
  let listings = 0;
  using _replaced = replaceSystem({
    async *readDirectory(path) {
      // As if these had been created during the first listing.
      const missed = ["-3", "-4", "-5", "-6", "-7"].slice(2 * listings++);
      for await (const entry of readDirectory(path)) {
        if (!missed.some((end) => entry.name.endsWith(end))) yield entry;
      }
    },
  });
  const found = await Array.fromAsync(store.entries({ user: "ann" }));
  assertEquals(found.map(([id]) => id).sort(), ids);
  assertEquals(listings, 5);
  const opened = recorded.calls.filter((call) => call === "open session");
  assertEquals(opened.length, ids.length);
});
