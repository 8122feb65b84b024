import { assert, assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { MemorySessionStore } from "../../src/engines/memory.ts";
import { migrateSessions } from "../../src/migration/move_session.ts";
import {
  entriesOf,
  HOUR,
  ID,
  lastAccessOf,
  recordOf,
} from "../contract/contract.ts";
import { House, RECORD } from "./moving_house.ts";

const MINUTE = 60_000;

Deno.test("migrateSessions(): a session that the new store refuses stays where it is", async () => {
  const house = await House.make();
  const refusal = new RangeError("too large");
  const to = new Proxy(house.to, {
    get: (store, name) => {
      if (name === "update") {
        return (id: string, change: (record: SessionRecord) => unknown) =>
          store.update(id, (record) => {
            if (change(record) !== undefined) throw refusal;
            return undefined;
          });
      }
      const value = store[name as keyof MemorySessionStore];
      return typeof value === "function" ? value.bind(store) : value;
    },
  });
  const error = await migrateSessions(house.from, to).catch((error) => error);
  assertEquals(error, refusal);
  assertEquals(await house.store.load(ID), RECORD);
  assertEquals(await entriesOf(house.to), {});
});

Deno.test("migrateSessions(): lifetimes and last accesses move along", async () => {
  const house = new House();
  const lastAccess = house.now - MINUTE;
  const records = [
    RECORD,
    recordOf({ n: 2 }, { expiresAt: house.now + HOUR, user: "ann" }),
    recordOf({ n: 3 }),
  ];
  for (const [n, record] of records.entries()) {
    await house.from.create(`session-number-${n}`, record, { lastAccess });
  }
  let progress = 0;
  const onProgress = (moved: number) => void (progress = moved);
  assertEquals(await migrateSessions(house.from, house.to, { onProgress }), 3);
  assertEquals(progress, 3);
  assertEquals(await entriesOf(house.from), {});
  for (const [n, record] of records.entries()) {
    const id = `session-number-${n}`;
    assertEquals(await house.to.load(id), record);
    assertEquals(await lastAccessOf(house.to, id), lastAccess);
  }
  assertEquals(await migrateSessions(house.from, house.to), 0);
  assert(progress === 3);
});
