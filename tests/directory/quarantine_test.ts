/** Files that have a session's name and do not hold that session. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { ACCESS_AT, encodeRecord } from "../../src/core/codec.ts";
import {
  SessionFormatError,
  SessionUnreadableError,
} from "../../src/core/errors.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { actBefore, replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { entriesOf } from "../contract/contract.ts";

const BAD = `${ID}.bad`;
const WHOLE = encodeRecord(ID, recordOf({ n: 1 }, { user: "ann" }));

interface Scene extends Disposable {
  readonly directory: TemporaryDirectory;
  readonly store: DirectorySessionStore;
  readonly warnings: StoreWarning[];
  /** Returns the types of the warnings, and clears them. */
  take(): string[];
}

function openScene(): Scene {
  const directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory.path, {
    onWarning: (warning) => warnings.push(warning),
  });
  return {
    directory,
    store,
    warnings,
    take: () => warnings.splice(0).map(({ type }) => type),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** Checks that bytes are not a session, are set aside and reported once, and that a save works. */
async function assertSetAside(scene: Scene, bytes: Uint8Array): Promise<void> {
  const { directory, store } = scene;
  Deno.writeFileSync(directory.join(ID), bytes);
  assertEquals(await store.load(ID), undefined);
  assertEquals(directory.list(), [".latchkey", BAD]);
  assertEquals(Deno.readFileSync(directory.join(BAD)), bytes);
  assertEquals(await store.load(ID), undefined);
  assertEquals(scene.take(), ["unreadable"]);
  await store.save(ID, recordOf({ n: 2 }));
  assertEquals(await store.load(ID), recordOf({ n: 2 }));
  assertEquals(Deno.readFileSync(directory.join(BAD)), bytes);
  assertEquals(scene.take(), []);
}

const NEWER = new TextEncoder().encode("latchkey/2\n");

function flip(at: number, bit: number): Uint8Array {
  const bytes = WHOLE.slice();
  bytes[at]! ^= 1 << bit;
  return bytes;
}

function withAccess(digits: string): Uint8Array {
  const bytes = WHOLE.slice();
  bytes.set(new TextEncoder().encode(digits), ACCESS_AT);
  return bytes;
}

function withVersion(version: string): Uint8Array {
  const bytes = WHOLE.slice();
  bytes.set(new TextEncoder().encode(version), 9);
  return bytes;
}

/** What makes bytes say that they are of another version, and not damaged. */
function isOtherVersion(bytes: Uint8Array): boolean {
  const version = /^latchkey\/(\d+)/.exec(new TextDecoder().decode(bytes))?.[1];
  return version !== undefined && version !== "1";
}

const KINDS: Record<string, Uint8Array> = {
  "an empty file": new Uint8Array(),
  "one byte": new Uint8Array(1),
  "zeros": new Uint8Array(4_096),
  "text": new TextEncoder().encode("this is no session"),
  "a pickle": new TextEncoder().encode("\x80\x04\x95(dp0\nVuser\np1\n."),
  "JSON": new TextEncoder().encode(JSON.stringify(recordOf())),
  "a record without its head": WHOLE.subarray(80),
  "a record twice": new Uint8Array([...WHOLE, ...WHOLE]),
  "a record in UTF-16": Uint8Array.from([...WHOLE].flatMap((b) => [b, 0])),
  "a last access that is no number": withAccess("NaN".padStart(16)),
  "a last access above 2 ** 53 - 1": withAccess("9007199254740992"),
  "no version": withVersion("x"),
  "another package's": withVersion(" 2"),
  "1 MiB of junk": new Uint8Array(1024 * 1024).fill(0xa5),
};

for (const [kind, bytes] of Object.entries(KINDS)) {
  Deno.test(`${kind} is not a session, and is set aside at once`, async () => {
    using scene = openScene();
    await assertSetAside(scene, bytes);
  });
}

Deno.test("a file cut off anywhere is not a session, and is set aside", async () => {
  for (let length = 0; length < WHOLE.length; length++) {
    using scene = openScene();
    await assertSetAside(scene, WHOLE.subarray(0, length));
  }
});

Deno.test("a file with a flipped bit is not a session, and is set aside", async () => {
  for (let at = 0; at < WHOLE.length; at++) {
    // A digit of the last access may become another one.
    const isAccess = at >= ACCESS_AT && at < ACCESS_AT + 16;
    const flipped = flip(at, isAccess ? 6 : at % 8);
    if (isOtherVersion(flipped)) continue;
    using scene = openScene();
    await assertSetAside(scene, flipped);
  }
});

/** Every operation that reads a session. */
const READING: Record<
  string,
  (store: DirectorySessionStore) => Promise<unknown>
> = {
  load: (store) => store.load(ID),
  "load, touching": (store) => store.load(ID, { touch: () => true }),
  has: (store) => store.has(ID),
  touch: (store) => store.touch(ID),
  update: (store) => store.update(ID, (record) => record),
  delete: (store) => store.delete(ID),
  entries: (store) => entriesOf(store),
  deleteOldSessions: (store) => store.deleteOldSessions(0),
};

Deno.test("every operation that reads sets an unreadable file aside", async () => {
  for (const [name, operate] of Object.entries(READING)) {
    using scene = openScene();
    const { directory, store } = scene;
    await store.setup();
    Deno.writeTextFileSync(directory.join(ID), name);
    await operate(store);
    assertEquals(directory.list(), [".latchkey", BAD], name);
    assertEquals(Deno.readTextFileSync(directory.join(BAD)), name);
    assertEquals(scene.take(), ["unreadable"], name);
  }
});

Deno.test("a warning names the problem, the session and the file, and shows no content", async () => {
  using scene = openScene();
  const { directory, store, warnings } = scene;
  Deno.writeTextFileSync(directory.join(ID), "SECRET");
  await store.load(ID);
  const path = directory.join(BAD);
  assertEquals(warnings, [{
    type: "unreadable",
    sessionId: ID,
    path,
    message: `Session ${ID} was unreadable; its file is now ${path}`,
  }]);
});

Deno.test("without onWarning, console.warn() is called", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  Deno.writeTextFileSync(directory.join(ID), "junk");
  const { warn } = console;
  const told: unknown[][] = [];
  console.warn = (...args) => void told.push(args);
  try {
    await store.load(ID);
  } finally {
    console.warn = warn;
  }
  const path = directory.join(BAD);
  assertEquals(told, [[
    `Session ${ID} was unreadable; its file is now ${path}`,
  ]]);
});

Deno.test("of many operations on an unreadable file, one sets it aside", async () => {
  using directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const stores = Array.from(
    { length: 10 },
    () =>
      new DirectorySessionStore(directory.path, {
        onWarning: (warning) => warnings.push(warning),
      }),
  );
  await stores[0]!.setup();
  Deno.writeTextFileSync(directory.join(ID), "junk");
  const found = await Promise.all(stores.map((store) => store.load(ID)));
  assertEquals(found.filter(Boolean), []);
  assertEquals(warnings.length, 1);
  assertEquals(directory.list(), [".latchkey", BAD]);
});

Deno.test("a file that is set aside replaces an earlier one of the same session", async () => {
  using scene = openScene();
  const { directory, store } = scene;
  for (const junk of ["first", "second"]) {
    await store.save(ID, recordOf());
    Deno.writeTextFileSync(directory.join(ID), junk);
    assertEquals(await store.has(ID), false);
  }
  assertEquals(Deno.readTextFileSync(directory.join(BAD)), "second");
  assertEquals(scene.take(), ["unreadable"]);
});

Deno.test("a file that is set aside gets a new mtime", async () => {
  using scene = openScene();
  const { directory, store } = scene;
  await store.setup();
  Deno.writeTextFileSync(directory.join(ID), "junk");
  Deno.utimeSync(directory.join(ID), 0, 0);
  await store.load(ID);
  assert(Deno.lstatSync(directory.join(BAD)).mtime!.getTime() > 1.7e12);
  const { orphans } = await store.deleteOldSessions(0);
  assertEquals(orphans, 0);
});

Deno.test("a file that was replaced by a valid one after the read is not set aside", async () => {
  using scene = openScene();
  const { directory, store } = scene;
  await store.setup();
  const other = new DirectorySessionStore(directory.path);
  Deno.writeTextFileSync(directory.join(ID), "junk");
  using hook = actBefore(
    "open",
    (path, { write }) => path.endsWith(ID) && write === true,
    () => void other.save(ID, recordOf({ n: 2 })),
  );
  assertEquals(await store.load(ID), recordOf({ n: 2 }));
  assert(hook.hasActed);
  assertEquals(directory.list(), [".latchkey", ID]);
  assertEquals(scene.take(), []);
});

Deno.test("a file that was replaced by a valid one between open and lock is not set aside", async () => {
  using scene = openScene();
  const { directory, store } = scene;
  await store.setup();
  const other = new DirectorySessionStore(directory.path);
  Deno.writeTextFileSync(directory.join(ID), "junk");
  using hook = actBefore(
    "tryLock",
    (_file, exclusive) => exclusive,
    () => void other.save(ID, recordOf({ n: 2 })),
  );
  assertEquals(await store.load(ID), recordOf({ n: 2 }));
  assert(hook.hasActed);
  assertEquals(directory.list(), [".latchkey", ID]);
  assertEquals(scene.take(), []);
});

Deno.test("an unreadable file that cannot be set aside is left, and reported once", async () => {
  using scene = openScene();
  const { directory, store, warnings } = scene;
  await store.setup();
  Deno.writeTextFileSync(directory.join(ID), "junk");
  const error = new Error("a file system that cannot be written");
  {
    using _replaced = replaceSystem({
      rename: () => {
        throw error;
      },
    });
    assertEquals(await store.load(ID), undefined);
    assertEquals(await store.load(ID), undefined);
    assertEquals(await store.has(ID), false);
  }
  assertEquals(warnings.length, 1);
  assertStrictEquals(warnings[0]!.error, error);
  assertEquals(warnings[0]!.path, directory.join(ID));
  assertEquals(directory.list(), [".latchkey", ID]);
});

Deno.test("a file of a later version is left by every operation but delete(), and reported once", async () => {
  for (const bytes of [withVersion("2"), withVersion("99"), NEWER]) {
    using scene = openScene();
    const { directory, store, warnings } = scene;
    await store.setup();
    Deno.writeFileSync(directory.join(ID), bytes);
    Deno.utimeSync(directory.join(ID), 0, 0);
    const { delete: remove, ...others } = READING;
    for (const [name, operate] of Object.entries(others)) {
      await operate(store);
      assertEquals(Deno.readFileSync(directory.join(ID)), bytes, name);
    }
    for (const write of ["save", "create"] as const) {
      await assertRejects(
        () => store[write](ID, recordOf({}, { user: "ann" })),
        SessionFormatError,
      );
    }
    assertEquals(directory.list().filter((name) => name !== ".users"), [
      ".latchkey",
      ID,
    ]);
    assertEquals(warnings.map(({ type, path }) => [type, path]), [
      ["newer", directory.join(ID)],
    ]);
    assertEquals(await remove!(store), true);
    assertEquals(directory.list().filter((name) => name !== ".users"), [
      ".latchkey",
    ]);
  }
});

Deno.test("a revocation that cannot be read is set aside by no operation and no cleanup", async () => {
  const mark = revocationId("ann");
  for (const bytes of [new Uint8Array(), WHOLE, WHOLE.subarray(1), NEWER]) {
    using scene = openScene();
    const { directory, store } = scene;
    await store.setup();
    const path = directory.join(mark);
    Deno.writeFileSync(path, bytes);
    Deno.utimeSync(path, 0, 0);
    assertEquals(await store.load(mark), undefined);
    assertEquals(await store.touch(mark), false);
    assertEquals(await store.update(mark, (record) => record), undefined);
    assertEquals((await store.deleteOldSessions(0)).deleted, 0);
    assertEquals(await entriesOf(store), {});
    await assertRejects(
      () => store.load(mark, { mustBeReadable: true }),
      SessionUnreadableError,
    );
    assertEquals(Deno.readFileSync(path), bytes);
    assertEquals(scene.take().length, 1);
  }
});

Deno.test("what must be readable and cannot be opened or read is an error with its cause", async () => {
  using scene = openScene();
  const { directory, store } = scene;
  await store.save(ID, recordOf());
  const error = new Error("Input/output error (os error 5)");
  for (const call of ["open", "read", "tryLock"] as const) {
    using _replaced = replaceSystem({
      [call]: () => {
        throw error;
      },
    });
    const thrown = await assertRejects(
      () => store.load(ID, { mustBeReadable: true }),
      SessionUnreadableError,
    );
    assertStrictEquals(thrown.cause, error);
  }
  assertEquals(await store.load(ID, { mustBeReadable: true }), recordOf());
  Deno.removeSync(directory.join(ID));
  Deno.mkdirSync(directory.join(ID));
  await assertRejects(
    () => store.load(ID, { mustBeReadable: true }),
    SessionUnreadableError,
  );
  assertEquals(scene.take(), ["unreadable"], "told once");
});

Deno.test("another session's file is not a session, is left, and is reported once", async () => {
  using scene = openScene();
  const { directory, store, warnings } = scene;
  await store.save(OTHER_ID, recordOf({ secret: true }));
  Deno.copyFileSync(directory.join(OTHER_ID), directory.join(ID));
  const bytes = Deno.readFileSync(directory.join(ID));
  assertEquals(await store.load(ID), undefined);
  assertEquals(await store.load(ID, { touch: () => true }), undefined);
  assertEquals(await store.touch(ID), false);
  assertEquals(await store.update(ID, (record) => record), undefined);
  assertEquals(await store.delete(ID), false);
  const { deleted, remaining } = await store.deleteOldSessions(0);
  assertEquals({ deleted, remaining }, { deleted: 1, remaining: 0 });
  assertEquals(directory.list(), [".latchkey", ID]);
  assertEquals(Deno.readFileSync(directory.join(ID)), bytes);
  assertEquals(warnings.map(({ type, path }) => [type, path]), [
    ["foreign", directory.join(ID)],
  ]);
});

Deno.test("a file with two session names is only the session whose ID it holds", async () => {
  using scene = openScene();
  const { directory, store } = scene;
  await store.save(OTHER_ID, recordOf({ n: 1 }));
  Deno.linkSync(directory.join(OTHER_ID), directory.join(ID));
  assertEquals(await entriesOf(store), { [OTHER_ID]: recordOf({ n: 1 }) });
  await store.save(ID, recordOf({ n: 2 }));
  assertEquals(await entriesOf(store), {
    [OTHER_ID]: recordOf({ n: 1 }),
    [ID]: recordOf({ n: 2 }),
  });
});
