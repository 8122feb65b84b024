import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { revocationId } from "../../src/core/revocation.ts";
import type { CleanupResult, StoreWarning } from "../../src/core/store.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import type { PostgresClient } from "../../src/engines/postgres_client.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { spoilPostgres } from "./open_postgres.ts";
import { PostgresScene, type WatchedStore } from "./postgres_scene.ts";

const MINUTES = 30;
const BATCH = 1_000;

const scene = new PostgresScene();

/** Puts this number of old sessions into a table, old by different rules. */
async function fill(
  { sql, table }: WatchedStore,
  count: number,
): Promise<void> {
  const longAgo = Date.now() - 2 * HOUR;
  await sql(`
    INSERT INTO ${table} (id, version, last_access, ends_at, json)
    SELECT 'old-session-' || lpad(n::text, 6, '0'), n, ${longAgo},
      CASE WHEN n % 2 = 0 THEN ${longAgo} + n END,
      '{"data":{},"createdAt":1}'
    FROM generate_series(1, ${count}) AS n`);
}

/** Returns the sizes of the batches that were deleted. */
function batchesOf({ client }: WatchedStore): number[] {
  return client.take().filter(({ text }) => text.startsWith("DELETE"))
    .map(({ count }) => count);
}

async function idsOf({ sql, table }: WatchedStore): Promise<string[]> {
  return (await sql(`SELECT id FROM ${table} ORDER BY id`)).map(([id]) => id!);
}

scene.test("deleteOldSessions() deletes at most 1,000 at a time", async (driver) => {
  await using watched = await scene.open(driver);
  const { store } = watched;
  await fill(watched, 3_500);
  await store.save(ID, recordOf());
  await store.save(OTHER_ID, recordOf({}, { idleTimeout: HOUR }));
  watched.client.take();
  const told: CleanupResult[] = [];
  const onProgress = (soFar: CleanupResult) => void told.push(soFar);
  const result = await store.deleteOldSessions(MINUTES, { onProgress });
  assertEquals(result, { deleted: 3_500, remaining: 2, orphans: 0 });
  assertEquals(batchesOf(watched), [BATCH, BATCH, BATCH, 500]);
  assertEquals(told.map(({ deleted }) => deleted), [
    BATCH,
    2 * BATCH,
    3 * BATCH,
    3_500,
  ]);
  assertEquals(await idsOf(watched), [ID, OTHER_ID]);
});

scene.test("deleteOldSessions() skips a session that is being written, and does not wait", async (driver) => {
  const place = scene.place(driver);
  await using watched = await scene.open(place);
  await using writer = await scene.open(place, { max: 1 });
  const { store, table } = watched;
  await fill(watched, 1_500);
  const [read, renewed] = ["old-session-000001", "old-session-000002"];
  await writer.sql("BEGIN");
  await writer.sql(`SELECT id FROM ${table} WHERE id = '${read}' FOR UPDATE`);
  await writer.sql(
    `UPDATE ${table} SET last_access = ${Date.now()}, ends_at = NULL
     WHERE id = '${renewed}'`,
  );
  const result = await store.deleteOldSessions(MINUTES);
  assertEquals(result, { deleted: 1_498, remaining: 2, orphans: 0 });
  await writer.sql("COMMIT");
  assertEquals(await idsOf(watched), [read, renewed]);
  assertEquals((await store.deleteOldSessions(MINUTES)).deleted, 1);
  assertEquals(await idsOf(watched), [renewed]);
});

scene.test("deleteOldSessions() leaves a session that is touched meanwhile", async (driver) => {
  await using watched = await scene.open(driver);
  const { store } = watched;
  await fill(watched, 2_500);
  // Sessions without a lifetime are deleted last.
  const touched = "old-session-002499";
  const touches: Promise<boolean>[] = [];
  const onProgress = () => {
    if (touches.length === 0) touches.push(store.touch(touched));
  };
  const { deleted } = await store.deleteOldSessions(MINUTES, { onProgress });
  assertEquals(await Promise.all(touches), [true]);
  assertEquals(deleted, 2_499);
  assertEquals(await idsOf(watched), [touched]);
});

scene.test("two concurrent cleanups delete each session once", async (driver) => {
  const place = scene.place(driver);
  await using one = await scene.open(place);
  await using other = await scene.open(place);
  await fill(one, 5_500);
  const results = await Promise.all(
    [one, other].map(({ store }) => store.deleteOldSessions(MINUTES)),
  );
  const sum = results.reduce((total, { deleted }) => total + deleted, 0);
  assertEquals(sum, 5_500);
  assert([...batchesOf(one), ...batchesOf(other)].every((n) => n <= BATCH));
  assertEquals(await idsOf(one), []);
});

scene.test("deleteOldSessions() is exact to the millisecond, within a slot of the index", async (driver) => {
  const clock = { now: Date.UTC(2026, 0) + 150_000 };
  await using watched = await scene.open(driver, { now: () => clock.now });
  const { store } = watched;
  const expiresAt = clock.now + 1;
  await store.create("over-in-1-ms----", recordOf({}, { expiresAt }));
  await store.create(
    "over-in-2-ms----",
    recordOf({}, { expiresAt: expiresAt + 1 }),
  );
  const lastAccess = clock.now - HOUR;
  await store.create("unused-1-hour---", recordOf(), { lastAccess });
  await store.create("unused-1-h-1-ms-", recordOf(), {
    lastAccess: lastAccess + 1,
  });
  assertEquals((await store.deleteOldSessions(60)).deleted, 1);
  clock.now++;
  assertEquals((await store.deleteOldSessions(60)).deleted, 2);
  assertEquals(await idsOf(watched), ["over-in-2-ms----"]);
});

scene.test("a session may expire at the largest safe integer", async (driver) => {
  await using watched = await scene.open(driver);
  const { store } = watched;
  const expiresAt = Number.MAX_SAFE_INTEGER;
  const record = recordOf({}, { expiresAt, idleTimeout: expiresAt });
  await store.save(ID, record);
  assertEquals(await store.touch(ID), true);
  assertEquals((await store.deleteOldSessions(0)).remaining, 1);
  assertEquals(await store.load(ID), record);
});

scene.test("deleteOldSessions() succeeds although the server cannot count in time what remains", async (driver) => {
  const place = scene.place(driver);
  await using watched = await scene.open(place);
  const { sql, table } = watched;
  await fill(watched, 1_500);
  await watched.store.save(ID, recordOf());
  const role = `hurried_${driver}`;
  await sql(`CREATE ROLE ${role} LOGIN SUPERUSER`);
  await sql(`ALTER ROLE ${role} SET statement_timeout = '1s'`);
  await using hurried = await scene.open(place, { user: role });
  const count = "SELECT count(*) AS count";
  const client: PostgresClient = {
    query: ({ text, values = [] }) =>
      text.startsWith(count)
        ? hurried.client.query({ text: `${count}, pg_sleep(60)` })
        : watched.client.query({ text, values }),
  };
  const warnings: StoreWarning[] = [];
  const onWarning = (warning: StoreWarning) => void warnings.push(warning);
  const store = new PostgresSessionStore(client, { table, onWarning });
  const result = await store.deleteOldSessions(MINUTES);
  assertEquals(result, { deleted: 1_500, remaining: NaN, orphans: 0 });
  assertEquals(warnings.map(({ type }) => type), ["unwritten"]);
  assertStringIncludes(warnings[0]!.message, "statement timeout");
  assertEquals(await idsOf(watched), [ID]);
});

scene.test("deleteOldSessions() leaves the mark of a revocation that cannot be read", async (driver) => {
  const place = scene.place(driver);
  await using watched = await scene.open(place);
  const { store } = watched;
  const expired = recordOf({ generation: 1 }, { expiresAt: 1 });
  const [damaged, cut, whole] = ["ann", "bob", "eve"].map(revocationId);
  for (const id of [damaged!, cut!, whole!, ID]) await store.save(id, expired);
  await spoilPostgres(place, damaged!, "garbage");
  await spoilPostgres(place, cut!, '{"createdAt":1,"data":{"gener');
  await spoilPostgres(place, ID, "garbage");
  assertEquals((await store.deleteOldSessions(MINUTES)).deleted, 2);
  assertEquals(await idsOf(watched), [damaged!, cut!].sort());
});
