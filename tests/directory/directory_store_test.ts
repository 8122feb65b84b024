import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { toFileUrl } from "@std/path/to-file-url";
import {
  SessionDirectoryError,
  SessionStoreError,
} from "../../src/core/errors.ts";
import { revocationId } from "../../src/core/revocation.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { system } from "../../src/system/system.ts";
import {
  DirectorySessionStore,
  type DirectorySessionStoreOptions,
} from "../../src/directory/directory_store.ts";
import { recordSystem, replaceSystem, stopClock } from "../replaced_system.ts";
import { setLastAccess } from "../session_file.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { HOUR, ID, recordOf } from "../constants.ts";
import { type Spoiled, testContract } from "../contract/contract.ts";

testContract("DirectorySessionStore", () => {
  const directory = new TemporaryDirectory();
  const { path } = directory;
  return Promise.resolve({
    store: new DirectorySessionStore(path, { onWarning: () => {} }),
    stopClock,
    age: (id: string, ms: number) => {
      setLastAccess(`${path}/${id}`, system.now() - ms);
      return Promise.resolve();
    },
    spoil: (id: string, as?: Spoiled) => {
      const text = as === "newer" ? `latchkey/2 ${id}\n` : "junk";
      return Deno.writeTextFile(`${path}/${id}`, text);
    },
    misplace: (from: string, to: string) =>
      Deno.copyFile(`${path}/${from}`, `${path}/${to}`),
    breakDown: (error: Error) => {
      const fail = () => {
        throw error;
      };
      return replaceSystem({
        open: fail,
        fstat: fail,
        lstat: fail,
        link: fail,
        rename: fail,
        remove: fail,
        readDirectory: fail,
      });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.dispose]()),
  });
});

/** Every operation on a session, which may be missing. */
const OPERATIONS: Record<string, (store: SessionStore) => Promise<unknown>> = {
  setup: (store) => store.setup(),
  load: (store) => store.load(ID),
  save: (store) => store.save(ID, recordOf()),
  create: (store) => store.create(ID, recordOf()),
  update: (store) => store.update(ID, (record) => record),
  touch: (store) => store.touch(ID),
  delete: (store) => store.delete(ID),
  has: (store) => store.has(ID),
  entries: (store) => Array.fromAsync(store.entries()),
  deleteOldSessions: (store) => store.deleteOldSessions(30),
};

Deno.test("new DirectorySessionStore() does no I/O", () => {
  using directory = new TemporaryDirectory();
  using recorded = recordSystem(directory.path);
  new DirectorySessionStore(directory.join("missing"));
  new DirectorySessionStore(directory.join("missing"), { create: true });
  assertEquals(recorded.calls, []);
  assertEquals(directory.list(), []);
});

Deno.test("new DirectorySessionStore() refuses a directory that is not a path", () => {
  for (const path of ["", undefined, null, 1, {}, [], ["sessions"]]) {
    assertThrows(
      () => new DirectorySessionStore(path as string),
      TypeError,
      "Cannot keep sessions in a directory: directory is not a path",
    );
  }
  assertThrows(
    () => new DirectorySessionStore(new URL("https://example.org/")),
    TypeError,
  );
});

Deno.test("new DirectorySessionStore() refuses invalid options", () => {
  const create = (options: Record<string, unknown>) => () =>
    new DirectorySessionStore(
      "sessions",
      options as DirectorySessionStoreOptions,
    );
  for (const lockTimeout of [NaN, -1, "5000", null, {}, [], 5n, true]) {
    assertThrows(
      create({ lockTimeout }),
      typeof lockTimeout === "number" ? RangeError : TypeError,
      "Cannot keep sessions in a directory: lockTimeout is not a number from 0 up",
    );
  }
  for (const durability of ["", "Power", "none", null, true, 1]) {
    assertThrows(
      create({ durability }),
      TypeError,
      'Cannot keep sessions in a directory: durability is neither "process" nor "power"',
    );
  }
  create({ lockTimeout: 0, durability: "power" })();
  create({ lockTimeout: Infinity, durability: "process" })();
  create({ lockTimeout: undefined, durability: undefined })();
});

Deno.test("new DirectorySessionStore() needs a Deno that can try locks", () => {
  const { prototype } = Deno.FsFile;
  const { tryLockSync } = prototype;
  Reflect.deleteProperty(prototype, "tryLockSync");
  try {
    assertThrows(
      () => new DirectorySessionStore("sessions"),
      Deno.errors.NotSupported,
      `Cannot keep sessions in a directory: Deno 2.8 or later is needed, this is ${Deno.version.deno}`,
    );
  } finally {
    prototype.tryLockSync = tryLockSync;
  }
});

for (const [name, operate] of Object.entries(OPERATIONS)) {
  Deno.test(`${name}: a missing directory is an error`, async () => {
    using directory = new TemporaryDirectory();
    const store = new DirectorySessionStore(directory.join("missing"));
    const error = await assertRejects(
      () => operate(store),
      SessionDirectoryError,
      `Cannot keep sessions in ${directory.join("missing")}: it is missing`,
    );
    assertEquals(error.directory, directory.join("missing"));
    assert(error.cause instanceof Deno.errors.NotFound);
    assertEquals(directory.list(), []);
    // The failure is not kept: the store works as soon as the directory exists.
    Deno.mkdirSync(directory.join("missing"), { mode: 0o700 });
    await operate(store);
  });

  Deno.test(`${name}: with create it makes the directory`, async () => {
    using directory = new TemporaryDirectory();
    const path = directory.join("a/b/sessions");
    const store = new DirectorySessionStore(path, { create: true });
    await operate(store);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o700);
  });

  Deno.test(`${name}: a path that is not a directory is an error`, async () => {
    using directory = new TemporaryDirectory();
    Deno.writeTextFileSync(directory.join("file"), "mine");
    for (const create of [false, true]) {
      for (const path of ["file", "file/sessions"]) {
        const store = new DirectorySessionStore(directory.join(path), {
          create,
        });
        await assertRejects(
          () => operate(store),
          SessionDirectoryError,
          "it is not a directory",
        );
      }
    }
    assertEquals(Deno.readTextFileSync(directory.join("file")), "mine");
  });

  Deno.test(`${name}: a directory that others may write is an error`, async () => {
    using directory = new TemporaryDirectory();
    for (const mode of [0o777, 0o770, 0o1777]) {
      Deno.chmodSync(directory.path, mode);
      const store = new DirectorySessionStore(directory.path, {
        create: true,
      });
      await assertRejects(
        () => operate(store),
        SessionDirectoryError,
        "others than its owner may write it",
      );
    }
    assertEquals(directory.list(), []);
  });
}

Deno.test("a store tries its directory once", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  using recorded = recordSystem(directory.path);
  await Promise.all([store.setup(), store.setup(), store.has(ID)]);
  await store.setup();
  const marks = recorded.calls.filter((call) => call === "stat directory");
  assertEquals(marks.length, 1);
});

Deno.test("a malformed ID or record is refused before any I/O", async () => {
  const store = new DirectorySessionStore("no/such/directory");
  using recorded = recordSystem("no/such/directory");
  const unkeepable = { data: {}, createdAt: NaN };
  for (const write of ["save", "create"] as const) {
    await assertRejects(() => store[write]("../x", recordOf()), TypeError);
    await assertRejects(() => store[write](ID, unkeepable), TypeError);
  }
  await assertRejects(() => store.deleteOldSessions(-1), RangeError);
  await assertRejects(
    () => store.deleteOldSessions(1, { grace: NaN }),
    RangeError,
  );
  assertEquals(await store.load("../x"), undefined);
  assertEquals(await store.delete("../x"), false);
  assertEquals(recorded.calls, []);
});

Deno.test("the directory can be a URL", async () => {
  using directory = new TemporaryDirectory();
  Deno.mkdirSync(directory.join("with space+ä%"), { mode: 0o700 });
  const path = directory.join("with space+ä%");
  const store = new DirectorySessionStore(toFileUrl(path));
  assertEquals(store.directory, path);
  await store.save(ID, recordOf());
  assertEquals(Deno.statSync(`${path}/${ID}`).isFile, true);
});

Deno.test("a directory can be given as a path of any form", async () => {
  using directory = new TemporaryDirectory();
  await new DirectorySessionStore(directory.path).save(ID, recordOf());
  const { path } = directory;
  for (const same of [`${path}/`, `${path}//`, `${path}/./`, `${path}/x/..`]) {
    const store = new DirectorySessionStore(same);
    assertEquals(await store.load(ID), recordOf(), same);
  }
});

Deno.test("a session outlives its store", async () => {
  using directory = new TemporaryDirectory();
  const one = new DirectorySessionStore(directory.path);
  const other = new DirectorySessionStore(directory.path);
  await one.save(ID, recordOf({ n: 1 }, { idleTimeout: HOUR }));
  assertEquals(await other.load(ID), recordOf({ n: 1 }, { idleTimeout: HOUR }));
  await other.update(ID, (record) => ({ ...record, data: { n: 2 } }));
  assertEquals((await one.load(ID))?.data, { n: 2 });
  assertEquals(await other.create(ID, recordOf()), false);
  await one.delete(ID);
  assertEquals(await other.has(ID), false);
});

Deno.test("concurrent operations of several stores are atomic", async () => {
  using directory = new TemporaryDirectory();
  const stores = Array.from(
    { length: 10 },
    () => new DirectorySessionStore(directory.path),
  );
  await stores[0]!.save(ID, recordOf({ n: 0 }));
  await Promise.all(
    Array.from(
      { length: 200 },
      (_, n) =>
        stores[n % 10]!.update(ID, (record) => ({
          ...record,
          data: { n: Number(record.data.n) + 1 },
        })),
    ),
  );
  assertEquals((await stores[0]!.load(ID))?.data, { n: 200 });
});

Deno.test("an operation on a session inside its change waits until the change ends", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(ID, recordOf({ n: 0 }));
  let inside: Promise<unknown> | undefined;
  await store.update(ID, (record) => {
    inside ??= store.update(ID, (again) => ({
      ...again,
      data: { ...again.data, inside: true },
    }));
    return { ...record, data: { ...record.data, outside: true } };
  });
  await inside;
  assertEquals((await store.load(ID))?.data, {
    n: 0,
    outside: true,
    inside: true,
  });
});

Deno.test("after the directory was removed, operations that change a session throw", async () => {
  using directory = new TemporaryDirectory();
  const path = directory.join("sessions");
  const store = new DirectorySessionStore(path, { create: true });
  await store.save(ID, recordOf());
  Deno.removeSync(path, { recursive: true });
  for (const name of ["save", "create"]) {
    await assertRejects(() => OPERATIONS[name]!(store), SessionDirectoryError);
  }
  const list = () => OPERATIONS.entries!(store);
  await assertRejects(list, Deno.errors.NotFound);
  // A revocation in it may be missing, too.
  for (const id of [ID, revocationId("ann")]) {
    await assertRejects(
      () => store.load(id, { mustBeReadable: true }),
      SessionDirectoryError,
    );
    assertEquals(await store.load(id), undefined);
  }
});

for (const create of [false, true]) {
  Deno.test(`check() says that the directory was removed, and not that it was never there, with create ${create}`, async () => {
    using parent = new TemporaryDirectory();
    const path = parent.join("sessions");
    const store = new DirectorySessionStore(path, { create });
    if (create) {
      await store.check();
    } else {
      const never = await assertRejects(() => store.check(), SessionStoreError);
      assertStringIncludes(never.message, "it is missing (the option `create`");
      Deno.mkdirSync(path, { mode: 0o700 });
      await store.check();
    }
    Deno.removeSync(path, { recursive: true });
    for (let again = 0; again < 2; again++) {
      const error = await assertRejects(() => store.check(), SessionStoreError);
      assertEquals(
        [error.operation, error.message],
        [
          "read",
          `Cannot read sessions: Cannot keep sessions in ${path}: it was removed or replaced since it was opened; bring it back, or make it anew with mode 0700, and the server goes on`,
        ],
      );
    }
    assertEquals(parent.list(), []);
    Deno.mkdirSync(path, { mode: 0o700 });
    await store.check();
    await store.save(ID, recordOf());
  });
}

Deno.test("a missing permission is the original error", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(ID, recordOf());
  const error = new Deno.errors.NotCapable("Requires write access");
  const { open } = system;
  using _replaced = replaceSystem({
    open: (path, options) => {
      if (options.write) throw error;
      return open(path, options);
    },
  });
  assertEquals(await store.load(ID), recordOf());
  for (const name of ["save", "create", "update", "touch", "delete"]) {
    const thrown = await assertRejects(() => OPERATIONS[name]!(store));
    assertStrictEquals(thrown, error, name);
  }
});

Deno.test({
  name: "a store that was disposed leaves no open file and no recycled file",
  sanitizeResources: true,
  async fn() {
    using directory = new TemporaryDirectory();
    using store = new DirectorySessionStore(directory.path);
    await store.save(ID, recordOf());
    await store.update(ID, () => recordOf({ n: 2 }));
    assertEquals([...Deno.readDirSync(directory.path)].length, 3);
    store[Symbol.dispose]();
    const names = [...Deno.readDirSync(directory.path)].map(({ name }) => name);
    assertEquals(names.sort(), [".latchkey", ID]);
    // The store still works.
    await store.update(ID, () => recordOf({ n: 3 }));
    assertEquals((await store.load(ID))?.data, { n: 3 });
  },
});

Deno.test("a relative directory is the one of when the store was made, whatever the current directory", async () => {
  using place = new TemporaryDirectory();
  const before = Deno.cwd();
  const [first, second] = ["first", "second"].map((name) => {
    const path = place.join(name);
    Deno.mkdirSync(`${path}/sessions`, { recursive: true, mode: 0o700 });
    return path;
  }) as [string, string];
  try {
    Deno.chdir(first);
    const store = new DirectorySessionStore("./sessions");
    Deno.chdir(second);
    await store.save(ID, recordOf());
    assertEquals(store.directory, `${Deno.realPathSync(first)}/sessions`);
    const other = new DirectorySessionStore("sessions");
    assertEquals(await other.has(ID), false);
    assertEquals(await store.load(ID), recordOf());
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("on Windows a directory store says what it lacks there, and which store to take", () => {
  using _replaced = replaceSystem({ os: () => "windows" });
  assertThrows(
    () => new DirectorySessionStore("sessions"),
    Deno.errors.NotSupported,
    "Cannot keep sessions in a directory on Windows, which has no flock and no POSIX modes: take SqliteSessionStore",
  );
});
