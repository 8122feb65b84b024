/** Whose the database is: the store's, which has opened it, or the application's. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { toFileUrl } from "@std/path/to-file-url";
import { DatabaseSync } from "node:sqlite";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import {
  type SqliteDatabase,
  SqliteSessionStore,
} from "../../src/engines/sqlite.ts";
import { HOUR, ID, MINUTE, OTHER_ID, recordOf } from "../constants.ts";
import { lastAccessOf } from "../contract/contract.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { watch } from "./open_sqlite.ts";
import { skipWaits, SqliteScene } from "./sqlite_scene.ts";

/** Sees the databases that have run a statement. */
class OpenedDatabases implements Disposable {
  readonly databases: Set<DatabaseSync> = new Set();
  readonly #prototype = Object.getPrototypeOf(DatabaseSync.prototype);
  readonly #exec = this.#prototype.exec;

  constructor() {
    const { databases } = this;
    const exec = this.#exec;
    this.#prototype.exec = function (this: DatabaseSync, sql: string): void {
      databases.add(this);
      exec.call(this, sql);
    };
  }

  [Symbol.dispose](): void {
    this.#prototype.exec = this.#exec;
  }
}

/** Resolves a millisecond later. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("SqliteSessionStore refuses what is neither a path nor an open database", () => {
  for (const source of [undefined, null, "", 1, {}, "file:sessions.db"]) {
    assertThrows(
      () => new SqliteSessionStore(source as string),
      TypeError,
      "neither a path, a file URL nor an open DatabaseSync",
    );
  }
  new SqliteSessionStore(":memory:");
});

Deno.test("SqliteSessionStore syncs each change for durability power only, and waits outside SQLite", async () => {
  for (const [durability, level] of [["process", 1], ["power", 2]] as const) {
    using scene = new SqliteScene({ durability });
    using spy = new OpenedDatabases();
    await scene.store.setup();
    const [opened] = spy.databases;
    const ask = (name: string) =>
      Object.values(opened!.prepare(`PRAGMA ${name}`).get()!)[0];
    assertEquals(ask("synchronous"), level);
    assertEquals(ask("busy_timeout"), 0);
    assertEquals(ask("journal_size_limit"), 16 * 1024 * 1024);
    assertEquals(ask("journal_mode"), "wal");
  }
});

Deno.test("SqliteSessionStore: the files that it makes are for their owner only", async () => {
  using directory = new TemporaryDirectory();
  for (const name of ["a.db", "b c.db"]) {
    const path = directory.join(name);
    const source = name === "a.db" ? path : toFileUrl(path);
    using store = new SqliteSessionStore(source);
    await store.save(ID, recordOf());
    for (const end of ["", "-wal", "-shm"]) {
      assertEquals(Deno.statSync(path + end).mode! & 0o777, 0o600, end);
    }
  }
});

Deno.test("SqliteSessionStore closes what it has opened, and nothing else", async () => {
  using scene = new SqliteScene();
  const { store, path } = scene;
  await store.save(ID, recordOf());
  store[Symbol.dispose]();
  store[Symbol.dispose]();
  await assertRejects(() => store.load(ID), Error);
  await assertRejects(() => store.save(ID, recordOf()), Error);
  const unused = new SqliteSessionStore(path);
  unused[Symbol.dispose]();
  await assertRejects(() => unused.load(ID), Error, "was disposed of");
  const early = new SqliteSessionStore(path);
  const setup = early.setup();
  early[Symbol.dispose]();
  await assertRejects(() => setup, Error, "was disposed of");
  const borrowing = scene.borrow();
  borrowing[Symbol.dispose]();
  assertEquals(await borrowing.load(ID), recordOf());
});

Deno.test("SqliteSessionStore: a file that could not be opened can be tried again", async () => {
  using directory = new TemporaryDirectory();
  const path = directory.join("sessions.db");
  Deno.writeTextFileSync(path, "anything else ".repeat(100));
  using store = new SqliteSessionStore(path);
  await assertRejects(() => store.setup(), Error, "file is not a database");
  Deno.removeSync(path);
  await store.save(ID, recordOf());
  assertEquals(await store.load(ID), recordOf());
});

Deno.test("SqliteSessionStore changes no setting of a database that it borrows", async () => {
  using scene = new SqliteScene();
  scene.database.exec("PRAGMA synchronous = EXTRA; PRAGMA busy_timeout = 77");
  const names = [
    "synchronous",
    "busy_timeout",
    "journal_mode",
    "journal_size_limit",
    "wal_autocheckpoint",
    "cache_size",
    "locking_mode",
  ];
  const settings = () => names.map((name) => scene.ask(`PRAGMA ${name}`));
  const before = settings();
  const store = scene.borrow({ durability: "process" });
  await store.save(ID, recordOf());
  await store.deleteOldSessions(0);
  assertEquals(settings(), before);
  assertEquals(before.slice(0, 3), [3, 77, "delete"]);
});

Deno.test("SqliteSessionStore works where a statement returns objects only, as before Node 22.16", async () => {
  using database = new DatabaseSync(":memory:");
  const old: SqliteDatabase = {
    get isTransaction() {
      return database.isTransaction;
    },
    exec: (sql) => database.exec(sql),
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        get: (...values) => statement.get(...values),
        all: (...values) => statement.all(...values),
        run: (...values) => statement.run(...values),
      };
    },
  };
  const store = new SqliteSessionStore(old);
  await store.save(ID, recordOf());
  await store.update(ID, (record) => ({ ...record, data: { n: 1 } }));
  assertEquals((await store.load(ID))?.data, { n: 1 });
  assertEquals(await store.load(OTHER_ID), undefined);
});

Deno.test("SqliteSessionStore refuses to borrow a database that it cannot work with", async () => {
  using scene = new SqliteScene();
  const open = (options: object) => new DatabaseSync(scene.path, options);
  using bigInts = open({ readBigInts: true });
  using arrays = open({ returnArrays: true });
  using readOnly = open({});
  readOnly.exec("PRAGMA query_only = 1");
  const { isTransaction: _without, ...other } = watch(scene.database, () => {});
  const databases = {
    readBigInts: bigInts,
    returnArrays: arrays,
    query_only: readOnly,
    isTransaction: other as SqliteDatabase,
  };
  for (const [reason, database] of Object.entries(databases)) {
    const store = new SqliteSessionStore(database);
    for (const act of [() => store.setup(), () => store.load(ID)]) {
      const error = await assertRejects(act, TypeError, reason);
      assertStringIncludes(error.message, "give the store the path");
    }
  }
  assertEquals(scene.ask("SELECT count(*) FROM sqlite_schema"), 0);
});

Deno.test("SqliteSessionStore: during a transaction of the application reads go on, and mark nothing", async () => {
  const clock = { now: Date.now() };
  using scene = new SqliteScene();
  const { database, warnings } = scene;
  const store = scene.borrow({ now: () => clock.now });
  const record = recordOf({}, { idleTimeout: HOUR });
  await store.save(ID, record);
  await store.save(OTHER_ID, recordOf({}, { idleTimeout: MINUTE }));
  const all = () => database.prepare("SELECT * FROM latchkey_sessions").all();
  const before = all();
  clock.now += MINUTE;
  database.exec("BEGIN");
  assertEquals(await store.load(ID, { touch: () => true }), record);
  assertEquals(await store.load(OTHER_ID, { touch: () => true }), undefined);
  assertEquals(await store.has(ID), true);
  assertEquals((await Array.fromAsync(store.entries())).length, 1);
  assertEquals(all(), before);
  database.exec("COMMIT");
  assertEquals(await store.touch(ID), true);
  assertEquals(await lastAccessOf(store, ID), clock.now);
  assertEquals(warnings, []);
});

Deno.test("SqliteSessionStore: a change waits for the end of a transaction of the application, which cannot undo it", async () => {
  const changes: [
    change: (store: SqliteSessionStore) => Promise<unknown>,
    data: unknown,
  ][] = [
    [(store) => store.save(ID, recordOf({ n: 2 })), { n: 2 }],
    [(store) => store.update(ID, () => recordOf({ n: 2 })), { n: 2 }],
    [(store) => store.update(ID, () => undefined), undefined],
    [(store) => store.delete(ID), undefined],
    [(store) => store.deleteOldSessions(0), undefined],
  ];
  for (const [change, data] of changes) {
    for (const end of ["COMMIT", "ROLLBACK"]) {
      using scene = new SqliteScene();
      const { database } = scene;
      database.exec("CREATE TABLE orders (n INTEGER)");
      const store = scene.borrow();
      await store.save(ID, recordOf({ n: 1 }));
      database.exec("BEGIN; INSERT INTO orders VALUES (1)");
      let isDone = false;
      const waiting = change(store).finally(() => isDone = true);
      for (let turn = 0; turn < 10; turn++) await pause();
      assertEquals(isDone, false);
      database.exec(end);
      await waiting;
      assertEquals((await store.load(ID))?.data, data);
      const orders = scene.ask("SELECT count(*) FROM orders");
      assertEquals(orders, end === "COMMIT" ? 1 : 0);
    }
  }
});

Deno.test("SqliteSessionStore: a change that waits for another process does not slip into a transaction of the application", async () => {
  using scene = new SqliteScene();
  const { database } = scene;
  const store = scene.borrow();
  await store.save(ID, recordOf());
  using other = scene.open();
  other.exec("BEGIN IMMEDIATE");
  const deleted = store.delete(ID);
  await pause();
  database.exec("BEGIN");
  other.exec("ROLLBACK");
  for (let turn = 0; turn < 10; turn++) await pause();
  database.exec("ROLLBACK");
  assertEquals(await deleted, true);
  assertEquals(await store.has(ID), false);
});

Deno.test("SqliteSessionStore: a change waits five seconds for a transaction of the application", async () => {
  using scene = new SqliteScene();
  const store = scene.borrow();
  await store.save(ID, recordOf());
  scene.database.exec("BEGIN");
  {
    using _waits = skipWaits();
    const error = await assertRejects(
      () => store.delete(ID),
      SessionLockTimeoutError,
      "the application has a transaction open",
    );
    assertEquals(error.timeout, 5_000);
  }
  scene.database.exec("ROLLBACK");
  assertEquals(await store.delete(ID), true);
});

Deno.test("SqliteSessionStore: the event loop goes on while another process writes", async () => {
  using scene = new SqliteScene();
  const { store } = scene;
  await store.save(ID, recordOf({ n: 1 }));
  await using child = scene.start("transaction");
  await child.expectLine("begun");
  let isDone = false;
  const saving = store.save(ID, recordOf({ n: 2 }))
    .finally(() => isDone = true);
  for (let turn = 0; turn < 20; turn++) {
    await pause();
    assertEquals(await store.load(ID), recordOf({ n: 1 }));
  }
  assertEquals(isDone, false);
  child.kill();
  await saving;
  assertEquals(await store.load(ID), recordOf({ n: 2 }));
});

Deno.test("SqliteSessionStore: a change waits five seconds for another process that writes", async () => {
  using scene = new SqliteScene();
  const { store, warnings } = scene;
  await store.save(ID, recordOf());
  using other = scene.open();
  other.exec("BEGIN IMMEDIATE");
  {
    using _waits = skipWaits();
    await assertRejects(() => store.delete(ID), Error, "database is locked");
    assertEquals(await store.load(ID, { touch: () => true }), recordOf());
  }
  assertEquals(warnings.map(({ type }) => type), ["unwritten"]);
  other.exec("ROLLBACK");
  assertEquals(await store.delete(ID), true);
});

Deno.test("SqliteSessionStore: delete() does not say that it deleted what a reader with a rollback journal keeps", async () => {
  using scene = new SqliteScene();
  const store = scene.borrow();
  await store.save(ID, recordOf());
  using reader = scene.open();
  reader.exec("BEGIN");
  reader.prepare("SELECT * FROM latchkey_sessions").all();
  {
    using _waits = skipWaits();
    await assertRejects(() => store.delete(ID), Error, "database is locked");
    assertEquals(await store.has(ID), true);
  }
  reader.exec("COMMIT");
  assertEquals(await store.delete(ID), true);
  assertEquals(await store.delete(ID), false);
});

Deno.test("SqliteSessionStore: a cleanup empties the write-ahead log", async () => {
  using scene = new SqliteScene();
  const { store } = scene;
  const text = "x".repeat(100_000);
  await store.save(ID, recordOf({ text }, { expiresAt: 1 }));
  assertEquals((await store.deleteOldSessions(0, { dryRun: true })).deleted, 1);
  assert(scene.logSize > 100_000);
  assertEquals((await store.deleteOldSessions(0)).deleted, 1);
  assertEquals(scene.logSize, 0);
});
