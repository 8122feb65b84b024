/**
 * Sessions that move, in orders made by hand: whoever moves one is held back
 * before each of his calls, while somebody else does each thing that can be
 * done; then he goes on, or was killed there.
 */

import { assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { migrateSessions } from "../../src/migration/move_session.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import { moveSession } from "../../src/migration/move_session.ts";
import {
  entriesOf,
  HOUR,
  ID,
  lastAccessOf,
  recordOf,
} from "../contract/contract.ts";
import { type HeldCall, holdBack } from "./held_store.ts";
import { House, RECORD } from "./moving_house.ts";

const MINUTE = 60_000;

/** The calls of a mover, in order. */
const STEPS: readonly [store: "from" | "to", call: HeldCall, skip: number][] = [
  ["from", "load", 0],
  ["to", "create", 0],
  ["from", "load", 1],
  ["to", "update", 0],
  ["from", "delete", 0],
];

/** Lets somebody begin, and holds him back before a step. */
async function holdAt(
  house: House,
  [which, call, skip]: typeof STEPS[number],
  begin: (from: SessionStore, to: SessionStore) => Promise<unknown>,
): Promise<{ release: () => void; done: Promise<unknown> }> {
  const held = holdBack(house[which], call, skip);
  const stores = { from: house.from, to: house.to, [which]: held.store };
  const done = begin(stores.from, stores.to);
  await held.isReached;
  return { release: held.release, done };
}

const change = (rest: Partial<SessionRecord>) => (record: SessionRecord) => ({
  ...record,
  data: { n: 2 },
  ...rest,
});

/** What somebody else may do meanwhile. */
const ACTS: Record<string, (house: House) => Promise<unknown>> = {
  "nothing": () => Promise.resolve(),
  "load": ({ store }) => store.load(ID),
  "touch": ({ store }) => store.touch(ID),
  "delete": ({ store }) => store.delete(ID),
  "update": ({ store }) => store.update(ID, change({})),
  "update to nothing": ({ store }) => store.update(ID, () => undefined),
  "regenerate": ({ store }) => store.update(ID, change({ secretHash: "two" })),
  "save": ({ store }) => store.save(ID, recordOf({ n: 2 })),
  "create": ({ store }) => store.create(ID, recordOf({ n: 2 })),
  "delete, create": async ({ store }) => {
    assertEquals(await store.delete(ID), true);
    assertEquals(await store.create(ID, recordOf({ n: 2 })), true);
  },
  "delete, create, delete": async ({ store }) => {
    await store.delete(ID);
    await store.create(ID, recordOf({ n: 2 }));
    assertEquals(await store.delete(ID), true);
  },
  "give it a shorter life, which ends": async (house) => {
    await house.store.update(ID, change({ idleTimeout: MINUTE }));
    house.now += MINUTE;
    assertEquals(await house.store.has(ID), false);
  },
  "save one with a shorter life, which ends": async (house) => {
    const expiresAt = house.now + MINUTE;
    await house.store.save(ID, recordOf({ n: 2 }, { expiresAt }));
    house.now += MINUTE;
    assertEquals(await house.store.has(ID), false);
  },
  "let it end": (house) => Promise.resolve(house.now += HOUR),
  "move": ({ from, to }) => moveSession(from, to, ID, {}),
  "move, update": async ({ from, to, store }) => {
    await migrateSessions(from, to);
    await store.update(ID, change({}));
  },
  "move, delete in the new store alone": async ({ from, to }) => {
    await migrateSessions(from, to);
    await to.delete(ID);
  },
};

for (const [name, act] of Object.entries(ACTS)) {
  Deno.test(`moving: a mover who is slow or dies changes nothing: ${name}`, async (t) => {
    for (const [n, step] of STEPS.entries()) {
      for (const fate of ["slow", "dead"] as const) {
        await t.step(`${fate} before step ${n + 1}`, async () => {
          const house = await House.make();
          const mover = await holdAt(
            house,
            step,
            (from, to) => moveSession(from, to, ID, {}),
          );
          const { record } = await house.see() as { record: unknown };
          assertEquals(record, RECORD);
          await act(house);
          const seen = await house.see();
          if (fate === "slow") {
            mover.release();
            await mover.done;
            assertEquals(await house.see(), seen);
          }
          await migrateSessions(house.from, house.to);
          assertEquals(await house.see(), seen);
          house.now += 2 * HOUR;
          const later = await house.store.load(ID);
          const expected = (seen as { record?: SessionRecord }).record;
          const lives = expected?.idleTimeout === undefined;
          assertEquals(later, lives ? expected : undefined);
        });
      }
    }
  });
}

Deno.test("moving: a mover puts nothing in the place of another's placeholder", async () => {
  const house = await House.make();
  const move = (from: SessionStore, to: SessionStore) =>
    moveSession(from, to, ID, {});
  const one = await holdAt(house, ["to", "update", 0], move);
  // The other finds it in the old store still, and placeholders it when it is gone.
  const placeholders = holdBack(house.to, "create");
  const reads = holdBack(house.from, "load", 1);
  const other = move(reads.store, placeholders.store);
  await placeholders.isReached;
  assertEquals(await house.store.delete(ID), true);
  placeholders.release();
  await reads.isReached;
  one.release();
  await one.done;
  assertEquals(await house.store.has(ID), false);
  reads.release();
  await other;
  assertEquals(await house.store.has(ID), false);
  assertEquals(await entriesOf(house.to), {});
});

Deno.test("moving: a cleanup does not end what somebody else brings on", async () => {
  for (const step of STEPS) {
    const house = await House.make(recordOf({ n: 1 }));
    const mover = await holdAt(
      house,
      step,
      (from, to) => moveSession(from, to, ID, {}),
    );
    const { deleted, remaining } = await house.store.deleteOldSessions(0);
    assertEquals([deleted, remaining], [1, 0]);
    assertEquals(await house.store.has(ID), false);
    mover.release();
    await mover.done;
    assertEquals(await house.store.has(ID), false);
  }
});

Deno.test("moving: of two who count, each held back before each step, none is lost", async () => {
  const count = (store: SessionStore) =>
    store.update(ID, ({ data, ...rest }) => ({
      ...rest,
      data: { n: data.n as number + 1 },
    }));
  for (const [n, step] of [...STEPS, ["to", "update", 1] as const].entries()) {
    const house = await House.make();
    const slow = await holdAt(
      house,
      [...step],
      (from, to) => count(new MigratingSessionStore(from, to, () => house.now)),
    );
    await count(house.store);
    slow.release();
    await slow.done;
    assertEquals((await house.store.load(ID))?.data, { n: 3 }, `step ${n + 1}`);
  }
});

Deno.test("moving: who writes slowly does not bring back what was deleted", async () => {
  const writes: Record<string, (store: SessionStore) => Promise<unknown>> = {
    touch: (store) => store.touch(ID),
    update: (store) => store.update(ID, (record) => record),
    delete: (store) => store.delete(ID),
  };
  for (const [name, write] of Object.entries(writes)) {
    for (const step of STEPS) {
      const house = await House.make();
      const slow = await holdAt(
        house,
        step,
        (from, to) =>
          write(new MigratingSessionStore(from, to, () => house.now)),
      );
      assertEquals(await house.store.delete(ID), true, name);
      slow.release();
      assertEquals(await slow.done || undefined, undefined, name);
      assertEquals(await house.store.has(ID), false, name);
    }
  }
});

Deno.test("moving: who reads slowly sees what was there, or what came of it", async () => {
  const reads: readonly [store: "from" | "to", skip: number][] = [
    ["from", 0],
    ["to", 0],
  ];
  for (const [which, skip] of reads) {
    const house = await House.make();
    const reader = await holdAt(
      house,
      [which, "load", skip],
      (from, to) => new MigratingSessionStore(from, to).load(ID),
    );
    await house.store.update(ID, change({}));
    reader.release();
    const seen = await reader.done as SessionRecord;
    assertEquals(seen.data, { n: 2 });
  }
  const house = await House.make();
  const reader = await holdAt(
    house,
    ["to", "load", 0],
    (from, to) => new MigratingSessionStore(from, to).load(ID),
  );
  await house.store.delete(ID);
  reader.release();
  // It was there after the call.
  assertEquals(await reader.done, RECORD);
});

Deno.test("moving: a touch that is due moves, one that is not does not", async () => {
  const house = await House.make();
  await house.store.load(ID, { touch: () => false });
  assertEquals(await house.from.has(ID), true);
  await house.store.load(ID, { touch: () => true });
  assertEquals(await house.from.has(ID), false);
  assertEquals(await lastAccessOf(house.store, ID), house.now);
});

Deno.test("moving: what is in neither store is moved and deleted by no call, and gets no placeholder", async () => {
  const house = new House();
  assertEquals(await house.store.delete(ID), false);
  assertEquals(await house.store.update(ID, (record) => record), undefined);
  assertEquals(await moveSession(house.from, house.to, ID, {}), false);
  assertEquals(await entriesOf(house.to), {});
});
