/** What `SqliteSessionStore` alone promises. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../contract/contract.ts";
import { SqlitePlace } from "./sqlite_place.ts";

const PAGE = 4096;

Deno.test("SqliteSessionStore: one statement an operation, two where it reads first", async () => {
  using place = new SqlitePlace();
  const { store, statements } = place;
  await store.setup();
  const record = recordOf({}, { idleTimeout: HOUR });
  const operations: [count: number, () => Promise<unknown>][] = [
    [1, () => store.create(ID, record)],
    [1, () => store.save(ID, record)],
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
  using place = new SqlitePlace();
  const { store, database } = place;
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
  const { size } = Deno.statSync(`${place.path}-wal`);
  assert(size > 0 && size < 6 * PAGE, `${size} bytes`);
});

Deno.test("SqliteSessionStore finds a user's sessions, and old ones, by an index", async () => {
  using place = new SqlitePlace();
  const { store, database, statements } = place;
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

Deno.test("SqliteSessionStore: others have their turn while it deletes 2,000", async () => {
  using place = new SqlitePlace();
  const { store, database } = place;
  await store.setup();
  database.exec("BEGIN");
  for (let n = 0; n < 2_000; n++) {
    await store.save(`an-old-session-${n}`, recordOf({}, { expiresAt: 1 }));
  }
  await store.save(ID, recordOf());
  database.exec("COMMIT");
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
  using place = new SqlitePlace();
  const { store } = place;
  await store.save(ID, recordOf({ n: 1 }));
  const child = place.start("transaction");
  const reader = child.stdout.getReader();
  assertEquals(
    new TextDecoder().decode((await reader.read()).value),
    "begun\n",
  );
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  await child.stdin.abort();
  assertEquals(await store.load(ID), recordOf({ n: 1 }));
  await store.update(ID, () => recordOf({ n: 2 }));
  assertEquals(await store.create(OTHER_ID, recordOf()), true);
});

Deno.test("SqliteSessionStore: a failure reaches the caller, and nothing is lost", async () => {
  const failures: [
    message: string,
    begin: (place: SqlitePlace) => Disposable,
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
    ["database is locked", (place) => {
      // What setup has set, for a test that does not take as long.
      assertEquals(place.ask("PRAGMA busy_timeout"), 5_000);
      place.database.exec("PRAGMA busy_timeout = 1");
      const other = place.open();
      other.exec("BEGIN IMMEDIATE");
      return { [Symbol.dispose]: () => other.close() };
    }],
  ];
  const large = recordOf({ text: "x".repeat(64 * 1024) });
  for (const [message, begin] of failures) {
    using place = new SqlitePlace();
    const { store } = place;
    await store.save(ID, recordOf({ n: 1 }));
    {
      using _failure = begin(place);
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
