/** How a directory store finds the sessions of a user without an index. */

import { assert, assertEquals } from "@std/assert";
import { MARK_AT, UNPUBLISHED } from "../../src/core/codec.ts";
import { openLocked } from "../../src/disk/file_lock.ts";
import { system } from "../../src/disk/system.ts";
import { DirectorySessionStore } from "../../src/stores/directory_store.ts";
import { recordSystem, replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { ID, OTHER_ID, recordOf } from "./contract.ts";

const ANN = { user: "ann" };
const BOB = { user: "bob" };

async function open(directory: TemporaryDirectory) {
  const store = new DirectorySessionStore(directory.path, {
    lockTimeout: 0,
    onWarning: () => {},
  });
  await store.setup();
  return store;
}

async function idsOf(store: DirectorySessionStore, user = "ann") {
  const entries = await Array.fromAsync(store.entries({ user }));
  return entries.map(([id]) => id).sort();
}

/** Acts once, right before the first file is read. */
function actBeforeReading(act: () => void): Disposable {
  const { read } = system;
  let hasActed = false;
  return replaceSystem({
    read: (file, into) => {
      if (!hasActed) {
        hasActed = true;
        act();
      }
      return read(file, into);
    },
  });
}

Deno.test("a session of another user costs one open, one read and one close, and no lock", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  for (const rest of [BOB, {}]) {
    await store.save(ID, recordOf({}, rest));
    using recorded = recordSystem(directory.path);
    assertEquals(await idsOf(store), []);
    assertEquals(recorded.calls, [
      "readDirectory directory",
      "open session",
      "read session",
      "close session",
    ]);
  }
});

Deno.test("a session of another user is not waited for when it is locked", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf({}, BOB));
  await store.save(OTHER_ID, recordOf({}, ANN));
  const locked = openLocked(directory.join(ID), true);
  assert(typeof locked === "object");
  using _locked = locked;
  assertEquals(await idsOf(store), [OTHER_ID]);
});

Deno.test("a session is found whose file becomes another session's between open and read", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf({ n: 0 }, ANN));
  const first = Deno.lstatSync(directory.join(ID)).ino;
  const writer = await open(directory);
  const changes: Promise<unknown>[] = [];
  {
    using _hook = actBeforeReading(() => {
      // The file that is open becomes the spare, and the spare another's file.
      changes.push(writer.save(ID, recordOf({ n: 1 }, ANN)));
      changes.push(writer.save(OTHER_ID, recordOf({}, BOB)));
      changes.push(writer.save(OTHER_ID, recordOf({}, BOB)));
    });
    const found = await Array.fromAsync(store.entries(ANN));
    assertEquals(found.map(([id, { data }]) => [id, data.n]), [[ID, 1]]);
  }
  await Promise.all(changes);
  assertEquals(Deno.lstatSync(directory.join(OTHER_ID)).ino, first);
});

Deno.test("a session is found whose file is of that session, and as yet unpublished", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf({}, BOB));
  const path = directory.join(ID);
  const bytes = Deno.readFileSync(path);
  bytes[MARK_AT] = UNPUBLISHED;
  Deno.writeFileSync(path, bytes);
  const writer = await open(directory);
  const changes: Promise<unknown>[] = [];
  using _hook = actBeforeReading(() => {
    // What was read of the open file is what its name led to no more.
    changes.push(writer.save(ID, recordOf({}, ANN)));
  });
  assertEquals(await idsOf(store), [ID]);
  await Promise.all(changes);
});

Deno.test("a file that is no session is set aside by who looks for a user's, as by any other", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(OTHER_ID, recordOf({}, ANN));
  Deno.writeTextFileSync(directory.join(ID), "junk");
  Deno.writeTextFileSync(directory.join("somebody else's"), "junk");
  assertEquals(await idsOf(store), [OTHER_ID]);
  assertEquals(
    directory.list(),
    [
      ".latchkey",
      `${ID}.bad`,
      OTHER_ID,
      "somebody else's",
    ].sort(),
  );
});

Deno.test("a session is found however large it is", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const text = "x".repeat(200_000);
  await store.save(ID, recordOf({ text }, ANN));
  await store.save(OTHER_ID, recordOf({ text }, BOB));
  assertEquals(await idsOf(store), [ID]);
});

Deno.test("a session that a listing misses is found by the next one", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const ids = Array.from({ length: 9 }, (_, n) => `session-number-${n}`);
  for (const id of ids) await store.save(id, recordOf({}, ANN));
  await store.save(ID, recordOf({}, BOB));
  const { open: openFile, readDirectory } = system;
  const opened: string[] = [];
  let listings = 0;
  using _replaced = replaceSystem({
    open: (path, options) => {
      opened.push(path.slice(directory.path.length + 1));
      return openFile(path, options);
    },
    async *readDirectory(path) {
      // As a file system may that moves what is renamed over.
      const missed = ["-3", "-4", "-5", "-6", "-7"].slice(2 * listings++);
      for await (const entry of readDirectory(path)) {
        if (!missed.some((end) => entry.name.endsWith(end))) yield entry;
      }
    },
  });
  assertEquals(await idsOf(store), ids);
  assertEquals(listings, 5);
  assertEquals(opened.filter((name) => name === ID), [ID]);
});
