/** The contract: load, has, touch, entries, signals, failures. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore, StoreOptions } from "../../src/core/store.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import {
  type CallName,
  callStore,
  LISTINGS,
  STORE_OPERATIONS,
} from "../operations.ts";
import { type Declare, entriesOf, lastAccessOf, runIf } from "./contract.ts";

/** Every operation on a live session, or on all sessions. */
const NAMES = [
  ...Object.keys(STORE_OPERATIONS),
  ...Object.keys(LISTINGS),
] as CallName[];

/** Calls one of them; a create is of another session. */
function operate(
  name: CallName,
  store: SessionStore,
  options: StoreOptions,
): Promise<unknown> {
  return callStore(name, {
    store,
    id: name === "create" ? OTHER_ID : ID,
    record: recordOf({ n: 2 }),
    change: (record) => ({ ...record, data: {} }),
    options,
  });
}

/** Declares the tests of the operations that write no record. */
export function testReading(declare: Declare, readsAhead: boolean): void {
  declare("setup() is idempotent, and keeps what is there", async (harness) => {
    const { store } = harness;
    await Promise.all([store.setup(), store.setup()]);
    await store.save(ID, recordOf());
    await store.setup();
    assertEquals(await store.load(ID), recordOf());
  });

  declare("operations need no setup()", async ({ store }) => {
    assertEquals(await store.has(ID), false);
  });

  declare("says whether processes and workers may share it", ({ store }) => {
    assertEquals(typeof store.isMultiprocessSafe, "boolean");
    assertEquals(typeof store.isThreadSafe, "boolean");
    // A worker shares whatever a process can.
    assert(store.isThreadSafe || !store.isMultiprocessSafe);
    return Promise.resolve();
  });

  declare("load() gives the record", async ({ store }) => {
    await store.save(ID, recordOf({ a: 1 }));
    await store.save(OTHER_ID, recordOf({ a: 2 }));
    assertEquals(await store.load(ID), recordOf({ a: 1 }));
    assertEquals(await store.load(OTHER_ID), recordOf({ a: 2 }));
    assertEquals(await store.has(ID), true);
  });

  declare("load() and has() mark no access", async ({ store, age }) => {
    await store.save(ID, recordOf());
    await age(ID, HOUR);
    const before = await lastAccessOf(store, ID);
    await store.load(ID);
    await store.load(ID, {});
    await store.has(ID);
    await entriesOf(store);
    assertEquals(await lastAccessOf(store, ID), before);
  });

  declare("load() calls touch with record and last access", async (harness) => {
    const { store, age, stopClock } = harness;
    const now = Date.now();
    using _clock = stopClock?.(now);
    await store.save(ID, recordOf({ a: 1 }, { user: "ann" }));
    await age(ID, HOUR);
    const asked: [SessionRecord, number][] = [];
    const loaded = await store.load(ID, {
      touch: (record, lastAccess) => {
        asked.push([record, lastAccess]);
        return false;
      },
    });
    assertEquals(asked.length, 1);
    const [[record, lastAccess]] = asked as [[SessionRecord, number]];
    assertEquals(record, recordOf({ a: 1 }, { user: "ann" }));
    assertEquals(loaded, record);
    if (stopClock) assertEquals(lastAccess, now - HOUR);
    else assert(lastAccess <= Date.now() - HOUR);
  });

  declare("load() with touch true marks it accessed", async (harness) => {
    const { store, age } = harness;
    await store.save(ID, recordOf({ a: 1 }, { idleTimeout: 4 * HOUR }));
    await age(ID, 3 * HOUR);
    const before = await lastAccessOf(store, ID);
    const loaded = await store.load(ID, { touch: () => true });
    assertEquals(loaded, recordOf({ a: 1 }, { idleTimeout: 4 * HOUR }));
    assert(await lastAccessOf(store, ID) as number > before! + HOUR);
  });

  declare("load() with touch false prolongs nothing", async (harness) => {
    const { store, age } = harness;
    const record = recordOf({}, { idleTimeout: HOUR, secretHash: "right" });
    await store.save(ID, record);
    await age(ID, HOUR / 2);
    const before = await lastAccessOf(store, ID);
    const touch = ({ secretHash }: SessionRecord) => secretHash === "wrong";
    for (let i = 0; i < 3; i++) {
      assertEquals(await store.load(ID, { touch }), record);
    }
    assertEquals(await lastAccessOf(store, ID), before);
    await age(ID, HOUR);
    assertEquals(await store.load(ID, { touch: () => true }), undefined);
  });

  declare(
    "load() passes on what touch throws, and marks nothing",
    async (h) => {
      await h.store.save(ID, recordOf());
      await h.age(ID, HOUR);
      const before = await lastAccessOf(h.store, ID);
      const error = new Error("thrown by touch");
      const touch = () => {
        throw error;
      };
      const thrown = await assertRejects(() => h.store.load(ID, { touch }));
      assertStrictEquals(thrown, error);
      assertEquals(await lastAccessOf(h.store, ID), before);
      assertEquals(await h.store.touch(ID), true);
    },
  );

  declare("touch() marks accessed, and rewrites no data", async (harness) => {
    const { store, age } = harness;
    const record = recordOf({ a: [1] }, { user: "ann", idleTimeout: 4 * HOUR });
    await store.save(ID, record);
    await store.save(OTHER_ID, recordOf());
    await age(ID, 3 * HOUR);
    await age(OTHER_ID, HOUR);
    const before = await lastAccessOf(store, ID);
    const other = await lastAccessOf(store, OTHER_ID);
    assertEquals(await store.touch(ID), true);
    assert(await lastAccessOf(store, ID) as number > before! + HOUR);
    assertEquals(await store.load(ID), record);
    assertEquals(await lastAccessOf(store, OTHER_ID), other);
  });

  declare("touch() never moves the last access back", async (harness, t) => {
    await runIf(t, harness.stopClock, "while time goes on", async (stop) => {
      const { store } = harness;
      const now = Date.now();
      using _clock = stop(now);
      await store.save(ID, recordOf());
      for (const at of [now + HOUR, now + 2 * HOUR]) {
        using _later = stop(at);
        assertEquals(await store.touch(ID), true);
        assertEquals(await lastAccessOf(store, ID), at);
        assertEquals(await store.touch(ID), true);
        assertEquals(await lastAccessOf(store, ID), at);
      }
    });
  });

  declare("entries() gives every live session once", async (harness) => {
    const { store, age } = harness;
    assertEquals(await Array.fromAsync(store.entries()), []);
    const kept: Record<string, SessionRecord> = {};
    for (let n = 0; n < 50; n++) {
      const id = `session-number-${n}`;
      kept[id] = recordOf({ n });
      await store.save(id, kept[id]);
    }
    await store.save(ID, recordOf({}, { expiresAt: Date.now() - 1 }));
    await store.save(OTHER_ID, recordOf({}, { idleTimeout: HOUR }));
    await age(OTHER_ID, HOUR);
    const found = await Array.fromAsync(store.entries());
    assertEquals(found.length, 50);
    assertEquals(
      Object.fromEntries(found.map(([id, record]) => [id, record])),
      kept,
    );
  });

  declare("entries() tolerates deletion meanwhile", async ({ store }) => {
    const ids = Array.from({ length: 20 }, (_, n) => `session-number-${n}`);
    for (const id of ids) await store.save(id, recordOf());
    const left = new Set(ids);
    const seen: string[] = [];
    const read = new Set<string>();
    for await (const [id, record] of store.entries()) {
      assertEquals(record, recordOf());
      if (readsAhead && read.delete(id)) continue;
      assert(
        left.delete(id),
        "a session was given twice, or after it was deleted",
      );
      seen.push(id);
      const [victim] = left;
      if (victim === undefined) continue;
      await store.delete(victim);
      left.delete(victim);
      seen.push(victim);
      read.add(victim);
    }
    assertEquals(seen.sort(), ids.sort());
    assertEquals(Object.keys(await entriesOf(store)).length, 10);
  });

  declare("entries() tolerates writing meanwhile", async ({ store }) => {
    const ids = Array.from({ length: 20 }, (_, n) => `session-number-${n}`);
    for (const id of ids) await store.save(id, recordOf({ n: 0 }));
    for await (const [id] of store.entries()) {
      await store.update(id, (record) => ({ ...record, data: { n: 1 } }));
      if (await store.has("created-meanwhile")) continue;
      await store.save("created-meanwhile", recordOf({ n: 1 }));
    }
    for (const id of ids) assert(await store.has(id), id);
  });

  declare("entries() can be left in the middle", async ({ store }) => {
    for (let n = 0; n < 20; n++) {
      await store.save(`session-number-${n}`, recordOf());
    }
    for await (const _entry of store.entries()) break;
    assertEquals(Object.keys(await entriesOf(store)).length, 20);
  });

  for (const name of NAMES) {
    declare(`${name}: an aborted signal rejects with its reason`, async (h) => {
      const { store, age } = h;
      await store.save(ID, recordOf());
      await age(ID, HOUR);
      const before = await lastAccessOf(store, ID);
      const reason = new Error("no longer wanted");
      const signal = AbortSignal.abort(reason);
      const thrown = await assertRejects(() =>
        operate(name, store, { signal })
      );
      assertStrictEquals(thrown, reason);
      assertEquals(await entriesOf(store), { [ID]: recordOf() });
      assertEquals(await lastAccessOf(store, ID), before);
    });

    declare(`${name}: a failure of the medium is the original error`, async (
      { store, breakDown },
      t,
    ) => {
      await store.save(ID, recordOf());
      await runIf(t, breakDown, "and changes nothing", async (breakDown) => {
        const error = new Error("the medium is broken");
        {
          using _broken = breakDown(error);
          const thrown = await assertRejects(() => operate(name, store, {}));
          assertStrictEquals(thrown, error);
        }
        assertEquals(await entriesOf(store), { [ID]: recordOf() });
      });
    });
  }

  declare("an aborted signal rejects an empty store too", async ({ store }) => {
    const reason = new Error("no longer wanted");
    const signal = AbortSignal.abort(reason);
    for (
      const name of ["load", "touch", "delete", "has", "entries"] as const
    ) {
      const thrown = await assertRejects(() =>
        operate(name, store, { signal })
      );
      assertStrictEquals(thrown, reason, name);
    }
  });

  declare("a signal that is not aborted changes nothing", async ({ store }) => {
    const { signal } = new AbortController();
    await store.save(ID, recordOf({ n: 1 }), { signal });
    assertEquals(await store.load(ID, { signal }), recordOf({ n: 1 }));
    assertEquals(await store.create(ID, recordOf(), { signal }), false);
    await store.update(ID, () => recordOf({ n: 2 }), { signal });
    const entries = await Array.fromAsync(store.entries({ signal }));
    assertEquals(entries.map(([id, record]) => [id, record]), [
      [ID, recordOf({ n: 2 })],
    ]);
    assertEquals(await store.touch(ID, { signal }), true);
    assertEquals(await store.has(ID, { signal }), true);
    await store.deleteOldSessions(30, { signal });
    assertEquals(await store.delete(ID, { signal }), true);
  });
}
