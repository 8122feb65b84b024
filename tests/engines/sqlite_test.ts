import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { HOUR, ID, MINUTE, OTHER_ID, recordOf } from "../constants.ts";
import { lastAccessOf } from "../contract/contract.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { testEngine } from "./engine_suite.ts";
import { spoilSqlite, type SqlitePlace } from "./open_sqlite.ts";
import { skipWaits, SqliteScene } from "./sqlite_scene.ts";

const PAGE = 4096;

for (const isBorrowed of [false, true]) {
  const what = isBorrowed ? ", borrowing a database" : "";
  testEngine(`SqliteSessionStore${what}`, {
    isShared: true,
    countsAll: true,
    make: () => {
      const directory = new TemporaryDirectory();
      const path = directory.join("sessions.db");
      return Promise.resolve({
        place: { kind: "sqlite", path, isBorrowed },
        [Symbol.asyncDispose]: () =>
          Promise.resolve(directory[Symbol.dispose]()),
      });
    },
    spoil: (place, ...rest) => spoilSqlite(place as SqlitePlace, ...rest),
  });
}

Deno.test("SqliteSessionStore: 8 processes at once set one new file up", async () => {
  using scene = new SqliteScene();
  const children = Array.from({ length: 8 }, () => scene.start("setup").end());
  for (const { stdout, stderr } of await Promise.all(children)) {
    assertEquals(stdout, "done\n", stderr);
  }
  assertEquals(scene.ask("PRAGMA journal_mode"), "wal");
});

Deno.test("SqliteSessionStore: setup() waits for another process that writes", async () => {
  using scene = new SqliteScene();
  using other = scene.open();
  other.exec("CREATE TABLE others (n); BEGIN IMMEDIATE");
  let waits = 0;
  using _waits = skipWaits(() => {
    if (++waits === 3) other.exec("COMMIT");
  });
  await scene.store.setup();
  assertEquals(waits, 3);
  assertEquals(scene.ask("PRAGMA journal_mode"), "wal");
});

Deno.test("SqliteSessionStore refuses a table of a later version, and leaves it as it is", async () => {
  using scene = new SqliteScene();
  scene.database.exec(`
    CREATE TABLE latchkey_schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL);
    INSERT INTO latchkey_schema VALUES ('latchkey_sessions', 2);
    CREATE TABLE latchkey_sessions (id TEXT PRIMARY KEY, anything);
  `);
  const schema = "SELECT group_concat(sql) FROM sqlite_schema";
  const before = scene.ask(schema);
  for (const act of [() => scene.store.setup(), () => scene.store.load(ID)]) {
    await assertRejects(act, TypeError, "of version 2, this code knows 1");
  }
  assertEquals(scene.ask(schema), before);
  using elsewhere = new SqliteSessionStore(scene.path, { table: "mine" });
  await elsewhere.save(ID, recordOf());
  assertEquals(await elsewhere.has(ID), true);
});

Deno.test("SqliteSessionStore refuses an invalid table or durability", () => {
  const database = new DatabaseSync(":memory:");
  for (
    const table of ["", "a b", "a;b", "1a", "Users", "a".repeat(49), 'a"', 1]
  ) {
    const options = { table: table as string };
    assertThrows(() => new SqliteSessionStore(database, options), TypeError);
  }
  for (const durability of ["", "disk", 1, null] as unknown as "power"[]) {
    const options = { durability };
    assertThrows(() => new SqliteSessionStore(database, options), TypeError);
  }
});

Deno.test("SqliteSessionStore: two tables of one database are two stores", async () => {
  const database = new DatabaseSync(":memory:");
  const one = new SqliteSessionStore(database);
  const other = new SqliteSessionStore(database, { table: "others" });
  await one.save(ID, recordOf());
  assertEquals(await other.has(ID), false);
  assertEquals((await other.deleteOldSessions(0)).remaining, 0);
  assertEquals(await one.has(ID), true);
});

Deno.test("SqliteSessionStore: a setup that failed can be tried again", async () => {
  using scene = new SqliteScene();
  scene.database.exec("PRAGMA max_page_count = 2");
  const store = scene.borrow();
  await assertRejects(() => store.setup(), Error, "full");
  assertEquals(scene.database.isTransaction, false);
  scene.database.exec("PRAGMA max_page_count = 9999");
  await store.save(ID, recordOf());
  assertEquals(await store.has(ID), true);
});

Deno.test("SqliteSessionStore: one statement an operation, two where it reads first", async () => {
  using scene = new SqliteScene();
  const { statements } = scene;
  const store = scene.borrow();
  await store.setup();
  const record = recordOf({}, { idleTimeout: HOUR });
  const operations: [count: number, () => Promise<unknown>][] = [
    [1, () => store.create(ID, record)],
    [2, () => store.save(ID, record)],
    [1, () => store.load(ID)],
    [1, () => store.load(ID, { touch: () => false })],
    [1, () => store.has(ID)],
    [2, () => store.touch(ID)],
    [2, () => store.update(ID, (same) => same)],
    [2, () => store.create(ID, record)],
    [1, () => store.delete(ID)],
    [1, () => store.load(ID)],
    [1, () => store.update(ID, (same) => same)],
    [2, () => store.deleteOldSessions(0)],
  ];
  for (const [n, [count, operate]] of operations.entries()) {
    statements.length = 0;
    await operate();
    assertEquals(statements.length, count, `operation ${n}: ${statements}`);
  }
});

Deno.test("SqliteSessionStore: a touch writes a few pages, however large the session", async () => {
  using scene = new SqliteScene();
  const { store, database } = scene;
  await store.setup();
  for (let n = 0; n < 200; n++) {
    await store.save(
      `another-session-${n}`,
      recordOf({}, { idleTimeout: HOUR }),
    );
  }
  const text = "x".repeat(64 * 1024);
  await store.save(ID, recordOf({ text }, { idleTimeout: HOUR }));
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  assertEquals(await store.touch(ID), true);
  const size = scene.logSize;
  assert(size > 0 && size < 6 * PAGE, `${size} bytes`);
});

Deno.test("SqliteSessionStore: an index finds the sessions of a user, and old ones", async () => {
  using scene = new SqliteScene();
  const { database, statements } = scene;
  const store = scene.borrow();
  await store.setup();
  const plansOf = async (
    operate: () => Promise<unknown>,
  ): Promise<string[]> => {
    statements.length = 0;
    await operate();
    return statements.flatMap((sql) =>
      database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()
        .map(({ detail }) => `${detail}`)
    );
  };
  const [read] = await plansOf(() => store.load(ID));
  assert(read!.includes("sqlite_autoindex_latchkey_sessions_1 (id=?)"), read);
  const ofUser = await plansOf(() =>
    Array.fromAsync(store.entries({ user: "ann" }))
  );
  assertEquals(ofUser, [
    "SEARCH latchkey_sessions USING INDEX latchkey_sessions_tag (tag=? AND id>?)",
  ]);
  for (const dryRun of [true, false]) {
    const old = await plansOf(() => store.deleteOldSessions(30, { dryRun }));
    const searches = old.filter((plan) =>
      plan.includes("latchkey_sessions_end")
    );
    assertEquals(
      searches.map((plan) => plan.slice(plan.indexOf("("))).slice(0, 2),
      ["(ends_at<?)", "(ends_at=? AND last_access<?)"],
      `${old}`,
    );
  }
});

Deno.test("SqliteSessionStore: deleteOldSessions() leaves the mark of a revocation that cannot be read", async () => {
  using scene = new SqliteScene();
  const { store, database } = scene;
  const expired = recordOf({ generation: 1 }, { expiresAt: 1 });
  const [damaged, cut, whole] = ["ann", "bob", "eve"].map(revocationId);
  for (const id of [damaged!, cut!, whole!, ID]) await store.save(id, expired);
  const spoil = database.prepare(
    "UPDATE latchkey_sessions SET json = ? WHERE id = ?",
  );
  spoil.run("garbage", damaged!);
  spoil.run('{"createdAt":1,"data":{"gener', cut!);
  spoil.run("garbage", ID);
  const dry = await store.deleteOldSessions(30, { dryRun: true });
  assertEquals(dry.deleted, 2);
  assertEquals((await store.deleteOldSessions(30)).deleted, 2);
  const left = database.prepare("SELECT id FROM latchkey_sessions").all();
  assertEquals(left.map(({ id }) => id).sort(), [damaged, cut].sort());
});

Deno.test("SqliteSessionStore: other calls run while it deletes 2,000 sessions", async () => {
  using scene = new SqliteScene();
  const { store } = scene;
  for (let n = 0; n < 2_000; n++) {
    await store.save(`an-old-session-${n}`, recordOf({}, { expiresAt: 1 }));
  }
  await store.save(ID, recordOf());
  let turns = 0;
  let isOver = false;
  const other = async (): Promise<void> => {
    while (!isOver) {
      await store.touch(ID);
      await new Promise((resolve) => setTimeout(resolve));
      turns++;
    }
  };
  const working = other();
  const steps: number[] = [];
  const { deleted, remaining } = await store.deleteOldSessions(30, {
    onProgress: (soFar) => steps.push(soFar.deleted),
  });
  isOver = true;
  await working;
  assertEquals([deleted, remaining], [2_000, 1]);
  assert(steps.length >= 10, `${steps}`);
  assert(turns >= 5, `${turns} turns`);
});

Deno.test("SqliteSessionStore: a process killed in a transaction changes nothing", async () => {
  using scene = new SqliteScene();
  const { store } = scene;
  await store.save(ID, recordOf({ n: 1 }));
  {
    await using child = scene.start("transaction");
    await child.expectLine("begun");
  }
  assertEquals(await store.load(ID), recordOf({ n: 1 }));
  await store.update(ID, () => recordOf({ n: 2 }));
  assertEquals(await store.create(OTHER_ID, recordOf()), true);
});

Deno.test("SqliteSessionStore: a failure reaches the caller, and nothing is lost", async () => {
  const failures: [
    message: string,
    begin: (scene: SqliteScene) => Disposable,
  ][] = [
    ["database or disk is full", ({ database }) => {
      database.exec("PRAGMA max_page_count = 1");
      return {
        [Symbol.dispose]: () => database.exec("PRAGMA max_page_count = 9999"),
      };
    }],
    ["attempt to write a readonly database", ({ database }) => {
      database.exec("PRAGMA query_only = 1");
      return {
        [Symbol.dispose]: () => database.exec("PRAGMA query_only = 0"),
      };
    }],
  ];
  const large = recordOf({ text: "x".repeat(64 * 1024) });
  for (const [message, begin] of failures) {
    using scene = new SqliteScene();
    const store = scene.borrow();
    await store.save(ID, recordOf({ n: 1 }));
    {
      using _failure = begin(scene);
      const acts = [
        () => store.save(ID, large),
        () => store.update(ID, () => large),
        () => store.create(OTHER_ID, large),
      ];
      for (const act of acts) await assertRejects(act, Error, message);
      assertEquals(await store.load(ID), recordOf({ n: 1 }));
      assertEquals(await store.has(OTHER_ID), false);
    }
    await store.save(ID, large);
    assertEquals(await store.load(ID), large);
  }
});

Deno.test("SqliteSessionStore works on a database in memory", async () => {
  const store = new SqliteSessionStore(new DatabaseSync(":memory:"));
  await store.save(ID, recordOf());
  assertEquals(await store.load(ID), recordOf());
});

Deno.test("SqliteSessionStore: a closed database is the original error", async () => {
  const database = new DatabaseSync(":memory:");
  const store = new SqliteSessionStore(database);
  await store.save(ID, recordOf());
  database.close();
  await assertRejects(() => store.load(ID), Error);
  await assertRejects(() => store.save(ID, recordOf()), Error);
});

Deno.test("SqliteSessionStore: a change that is no access does not take a touch back", async () => {
  const clock = { now: Date.now() };
  using scene = new SqliteScene({ now: () => clock.now });
  using other = new SqliteSessionStore(scene.path, { now: () => clock.now });
  const { store } = scene;
  await store.save(ID, recordOf({}, { idleTimeout: HOUR }));
  await other.setup();
  clock.now += MINUTE;
  let touched: Promise<boolean> | undefined;
  const change = (record: SessionRecord) => {
    touched ??= other.touch(ID);
    return { ...record, data: { n: 2 } };
  };
  await store.update(ID, change, { lastAccess: "unchanged" });
  assertEquals(await touched, true);
  assertEquals(await lastAccessOf(store, ID), clock.now);
  assertEquals((await store.load(ID))?.data, { n: 2 });
});
