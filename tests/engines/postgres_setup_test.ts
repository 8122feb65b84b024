// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import type postgres from "npm:postgres@3.4.9";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { StoreWarning } from "../../src/core/store.ts";
import {
  type PostgresClient,
  queryOf,
} from "../../src/engines/postgres_client.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { Ground } from "../histories/crowd.ts";
import { ID, recordOf } from "../constants.ts";
import { connect, DRIVERS } from "./open_postgres.ts";
import { PostgresScene } from "./postgres_scene.ts";
import { missing } from "./postgres_server.ts";

const scene = new PostgresScene();

/** Never called: it type-checks if a store takes what the drivers give. */
export function takesEveryClient(
  clients: [
    pg.Pool,
    pg.Client,
    pg.PoolClient,
    postgres.Sql,
    postgres.Sql<{ bigint: bigint }>,
    postgres.ReservedSql,
  ],
): PostgresClient[] {
  return clients.map((client) => {
    new PostgresSessionStore(client);
    return client;
  });
}

scene.test("8 processes at once set one table up", async (driver) => {
  using ground = new Ground(scene.place(driver));
  await ground.run({ processes: 8, operations: 160, seed: 1 });
  assert(ground.readEvents().length >= 2 * 160);
});

scene.test("8 connections at once set one table up, and a second setup changes nothing", async (driver) => {
  const place = scene.place(driver);
  await using stack = new AsyncDisposableStack();
  const stores = Array.from({ length: 8 }, () => {
    const { client } = stack.use(connect(place, { max: 1 }));
    return new PostgresSessionStore(client, place);
  });
  await Promise.all(stores.map((store) => store.setup()));
  await stores[0]!.save(ID, recordOf());
  const { client } = stack.use(connect(place));
  const late = new PostgresSessionStore(client, place);
  await late.setup();
  await late.setup();
  assertEquals(await late.load(ID), recordOf());
});

scene.test("a failed setup() can be tried again", async (driver) => {
  await using watched = await scene.open(driver);
  const { client, sql } = watched;
  const store = new PostgresSessionStore(client, { table: `${driver}_later` });
  await sql(`CREATE VIEW ${driver}_later AS SELECT 1`);
  await assertRejects(() => store.load(ID), Error, `${driver}_later`);
  await sql(`DROP VIEW ${driver}_later`);
  assertEquals(await store.load(ID), undefined);
});

scene.test("a table of a later version is refused, and left as it is", async (driver) => {
  await using watched = await scene.open(driver);
  const { client, table, sql, store: before } = watched;
  await before.save(ID, recordOf());
  await sql(`UPDATE latchkey_schema SET version = 2 WHERE name = '${table}'`);
  await sql(`DROP INDEX ${table}_tag`);
  const store = new PostgresSessionStore(client, { table });
  const operations = [
    () => store.setup(),
    () => store.load(ID),
    () => store.save(ID, recordOf()),
    () => store.deleteOldSessions(0),
  ];
  for (const operate of operations) {
    await assertRejects(
      operate,
      TypeError,
      "their table is of version 2, this code knows 1",
    );
  }
  assertEquals(await before.load(ID), recordOf());
  assertEquals(await sql(`SELECT to_regclass('${table}_tag') IS NULL`), [[
    "t",
  ]]);
});

scene.test("setup() of an existing table takes no right to create", async (driver) => {
  await using owner = await scene.open(driver);
  const { table, sql } = owner;
  const role = `${table}_user`;
  await sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  await sql(`CREATE ROLE ${role} LOGIN`);
  await sql(`GRANT SELECT ON latchkey_schema TO ${role}`);
  await sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${role}`);
  await using opened = connect(
    { driver, port: scene.server.port },
    { user: role },
  );
  const store = new PostgresSessionStore(opened.client, { table });
  await store.setup();
  await store.save(ID, recordOf());
  assertEquals(await store.touch(ID), true);
  assertEquals((await store.deleteOldSessions(0)).deleted, 1);
  const other = new PostgresSessionStore(opened.client, { table: "others" });
  const error = await assertRejects(() => other.setup(), Error);
  assertMatch(
    error.message,
    /permission denied.*`schema postgres` prints.*setupSql\(\) returns$/,
  );
});

scene.test("setupSql() is what a role without the right to create needs", async (driver) => {
  // npm:postgres takes a BEGIN from a client of one connection only.
  await using owner = await scene.open(driver, { max: 1 });
  const query = queryOf(owner.client);
  const role = `${driver} "user"`;
  await owner.sql(`CREATE ROLE "${role.replaceAll('"', '""')}" LOGIN`);
  await owner.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  const { port } = scene.server;
  await using opened = connect({ driver, port }, { user: role });
  for (const schema of [undefined, `${driver}'s "own"`]) {
    const options = { table: `${driver}_granted`, schema };
    const store = new PostgresSessionStore(opened.client, options);
    const error = await assertRejects(() => store.setup(), Error);
    assertMatch(
      error.message,
      /(denied|not exist).*`schema postgres` prints.*setupSql\(\) returns$/,
    );
    const sql = PostgresSessionStore.setupSql(role, options);
    await query(sql);
    await query(sql);
    await store.setup();
    await store.save(ID, recordOf());
    assertEquals(await store.load(ID, { touch: () => true }), recordOf());
    await store.update(ID, (record) => record);
    await store.check();
    assertEquals((await Array.fromAsync(store.entries())).length, 1);
    assertEquals((await store.deleteOldSessions(0)).deleted, 1);
  }
});

scene.test("two schemas have tables of one name, whatever the search_path", async (driver) => {
  await using watched = await scene.open(driver);
  const { client, table, sql } = watched;
  const schemas = [`${table} "one"`, `${table}.Two`];
  for (const schema of schemas) {
    await sql(`CREATE SCHEMA "${schema.replaceAll('"', '""')}"`);
  }
  const stores = [undefined, ...schemas].map((schema) =>
    new PostgresSessionStore(client, { table, schema })
  );
  for (const [n, store] of stores.entries()) {
    assertEquals(await store.load(ID), undefined);
    await store.save(ID, recordOf({ n }, { user: "ann" }));
  }
  for (const [n, store] of stores.entries()) {
    const [entry] = await Array.fromAsync(store.entries({ user: "ann" }));
    assertEquals(entry?.[1].data, { n });
    assertEquals((await store.deleteOldSessions(0)).deleted, 1);
    assertEquals(await store.has(ID), false);
  }
  const tables = await sql(
    `SELECT schemaname FROM pg_tables WHERE tablename = '${table}' ORDER BY 1`,
  );
  assertEquals(tables.flat(), ["public", ...schemas].sort());
});

scene.test("setup() warns of a table in another schema than the first of search_path", async (driver) => {
  await using watched = await scene.open(driver);
  const { table, sql } = watched;
  const role = `${table}_${driver}`;
  await sql(`CREATE ROLE ${role} LOGIN SUPERUSER`);
  await sql(`CREATE SCHEMA AUTHORIZATION ${role}`);
  const { port } = scene.server;
  await using opened = connect({ driver, port }, { user: role });
  const warnings: StoreWarning[] = [];
  const onWarning = (warning: StoreWarning) => void warnings.push(warning);
  const options = { table, onWarning };
  await new PostgresSessionStore(opened.client, options).setup();
  assertEquals(warnings.map(({ type }) => type), ["setup"]);
  assertMatch(warnings[0]!.message, new RegExp(`schema public.*${role}`));
  for (const schema of ["public", role]) {
    const named = { ...options, schema };
    await new PostgresSessionStore(opened.client, named).setup();
  }
  await new PostgresSessionStore(opened.client, options).setup();
  assertEquals(warnings.length, 1);
});

scene.test("setup() refuses another application's table, and leaves it as it is", async (driver) => {
  await using watched = await scene.open(driver);
  const { client, sql } = watched;
  const tables = [
    "(id uuid PRIMARY KEY, json text)",
    "(id text PRIMARY KEY, version integer, last_access bigint)",
  ];
  for (const [n, columns] of tables.entries()) {
    const table = `${driver}_theirs_${n}`;
    await sql(`CREATE TABLE ${table} ${columns}`);
    const store = new PostgresSessionStore(client, { table });
    const error = await assertRejects(() => store.load(ID), TypeError);
    assertMatch(error.message, new RegExp(`${table}.*another application's`));
    const known = await sql(
      `SELECT 1 FROM latchkey_schema WHERE name = '${table}'`,
    );
    assertEquals(known, []);
  }
});

scene.test("setup() of an existing table does not wait for a writer", async (driver) => {
  const place = scene.place(driver);
  await using watched = await scene.open(place);
  const { store, sql, table } = watched;
  await store.save(ID, recordOf());
  await using opened = connect(place, { max: 1 });
  await using holder = await scene.open(place, { max: 1 });
  await holder.sql("BEGIN");
  await holder.sql(`UPDATE ${table} SET last_access = 0`);
  const other = new PostgresSessionStore(opened.client, { table });
  await other.setup();
  assertEquals(await other.load(ID), recordOf());
  await holder.sql("ROLLBACK");
  assertEquals(await sql("SELECT 1"), [["1"]]);
});

Deno.test({
  name:
    "PostgresSessionStore on npm:pg: setup() warns of a pool without a listener for errors, and of no other",
  ignore: missing !== undefined,
  fn: async () => {
    const { port, table } = scene.place("pg");
    const pool = new pg.Pool({ ...WHERE, port });
    const warnings: StoreWarning[] = [];
    const setUp = () => {
      const onWarning = (warning: StoreWarning) => void warnings.push(warning);
      return new PostgresSessionStore(pool, { table, onWarning }).setup();
    };
    await setUp();
    assertEquals(warnings.map(({ type }) => type), ["setup"]);
    assertStringIncludes(warnings[0]!.message, 'pool.on("error"');
    const ended = Promise.withResolvers<Error>();
    pool.on("error", ended.resolve);
    await setUp();
    assertEquals(warnings.length, 1);
    await using watched = await scene.open("pg");
    await watched.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'idle'`,
    );
    assertStringIncludes((await ended.promise).message, "terminating");
    await setUp();
    await pool.end();
  },
});

const WHERE = {
  host: "127.0.0.1",
  user: "postgres",
  database: "postgres",
  application_name: "idle",
};

Deno.test("PostgresSessionStore refuses a table name that needs quotes", () => {
  const client = { query: () => Promise.reject() };
  const names: unknown[] = [
    "",
    "Sessions",
    "1st",
    "a-b",
    "a.b",
    'a"b',
    "a'; DROP TABLE users; --",
    "a b",
    "é",
    "a".repeat(49),
    "a\n",
    null,
    1,
    ["a"],
  ];
  for (const table of names) {
    assertThrows(
      () => new PostgresSessionStore(client, { table: table as string }),
      TypeError,
      "Cannot use table",
    );
  }
  for (const table of ["a", "_a1", "a".repeat(48)]) {
    new PostgresSessionStore(client, { table });
  }
});

Deno.test("PostgresSessionStore refuses a schema or role that is not a name", () => {
  const client = { query: () => Promise.reject() };
  for (const name of ["", "é".repeat(32), "a\0b", null, 1] as string[]) {
    const options = { schema: name };
    for (
      const act of [
        () => new PostgresSessionStore(client, options),
        () => PostgresSessionStore.setupSql("app", options),
        () => PostgresSessionStore.setupSql(name),
      ]
    ) assertThrows(act, TypeError, "it is not a string of 1 to 63 bytes");
  }
  new PostgresSessionStore(client, { schema: "a".repeat(63) });
});

Deno.test("PostgresSessionStore refuses what is not a client", () => {
  const clients: unknown[] = [
    undefined,
    null,
    "postgres://localhost",
    {},
    { query: "SELECT" },
    { unsafe: true },
    () => {},
    { sendCommand: () => {} },
  ];
  for (const client of clients) {
    assertThrows(
      () => new PostgresSessionStore(client as PostgresClient),
      TypeError,
      `neither of npm:${DRIVERS.join(" nor of npm:")}`,
    );
  }
});
