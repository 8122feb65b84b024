// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import postgres from "npm:postgres@3.4.9";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { PostgresClient } from "../../src/engines/postgres_client.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { entriesOf } from "../contract/contract.ts";
import { missing } from "./postgres_server.ts";
import { PostgresScene } from "./postgres_scene.ts";

const INT8 = 20;
const INT4 = 23;
const TEXT = 25;
const VERSIONS = 2 ** 53;

const scene = new PostgresScene();

/** Runs every operation that reads a row, by a store on the client. */
async function assertWorks(
  client: PostgresClient,
  table: string,
): Promise<void> {
  const store = new PostgresSessionStore(client, { table });
  const record = recordOf({ n: 1 }, { user: "ann", idleTimeout: HOUR });
  await store.save(ID, record);
  assertEquals(await store.create(ID, record), false);
  assertEquals(await store.load(ID), record);
  assertEquals(await store.touch(ID), true);
  assertEquals(await store.update(ID, (same) => same), record);
  const other = new PostgresSessionStore(client, { table });
  assertEquals(await other.update(ID, (same) => same), record);
  assertEquals(await entriesOf(store), { [ID]: record });
  const [entry] = await Array.fromAsync(store.entries({ user: "ann" }));
  assert(Math.abs(Date.now() - entry![2]) < HOUR);
  await store.save(OTHER_ID, recordOf({}, { expiresAt: 1 }));
  const dry = await store.deleteOldSessions(30, { dryRun: true });
  assertEquals(dry, { deleted: 1, remaining: 1, orphans: 0 });
  const cleaned = await store.deleteOldSessions(30);
  assertEquals(cleaned, { deleted: 1, remaining: 1, orphans: 0 });
  assertEquals(await store.delete(ID), true);
}

/** Changes how `npm:pg` reads a type, for all of the process. */
function readAs(oid: number, parse: (text: string) => unknown): Disposable {
  const before = pg.types.getTypeParser(oid);
  pg.types.setTypeParser(oid, parse);
  return { [Symbol.dispose]: () => pg.types.setTypeParser(oid, before) };
}

Deno.test({
  name:
    "PostgresSessionStore on npm:pg works with any type parser of the application",
  ignore: missing !== undefined,
  fn: async () => {
    for (const parse of [BigInt, Number, parseFloat, () => "unreadable"]) {
      const { port, table } = scene.place("pg");
      using _bigint = readAs(INT8, parse);
      using _integer = readAs(INT4, parse);
      using _text = readAs(TEXT, (text) => ({ text }));
      const client = new pg.Pool({ ...WHERE, port });
      client.on("error", fail);
      await assertWorks(client, table);
      await client.end();
    }
  },
});

Deno.test({
  name:
    "PostgresSessionStore on npm:postgres works with any types and transforms of the application",
  ignore: missing !== undefined,
  fn: async () => {
    const options: postgres.Options<{ bigint: postgres.PostgresType }>[] = [
      { types: { bigint: postgres.BigInt } },
      { transform: postgres.pascal },
      { transform: { column: () => "column", value: () => "value" } },
      { prepare: false },
      { fetch_types: false, max: 1 },
    ];
    for (const option of options) {
      const { port, table } = scene.place("postgres");
      const client = postgres({ ...WHERE, port, ...option });
      await assertWorks(client, table);
      await client.end();
    }
  },
});

Deno.test({
  name: "PostgresSessionStore on npm:pg: a single client is enough",
  ignore: missing !== undefined,
  fn: async () => {
    const { port, table } = scene.place("pg");
    const client = new pg.Client({ ...WHERE, port });
    client.on("error", fail);
    await client.connect();
    await assertWorks(client, table);
    await client.end();
  },
});

function fail(error: Error): never {
  throw error;
}

const WHERE = { host: "127.0.0.1", user: "postgres", database: "postgres" };

scene.test("a revision may be any whole number below 2 ** 53", async (driver) => {
  await using watched = await scene.open(driver);
  const { store, client, sql, table } = watched;
  const random = Math.random;
  using _random = { [Symbol.dispose]: () => void (Math.random = random) };
  for (const version of [VERSIONS - 1, VERSIONS - 2, 0, 1]) {
    Math.random = () => version / VERSIONS;
    await store.save(ID, recordOf({ n: 1 }));
    const [kept] = await sql(`SELECT version FROM ${table}`);
    assertEquals(kept, [String(version)]);
    await store.touch(ID);
    Math.random = random;
    client.take();
    await store.update(ID, () => recordOf({ n: 2 }));
    assertEquals(client.take().map(({ count }) => count), [1]);
    assertEquals(await store.load(ID), recordOf({ n: 2 }));
  }
});

scene.test("one connection is enough for concurrent calls", async (driver) => {
  await using watched = await scene.open(driver, { max: 1 });
  const { store } = watched;
  const ids = Array.from({ length: 250 }, (_, n) => `session-number-${n}`);
  await Promise.all(ids.map((id) => store.save(id, recordOf({ n: 0 }))));
  for await (const [id] of store.entries()) {
    await store.update(id, ({ data }) => recordOf({ n: Number(data.n) + 1 }));
    for await (const _entry of store.entries()) break;
  }
  await Promise.all(ids.flatMap((id) => [store.touch(id), store.load(id)]));
  await store.deleteOldSessions(0, { onProgress: () => void store.has(ID) });
  assertEquals(await entriesOf(store), {});
});

scene.test("while the server is away its errors reach the caller, and the next call works", async (driver) => {
  const { server } = scene;
  const place = scene.place(driver);
  await using watched = await scene.open(place);
  await using holder = await scene.open(place, { max: 1 });
  await using observer = await scene.open(place, { max: 1 });
  const { store, table } = watched;
  await store.save(ID, recordOf());
  await holder.sql("BEGIN");
  await holder.sql(`UPDATE ${table} SET last_access = 0`);
  // It goes on when the holder's connection is ended first.
  const isSaved = store.save(ID, recordOf({ n: 2 }))
    .then(() => true, () => false);
  await isWaiting(observer.sql);
  await server.stop();
  const mayBe = await isSaved ? [2] : [1, 2];
  for (
    const operate of [
      () => store.load(ID),
      () => store.save(ID, recordOf({ n: 3 })),
      () => store.update(ID, (same) => same),
      () => store.delete(ID),
      () => Array.fromAsync(store.entries()),
      () => store.deleteOldSessions(0),
    ]
  ) await assertRejects(operate, Error);
  await server.restart();
  const record = await store.load(ID);
  assert(mayBe.includes(record?.data.n as number));
  assertEquals(await store.touch(ID), true);
});

/** Waits until a statement waits for a row. */
async function isWaiting(
  sql: (text: string) => Promise<readonly unknown[]>,
): Promise<void> {
  const waiting = "SELECT 1 FROM pg_locks WHERE NOT granted";
  while ((await sql(waiting)).length === 0);
}
