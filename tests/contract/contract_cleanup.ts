/** The contract: deleteOldSessions. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { CleanupResult, SessionStore } from "../../src/core/store.ts";
import { HOUR, ID, MINUTE, OTHER_ID, recordOf } from "../constants.ts";
import {
  type Declare,
  entriesOf,
  type Harness,
  lastAccessOf,
  runIf,
} from "./contract.ts";

/** Values that are not a number from 0 up. */
export const BAD_NUMBERS: readonly unknown[] = [
  NaN,
  -1,
  -0.001,
  -Infinity,
  "30",
  "",
  "many",
  null,
  [],
  [30],
  {},
  30n,
  true,
  new Date(0),
];

/** The class of the error that refuses such a value. */
export function refusalOf(bad: unknown): ErrorConstructor {
  return typeof bad === "number" ? RangeError : TypeError;
}

/** Sessions that a cleanup after 30 minutes deletes, and that it keeps. */
async function fill({ store, age }: Harness): Promise<void> {
  const put = async (
    id: string,
    rest: Partial<SessionRecord>,
    idle: number,
  ): Promise<void> => {
    await store.save(id, recordOf({}, rest));
    if (idle > 0) await age(id, idle);
  };
  const inAnHour = Date.now() + HOUR;
  await put("keep-fresh-one--", {}, 0);
  await put("keep-29-minutes-", {}, 29 * MINUTE);
  await put("drop-30-minutes-", {}, 30 * MINUTE);
  await put("drop-31-minutes-", {}, 31 * MINUTE);
  await put("keep-remembered-", { expiresAt: inAnHour }, 24 * HOUR);
  await put("drop-past-end---", { expiresAt: Date.now() - 1 }, 0);
  await put("drop-5-min-idle-", { idleTimeout: 5 * MINUTE }, 5 * MINUTE);
  await put("keep-4-of-5-idle", { idleTimeout: 5 * MINUTE }, 4 * MINUTE);
  await put("keep-long-idle--", { idleTimeout: 24 * HOUR }, 23 * HOUR);
  await put(
    "drop-idle-of-two",
    { idleTimeout: HOUR, expiresAt: inAnHour },
    HOUR,
  );
}

async function namesOf(store: SessionStore): Promise<string[]> {
  return Object.keys(await entriesOf(store)).sort();
}

const KEPT = [
  "keep-29-minutes-",
  "keep-4-of-5-idle",
  "keep-fresh-one--",
  "keep-long-idle--",
  "keep-remembered-",
];

/** Declares the tests of cleanups. */
export function testCleanup(declare: Declare): void {
  declare("deleteOldSessions() of an empty store", async ({ store }) => {
    const { deleted, remaining, orphans } = await store.deleteOldSessions(30);
    assertEquals([deleted, remaining, orphans], [0, 0, 0]);
  });

  declare("deleteOldSessions() deletes expired sessions", async (harness) => {
    const { store } = harness;
    await fill(harness);
    const { deleted, remaining } = await store.deleteOldSessions(30);
    assertEquals({ deleted, remaining }, { deleted: 5, remaining: 5 });
    assertEquals(await namesOf(store), KEPT);
    const again = await store.deleteOldSessions(30);
    assertEquals(again, { deleted: 0, remaining: 5, orphans: 0 });
  });

  declare("deleteOldSessions() applies lifetimes before minutes", async (h) => {
    const { store } = h;
    await fill(h);
    const { remaining } = await store.deleteOldSessions(0);
    assertEquals(remaining, 3);
    assertEquals(await namesOf(store), [
      "keep-4-of-5-idle",
      "keep-long-idle--",
      "keep-remembered-",
    ]);
  });

  declare(
    "deleteOldSessions(Infinity) keeps live sessions",
    async (harness) => {
      const { store, age } = harness;
      await store.save(ID, recordOf());
      await age(ID, 10 * 365 * 24 * HOUR);
      const { deleted, remaining } = await store.deleteOldSessions(Infinity);
      assertEquals({ deleted, remaining }, { deleted: 0, remaining: 1 });
    },
  );

  declare(
    "deleteOldSessions() takes fractions of a minute",
    async (harness) => {
      const { store, age } = harness;
      await store.save(ID, recordOf());
      await age(ID, 2 * MINUTE);
      assertEquals((await store.deleteOldSessions(2.5)).deleted, 0);
      assertEquals((await store.deleteOldSessions(1.5)).deleted, 1);
    },
  );

  declare("deleteOldSessions() keeps each session for the grace", async (h) => {
    const { store } = h;
    await fill(h);
    const grace = 10 * MINUTE;
    const { deleted, remaining } = await store.deleteOldSessions(30, { grace });
    assertEquals({ deleted, remaining }, { deleted: 0, remaining: 10 });
    for (const id of ["drop-30-minutes-", "drop-31-minutes-"]) {
      await h.age(id, 40 * MINUTE);
    }
    await h.age("drop-5-min-idle-", 15 * MINUTE);
    await h.age("drop-idle-of-two", HOUR + 9 * MINUTE);
    const after = await store.deleteOldSessions(30, { grace });
    assertEquals(after.deleted, 3);
    assertEquals((await store.deleteOldSessions(30)).deleted, 2);
    assertEquals(await namesOf(store), KEPT);
  });

  declare("deleteOldSessions() deletes at the very instant", async (h, t) => {
    await runIf(t, h.stopClock, "not a millisecond before", async (stop) => {
      const now = Date.now();
      using _clock = stop(now);
      await h.store.save(ID, recordOf());
      await h.store.save(OTHER_ID, recordOf({}, { idleTimeout: MINUTE }));
      const cases: [string, number, number, number][] = [
        [ID, 30 * MINUTE, 30, 0],
        [ID, 30 * MINUTE + 500, 30, 500],
        [OTHER_ID, MINUTE, 30, 0],
        [OTHER_ID, MINUTE + 500, 30, 500],
      ];
      for (const [id, idle, minutes, grace] of cases) {
        await h.store.save(ID, recordOf());
        await h.store.save(OTHER_ID, recordOf({}, { idleTimeout: MINUTE }));
        await h.age(ID, 0);
        await h.age(OTHER_ID, 0);
        await h.age(id, idle - 1);
        const early = await h.store.deleteOldSessions(minutes, { grace });
        assertEquals([early.deleted, early.remaining], [0, 2]);
        await h.age(id, idle);
        const due = await h.store.deleteOldSessions(minutes, { grace });
        assertEquals([due.deleted, due.remaining], [1, 1]);
      }
    });
  });

  declare("deleteOldSessions() only counts for dryRun", async (harness) => {
    const { store } = harness;
    await fill(harness);
    const result = await store.deleteOldSessions(30, { dryRun: true });
    assertEquals([result.deleted, result.remaining], [5, 5]);
    assertEquals(await namesOf(store), [
      "drop-30-minutes-",
      "drop-31-minutes-",
      ...KEPT,
    ]);
    const real = await store.deleteOldSessions(30, { dryRun: false });
    assertEquals([real.deleted, real.remaining], [5, 5]);
  });

  declare("deleteOldSessions() marks no access", async ({ store, age }) => {
    await store.save(ID, recordOf());
    await age(ID, MINUTE);
    const before = await lastAccessOf(store, ID);
    await store.deleteOldSessions(30);
    await store.deleteOldSessions(30, { dryRun: true });
    assertEquals(await lastAccessOf(store, ID), before);
  });

  declare("deleteOldSessions() keeps one just touched", async (harness) => {
    const { store, age } = harness;
    await store.save(ID, recordOf());
    await store.save(OTHER_ID, recordOf());
    await age(ID, HOUR);
    await age(OTHER_ID, HOUR);
    await Promise.all([store.touch(ID), store.save(OTHER_ID, recordOf())]);
    const { deleted, remaining } = await store.deleteOldSessions(30);
    assertEquals({ deleted, remaining }, { deleted: 0, remaining: 2 });
  });

  declare("deleteOldSessions() calls onProgress with its counts", async (h) => {
    await fill(h);
    const told: CleanupResult[] = [];
    const result = await h.store.deleteOldSessions(30, {
      onProgress: (soFar) => told.push(soFar),
    });
    const counted = told.map(({ deleted, remaining }) => deleted + remaining);
    assertEquals(counted, counted.toSorted((a, b) => a - b));
    for (const soFar of told) {
      assert(soFar.deleted <= result.deleted);
      assert(soFar.remaining <= result.remaining);
      assert(soFar.orphans <= result.orphans);
      assertEquals(soFar === result, false, "what it returns is its own");
    }
  });

  declare("deleteOldSessions() refuses invalid numbers", async (harness) => {
    const { store, age } = harness;
    await store.save(ID, recordOf());
    await age(ID, HOUR);
    for (const bad of [...BAD_NUMBERS, undefined] as number[]) {
      await assertRejects(
        () => store.deleteOldSessions(bad),
        refusalOf(bad),
        "Cannot clean up: minutes is not a number from 0 up",
        `minutes ${typeof bad} ${String(bad)}`,
      );
    }
    for (const grace of BAD_NUMBERS as number[]) {
      await assertRejects(
        () => store.deleteOldSessions(0, { grace }),
        refusalOf(grace),
        "Cannot clean up: grace is not a number from 0 up",
        `grace ${typeof grace} ${String(grace)}`,
      );
    }
    assertEquals(await store.has(ID), true);
  });

  declare("parallel deleteOldSessions() delete each once", async (harness) => {
    await fill(harness);
    const results = await Promise.all(
      Array.from({ length: 4 }, () => harness.store.deleteOldSessions(30)),
    );
    const deleted = results.map((result) => result.deleted);
    assertEquals(deleted.reduce((sum, one) => sum + one), 5);
    assertEquals(await namesOf(harness.store), KEPT);
  });
}
