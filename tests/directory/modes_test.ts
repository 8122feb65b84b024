/** Directory 0700, files 0600, whatever the umask. */

import { assertEquals } from "@std/assert";
import { temporaryBirth } from "../../src/directory/layout.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";

function setUmask(umask: number): Disposable {
  const before = Deno.umask(umask);
  return { [Symbol.dispose]: () => void Deno.umask(before) };
}

function modesOf(path: string): Record<string, string> {
  const names = [...Deno.readDirSync(path)].map(({ name }) => name);
  return Object.fromEntries(
    [".", ...names].sort().map((name) => [
      temporaryBirth(name) === undefined ? name : "a recycled",
      (Deno.lstatSync(`${path}/${name}`).mode! & 0o7777).toString(8),
    ]),
  );
}

const ANN = { user: "ann" };

const PRIVATE = {
  ".": "700",
  ".latchkey": "600",
  ".users": "700",
  [ID]: "600",
  [OTHER_ID]: "600",
};

for (const umask of [0, 0o002, 0o022, 0o077, 0o177, 0o277, 0o777]) {
  for (const start of ["setup", "first use"]) {
    for (const durability of ["process", "power"] as const) {
      const octal = umask.toString(8).padStart(3, "0");
      Deno.test(`modes with umask ${octal}, from ${start}, ${durability}`, async () => {
        using directory = new TemporaryDirectory();
        const path = directory.join("sessions");
        const options = { create: true, durability };
        {
          using _umask = setUmask(umask);
          const store = new DirectorySessionStore(path, options);
          if (start === "setup") await store.setup();
          // A missing name, then an existing one.
          await store.create(ID, recordOf());
          await store.save(OTHER_ID, recordOf());
          await store.save(ID, recordOf({ n: 2 }));
          await store.update(OTHER_ID, (record) => record);
          await store.update(ID, (record) => ({ ...record, user: "ann" }));
          await store.touch(ID);
          await store.deleteOldSessions(30);
          assertEquals(await store.load(ID), recordOf({ n: 2 }, ANN));
        }
        const recycled = durability === "process"
          ? { "a recycled": "600" }
          : {};
        assertEquals(modesOf(path), { ...PRIVATE, ...recycled });
        assertEquals(modesOf(`${path}/.users`), { ".": "700", "e7": "700" });
        assertEquals(modesOf(`${path}/.users/e7`), {
          ".": "700",
          ".lock": "600",
          [`e7207273-${ID}`]: "600",
        });
        // A later process can use all of it.
        const later = new DirectorySessionStore(path);
        assertEquals(await later.load(OTHER_ID), recordOf());
        assertEquals((await later.deleteOldSessions(30)).remaining, 2);
      });
    }
  }
}

Deno.test("an existing directory keeps its mode", async () => {
  using directory = new TemporaryDirectory();
  Deno.chmodSync(directory.path, 0o750);
  const store = new DirectorySessionStore(directory.path, { create: true });
  await store.save(ID, recordOf());
  assertEquals(modesOf(directory.path)["."], "750");
  assertEquals(modesOf(directory.path)[ID], "600");
});

Deno.test("a file that is set aside stays private", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path, {
    onWarning: () => {},
  });
  await store.save(ID, recordOf());
  Deno.writeTextFileSync(directory.join(ID), "junk");
  await store.load(ID);
  assertEquals(modesOf(directory.path)[`${ID}.bad`], "600");
});
