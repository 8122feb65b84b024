/** PostgreSQL where the statements of a client run on different connections. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { StoreWarning } from "../../src/core/store.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { queryOf } from "../../src/engines/postgres_client.ts";
import { HOUR, ID, recordOf } from "../constants.ts";
import { connect, DRIVERS } from "./open_postgres.ts";
import { missingPgBouncer, PgBouncer } from "./pgbouncer.ts";
import { missing } from "./postgres_server.ts";
import { PostgresScene } from "./postgres_scene.ts";

const SESSIONS = 20;
const CHANGES = 300;
const FLOWS = 12;

const scene = new PostgresScene();

for (const driver of DRIVERS) {
  Deno.test({
    name:
      `PostgresSessionStore on npm:${driver}: no call fails behind a PgBouncer that cannot prepare statements`,
    ignore: missing !== undefined || missingPgBouncer !== undefined,
    fn: async () => {
      const { port, table } = scene.place(driver);
      await using bouncer = await PgBouncer.start(port);
      const place = { driver, port: bouncer.port };
      await using opened = connect(place, { max: 8, prepare: false });
      const warnings: StoreWarning[] = [];
      const store = new PostgresSessionStore(opened.client, {
        table,
        onWarning: (warning) => void warnings.push(warning),
      });
      await store.setup();
      const ids = Array.from(
        { length: SESSIONS },
        (_, n) => `a-session-no-${n}-x`,
      );
      const record = recordOf({ n: 0 }, { idleTimeout: HOUR });
      await Promise.all(ids.map((id) => store.save(id, record)));
      // More at once would wait longer for each other than a store waits.
      await Promise.all(Array.from({ length: FLOWS }, async (_, flow) => {
        for (let n = flow; n < CHANGES; n += FLOWS) {
          const id = ids[n % SESSIONS]!;
          await store.load(id, { touch: () => n % 3 === 0 });
          await store.update(id, (record) => ({
            ...record,
            data: { n: Number(record.data.n) + 1 },
          }));
        }
      }));
      let count = 0;
      for await (const [, { data }] of store.entries()) count += Number(data.n);
      assertEquals(count, CHANGES);
      assertEquals((await store.deleteOldSessions(0)).remaining, SESSIONS);
      const told = warnings.map(({ type }) => type);
      assertEquals(told, driver === "pg" ? ["setup"] : []);
      if (driver !== "pg") return;
      assertStringIncludes(warnings[0]!.message, "PgBouncer");
    },
  });
}

scene.test("no call fails when the server has forgotten the prepared statements", async (driver) => {
  const place = scene.place(driver);
  await using opened = connect(place, { max: 1 });
  const store = new PostgresSessionStore(opened.client, {
    table: place.table,
    onWarning: () => {},
  });
  const forget = queryOf(opened.client);
  for (let round = 0; round < 3; round++) {
    await store.save(ID, recordOf({ round }));
    assertEquals(await store.load(ID), recordOf({ round }));
    await forget("DEALLOCATE ALL");
  }
});
