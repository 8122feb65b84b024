/** Names that are not session IDs, and session IDs that do not lead to a file. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { makeLinks, makePipe } from "../special_files.ts";
import { setLastAccess } from "../session_file.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { startProcess } from "./clients.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { entriesOf } from "../contract/contract.ts";

const LONG_AGO = new Date(1_000);

/** Names that another program, or we, may have in the directory. */
const OTHER_NAMES = [
  ".gitignore",
  ".latchkey.swp",
  ".tmp-editor",
  ".tmp-001763629200000",
  ".nfs000000000123",
  "README.md",
  "short",
  "fifteen-letters",
  "0123456789ABCDEF0123456789ABCDEF",
  "0123456789abcdef.txt",
  "0123456789abcdef~",
  "-0123456789abcdef",
  "_0123456789abcdef",
  "0123456789abcde f",
  "0123456789abcdéf",
  "short.bad",
  "UPPER-CASE-LETTERS.bad",
  "a".repeat(65),
];

Deno.test("only session IDs are read, counted or removed", async () => {
  using directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory.path, {
    onWarning: (warning) => warnings.push(warning),
  });
  await store.save(ID, recordOf());
  await store.save(OTHER_ID, recordOf());
  setLastAccess(directory.join(OTHER_ID), LONG_AGO.getTime());
  // Each is a whole record whose ID is its own name; even these are ignored.
  for (const name of OTHER_NAMES) {
    const bytes = encodeRecord(name, recordOf());
    Deno.writeFileSync(directory.join(name), bytes);
    Deno.utimeSync(directory.join(name), LONG_AGO, LONG_AGO);
  }
  const before = directory.list();
  for (const name of [...OTHER_NAMES, "..", ".", ".latchkey"]) {
    assertEquals(await store.load(name), undefined, name);
    assertEquals(await store.touch(name), false, name);
    assertEquals(await store.delete(name), false, name);
    assertEquals(await store.update(name, () => undefined), undefined, name);
  }
  assertEquals(Object.keys(await entriesOf(store)).length, 2);
  assertEquals(await store.deleteOldSessions(0, { dryRun: true }), {
    deleted: 2,
    remaining: 0,
    orphans: 0,
  });
  assertEquals(await store.deleteOldSessions(30), {
    deleted: 1,
    remaining: 1,
    orphans: 0,
  });
  assertEquals(directory.list(), before.filter((name) => name !== OTHER_ID));
  for (const name of OTHER_NAMES) {
    assertEquals(Deno.lstatSync(directory.join(name)).mtime, LONG_AGO, name);
  }
  assertEquals(warnings, []);
});

Deno.test("subdirectories are left as they are, whatever their names", async () => {
  using directory = new TemporaryDirectory();
  const names = [
    "a-subdirectory-----",
    `${ID}.bad`,
    `.tmp-000000000000000-${"0".repeat(32)}`,
    "archive",
  ];
  for (const name of names) {
    Deno.mkdirSync(directory.join(name));
    Deno.writeTextFileSync(directory.join(`${name}/kept`), "kept");
    Deno.utimeSync(directory.join(name), LONG_AGO, LONG_AGO);
  }
  const store = new DirectorySessionStore(directory.path, {
    onWarning: () => {},
  });
  assertEquals(await entriesOf(store), {});
  assertEquals(await store.deleteOldSessions(0), {
    deleted: 0,
    remaining: 0,
    orphans: 0,
  });
  for (const name of names) {
    assertEquals(Deno.readTextFileSync(directory.join(`${name}/kept`)), "kept");
  }
});

/** Puts something other than a regular file under {@linkcode ID}. */
const OBSTACLES: Record<string, (directory: TemporaryDirectory) => void> = {
  "a link to a session": (directory) =>
    makeLinks({ [directory.join(ID)]: directory.join(OTHER_ID) }),
  "a link to its own file elsewhere": (directory) => {
    Deno.mkdirSync(directory.join("elsewhere"));
    const path = directory.join(`elsewhere/${ID}`);
    Deno.renameSync(directory.join(ID), path);
    makeLinks({ [directory.join(ID)]: path });
  },
  "a link to nowhere": (directory) =>
    makeLinks({ [directory.join(ID)]: directory.join("nowhere") }),
  "a link to itself": (directory) =>
    makeLinks({ [directory.join(ID)]: directory.join(ID) }),
  "a link to a directory": (directory) =>
    makeLinks({ [directory.join(ID)]: directory.path }),
  "an empty directory": (directory) => Deno.mkdirSync(directory.join(ID)),
  "a full directory": (directory) =>
    Deno.mkdirSync(directory.join(`${ID}/full`), { recursive: true }),
};

for (const [what, put] of Object.entries(OBSTACLES)) {
  Deno.test(`${what} is not a session, is left, and cannot be written over`, async () => {
    using directory = new TemporaryDirectory();
    const warnings: StoreWarning[] = [];
    const store = new DirectorySessionStore(directory.path, {
      onWarning: (warning) => warnings.push(warning),
    });
    await store.save(OTHER_ID, recordOf({ other: true }));
    if (what.includes("its own")) await store.save(ID, recordOf());
    put(directory);
    const before = Deno.lstatSync(directory.join(ID));
    const names = directory.list();
    const update = () => recordOf({ n: 2 });

    assertEquals(await store.touch(ID), false);
    assertEquals(await store.load(ID, { touch: () => true }), undefined);
    assertEquals(await store.update(ID, update), undefined);
    assertEquals(await store.update(ID, () => undefined), undefined);
    assertEquals(await store.delete(ID), false);
    assertEquals(Object.keys(await entriesOf(store)), [OTHER_ID]);
    assertEquals(await store.deleteOldSessions(30), {
      deleted: 0,
      remaining: 1,
      orphans: 0,
    });
    await assertRejects(() => store.save(ID, recordOf()));
    await assertRejects(() => store.create(ID, recordOf()));

    assertEquals(Deno.lstatSync(directory.join(ID)).ino, before.ino);
    assertEquals(directory.list(), names);
    assertEquals(await store.load(OTHER_ID), recordOf({ other: true }));
    assert(warnings.length <= 1);
    for (const { type, path, sessionId } of warnings) {
      assertEquals(type, "not a file");
      assertEquals([path, sessionId], [directory.join(ID), ID]);
    }

    Deno.removeSync(directory.join(ID), { recursive: true });
    await store.save(ID, recordOf());
    assertEquals(await store.load(ID), recordOf());
  });
}

Deno.test("a directory is not a session to a plain load either", async () => {
  using directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory.path, {
    onWarning: (warning) => warnings.push(warning),
  });
  Deno.mkdirSync(directory.join(ID));
  assertEquals(await store.load(ID), undefined);
  assertEquals(await store.has(ID), false);
  assertEquals(warnings.map(({ type, message }) => [type, message]), [
    [
      "not a file",
      `Ignoring session ${ID}: ${directory.join(ID)} is not a regular file`,
    ],
  ]);
});

Deno.test("an operation that calls lstat before it reads does not wait for a pipe", async (t) => {
  using directory = new TemporaryDirectory();
  const isMade = makePipe(directory.join(ID));
  await t.step({
    name: "and is not a session, is left, and cannot be written over",
    ignore: !isMade,
    fn: async () => {
      // In a process of its own, which can be killed if it hangs.
      await using client = await startProcess({
        act: "look",
        directory: directory.path,
        id: ID,
      });
      const rescue = setTimeout(() => client.kill(), 60_000);
      const report = await client.run();
      clearTimeout(rescue);
      assertEquals(report, {
        touch: false,
        update: "undefined",
        delete: false,
        entries: 0,
        cleanup: { deleted: 0, remaining: 0, orphans: 0 },
        save: "InvalidData",
        create: "InvalidData",
      });
      assertEquals(Deno.lstatSync(directory.join(ID)).isFifo, true);
    },
  });
});
