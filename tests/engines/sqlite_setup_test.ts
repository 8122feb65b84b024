/** What `SqliteSessionStore` promises of a database that it is given. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { system } from "../../src/system/system.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { ID, recordOf } from "../contract/contract.ts";
import { SqlitePlace } from "./sqlite_place.ts";

async function ended(child: Deno.ChildProcess): Promise<string> {
  await child.stdin.close();
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("SqliteSessionStore: 8 processes set one new file up at once", async () => {
  using place = new SqlitePlace();
  const children = Array.from({ length: 8 }, () => place.start("setup"));
  assertEquals(await Promise.all(children.map(ended)), Array(8).fill("done"));
  assertEquals(place.ask("PRAGMA journal_mode"), "wal");
});

Deno.test("SqliteSessionStore: setup() waits for who has begun to write", async () => {
  using place = new SqlitePlace();
  const other = place.open();
  other.exec("CREATE TABLE others (n); BEGIN IMMEDIATE");
  const { wait } = system;
  let waits = 0;
  try {
    system.wait = () => {
      if (++waits === 3) other.exec("COMMIT");
      return Promise.resolve();
    };
    await place.store.setup();
  } finally {
    system.wait = wait;
    other.close();
  }
  assertEquals(waits, 3);
  assertEquals(place.ask("PRAGMA journal_mode"), "wal");
});

Deno.test("SqliteSessionStore refuses a table of a later version, and leaves it as it is", async () => {
  using place = new SqlitePlace();
  place.database.exec(`
    CREATE TABLE latchkey_schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL);
    INSERT INTO latchkey_schema VALUES ('latchkey_sessions', 2);
    CREATE TABLE latchkey_sessions (id TEXT PRIMARY KEY, anything);
  `);
  const schema = "SELECT group_concat(sql) FROM sqlite_schema";
  const before = place.ask(schema);
  for (const act of [() => place.store.setup(), () => place.store.load(ID)]) {
    await assertRejects(act, TypeError, "of version 2, this code knows 1");
  }
  assertEquals(place.ask(schema), before);
  const elsewhere = new SqliteSessionStore(place.database, { table: "mine" });
  await elsewhere.save(ID, recordOf());
  assertEquals(await elsewhere.has(ID), true);
});

Deno.test("SqliteSessionStore refuses a table or durability that makes no sense", () => {
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

Deno.test("SqliteSessionStore syncs each change for durability power only", async () => {
  for (const [durability, level] of [["process", 1], ["power", 2]] as const) {
    using place = new SqlitePlace({ durability });
    await place.store.setup();
    assertEquals(place.ask("PRAGMA synchronous"), level);
  }
});

Deno.test("SqliteSessionStore: a setup that failed can be tried again", async () => {
  using place = new SqlitePlace();
  place.database.exec("PRAGMA max_page_count = 2");
  await assertRejects(() => place.store.setup(), Error, "full");
  assertEquals(place.database.isTransaction, false);
  place.database.exec("PRAGMA max_page_count = 9999");
  await place.store.save(ID, recordOf());
  assertEquals(await place.store.has(ID), true);
});
