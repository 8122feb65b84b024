import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { lastAccessOf } from "../contract/contract.ts";
import {
  PostgresScene,
  type Statement,
  type WatchedStore,
} from "./postgres_scene.ts";

const ROWS = 20_000;
const SECOND = 1_000;
const LARGE = 64 * 1024;
const SMALL = 1_000;
const PAGE = 100;

const scene = new PostgresScene();

/** Texts that hardly compress, the same for the same seed. */
function textOf(length: number): string {
  let seed = 1;
  return Array.from({ length: length / 8 }, () => {
    seed = Math.imul(seed, 1_103_515_245) + 12_345 >>> 0;
    return seed.toString(16).padStart(8, "0");
  }).join("");
}

/** Fills a table with sessions of 500 users; a few have expired. */
async function fill({ sql, table }: WatchedStore): Promise<void> {
  await sql(`
    INSERT INTO ${table} (id, version, last_access, ends_at, tag, json)
    SELECT md5(n::text), n, now, CASE WHEN n % 10 > 0 THEN now + n * 1000 END,
      lpad(to_hex(n % 500), 8, '0'), '{}'
    FROM generate_series(1, ${ROWS}) AS n,
      (SELECT ${Date.now()} - ${HOUR} AS now) AS begin`);
  await sql(`ANALYZE ${table}`);
}

/** Returns the only statement that an act runs. */
async function only(
  { client }: WatchedStore,
  act: () => Promise<unknown>,
): Promise<Statement> {
  client.take();
  await act();
  const [statement] = client.take();
  return statement!;
}

/** Touches a session, and explains what doing so once more does. */
async function explainTouch({ store, client }: WatchedStore): Promise<string> {
  client.take();
  await store.touch(ID);
  const [, touch] = client.take();
  const values = touch!.values!;
  // The statement expects the last access before it.
  const again = { ...touch!, values: values.with(4, values[0]!) };
  return await client.explain(again, "ANALYZE, WAL, TIMING OFF");
}

scene.test("an operation is as few statements as it can be", async (driver) => {
  await using watched = await scene.open(driver);
  const { store, client } = watched;
  const numberOf = async (act: () => Promise<unknown>): Promise<number> => {
    client.take();
    await act();
    return client.take().length;
  };
  const same = () => store.update(ID, (record) => record);
  assertEquals(await numberOf(() => store.create(ID, recordOf())), 1);
  assertEquals(await numberOf(() => store.save(ID, recordOf())), 2);
  assertEquals(await numberOf(same), 2, "update() alone");
  assertEquals(await numberOf(() => store.load(ID)), 1);
  assertEquals(await numberOf(same), 1, "update() after load()");
  assertEquals(await numberOf(() => store.touch(ID)), 2);
  assertEquals(await numberOf(same), 1, "update() after touch()");
  const touch = () => true;
  assertEquals(await numberOf(() => store.load(ID, { touch })), 2);
  assertEquals(await numberOf(() => store.has(ID)), 1);
  assertEquals(await numberOf(() => store.load(OTHER_ID)), 1);
  assertEquals(await numberOf(() => store.touch(OTHER_ID)), 1);
  assertEquals(await numberOf(() => store.delete(ID)), 1);
  assertEquals(
    await numberOf(() => store.update(OTHER_ID, () => undefined)),
    1,
  );
  assertEquals(await numberOf(() => store.setup()), 0, "setup() again");
});

scene.test("an index finds a session, those of a user, and those that have expired", async (driver) => {
  await using watched = await scene.open(driver);
  const { store, client, table } = watched;
  await fill(watched);
  const planOf = async (act: () => Promise<unknown>): Promise<string> => {
    const plan = await client.explain(await only(watched, act));
    assertNotMatch(plan, /Seq Scan/);
    return plan;
  };
  const listUser = () => Array.fromAsync(store.entries({ user: "ann" }));
  const list = () => Array.fromAsync(store.entries());
  const clean = await planOf(() => store.deleteOldSessions(30));
  const uses = [
    ...clean.matchAll(new RegExp(`Index Scan .*${table}_end`, "g")),
  ];
  assertEquals(uses.length, 2, clean);
  assertMatch(await planOf(listUser), new RegExp(`${table}_tag`));
  assertMatch(await planOf(list), new RegExp(`${table}_pkey`));
  assertMatch(await planOf(() => store.load(ID)), new RegExp(`${table}_pkey`));
});

scene.test("entries() reads a page at a time", async (driver) => {
  await using watched = await scene.open(driver);
  const { store, client, sql, table } = watched;
  await fill(watched);
  await sql(`UPDATE ${table} SET json = '{"data":{},"createdAt":1}'`);
  let seen = 0;
  for await (const _entry of store.entries()) {
    const counts = client.take().map(({ count }) => count);
    assertEquals(counts, seen % PAGE === 0 ? [PAGE] : []);
    if (++seen === 3 * PAGE) break;
  }
});

scene.test("touch() leaves the JSON of a large session in place", async (driver) => {
  await using watched = await scene.open(driver);
  const { store, sql, table } = watched;
  const record = recordOf({ text: textOf(LARGE) }, { idleTimeout: HOUR });
  await store.save(ID, record);
  const [toast] = await sql(
    `SELECT reltoastrelid::regclass FROM pg_class WHERE relname = '${table}'`,
  );
  const chunks = `SELECT chunk_id, count(*) FROM ${toast} GROUP BY chunk_id`;
  const before = await sql(chunks);
  assertEquals(before.length, 1);
  for (let time = 0; time < 10; time++) assert(await store.touch(ID));
  assertEquals(await sql(chunks), before);
  assertEquals(await store.load(ID), record);
});

scene.test("touch() logs as little for a large session as for a small one", async (driver) => {
  await using watched = await scene.open(driver);
  for (const size of [SMALL, LARGE]) {
    await watched.store.save(ID, recordOf({ text: textOf(size) }));
    // The first change of a page after a checkpoint logs the whole page.
    await explainTouch(watched);
    const plan = await explainTouch(watched);
    const [, bytes] = plan.match(/WAL:.* bytes=(\d+)/)!;
    assert(Number(bytes) < 400, `${bytes} bytes for ${size}`);
  }
});

scene.test("touch() a second later changes no index", async (driver) => {
  const clock = { now: Date.UTC(2026, 0) };
  await using watched = await scene.open(driver, { now: () => clock.now });
  await watched.store.save(ID, recordOf({}, { idleTimeout: HOUR }));
  clock.now += SECOND;
  // One record for the row, and none for the three indices.
  assertMatch(await explainTouch(watched), /WAL: records=1 /);
});

scene.test("a change that is no access does not take a touch back", async (driver) => {
  const clock = { now: Date.now() };
  const now = () => clock.now;
  await using watched = await scene.open(driver, { now });
  const { store: other, client, table } = watched;
  await other.save(ID, recordOf({}, { idleTimeout: HOUR }));
  clock.now += SECOND;
  let touches = 0;
  const store = new PostgresSessionStore({
    query: async (statement) => {
      const isChange = statement.text.startsWith("UPDATE");
      if (isChange && touches++ === 0) await other.touch(ID);
      return await client.query(statement);
    },
  }, { table, now });
  await store.update(ID, (record) => ({ ...record, data: { n: 2 } }), {
    lastAccess: "unchanged",
  });
  assertEquals(touches, 2);
  assertEquals(await lastAccessOf(store, ID), clock.now);
  assertEquals((await store.load(ID))?.data, { n: 2 });
});
