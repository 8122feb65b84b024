/** The contract: save, create, update, delete. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import { KEEP, type SessionStore } from "../../src/core/store.ts";
import { BAD_NUMBERS, refusalOf } from "./contract_cleanup.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { type Declare, entriesOf, lastAccessOf, runIf } from "./contract.ts";

/** Expired sessions, by why they expired. */
const OVER: Record<string, Partial<SessionRecord>> = {
  expiresAt: { expiresAt: 1 },
  idleTimeout: { idleTimeout: 0 },
};

function increment(record: SessionRecord): SessionRecord {
  return { ...record, data: { ...record.data, n: Number(record.data.n) + 1 } };
}

/** Declares the tests of the operations that write records. */
export function testWriting(declare: Declare): void {
  declare("save() inserts", async ({ store }) => {
    assertEquals(await store.save(ID, recordOf({ a: 1 })), undefined);
    assertEquals(await store.load(ID), recordOf({ a: 1 }));
  });

  declare("save() replaces, all of it", async ({ store }) => {
    await store.save(ID, recordOf({ a: 1, b: 1 }, { user: "ann" }));
    await store.save(ID, recordOf({ b: 2 }, { createdAt: 7 }));
    assertEquals(await store.load(ID), { data: { b: 2 }, createdAt: 7 });
    await store.save(ID, recordOf({}));
    assertEquals(await store.load(ID), recordOf({}));
  });

  for (const [what, over] of Object.entries(OVER)) {
    declare(`save() replaces one expired by ${what}`, async (harness) => {
      const { store } = harness;
      await store.save(ID, recordOf({ old: true }, over));
      await store.save(ID, recordOf({ n: 1 }));
      assertEquals(await store.load(ID), recordOf({ n: 1 }));
    });

    declare(`create() replaces one expired by ${what}`, async (harness) => {
      const { store } = harness;
      await store.save(ID, recordOf({ old: true }, over));
      assertEquals(await store.create(ID, recordOf({ n: 1 })), true);
      assertEquals(await store.load(ID), recordOf({ n: 1 }));
      assertEquals(await store.create(ID, recordOf({ n: 2 })), false);
    });
  }

  declare("save() restores a deleted session", async ({ store }) => {
    await store.save(ID, recordOf());
    await store.delete(ID);
    await store.save(ID, recordOf({ n: 2 }));
    assertEquals(await store.load(ID), recordOf({ n: 2 }));
  });

  declare("of parallel save(), one is kept whole", async ({ store }) => {
    const records = Array.from(
      { length: 20 },
      (_, n) => recordOf({ n, same: n }, { user: `user ${n}` }),
    );
    await Promise.all(records.map((record) => store.save(ID, record)));
    const kept = await store.load(ID);
    assertEquals(kept, records[Number(kept?.data.n)]);
  });

  declare("create() inserts", async ({ store }) => {
    assertEquals(await store.create(ID, recordOf({ a: 1 })), true);
    assertEquals(await store.load(ID), recordOf({ a: 1 }));
  });

  declare("create() never overwrites, and marks nothing", async (harness) => {
    const { store, age } = harness;
    await store.save(ID, recordOf({ first: true }));
    await age(ID, HOUR);
    const before = await lastAccessOf(store, ID);
    assertEquals(await store.create(ID, recordOf({ second: true })), false);
    assertEquals(await store.load(ID), recordOf({ first: true }));
    assertEquals(await lastAccessOf(store, ID), before);
  });

  declare("create() can keep a last access from elsewhere", async (h) => {
    const { store } = h;
    const record = recordOf({ n: 2 }, { idleTimeout: 2 * HOUR });
    const lastAccess = Date.now() - HOUR;
    const isOver = recordOf({}, { expiresAt: 1 });
    await store.save(OTHER_ID, isOver);
    for (const id of [ID, OTHER_ID]) {
      assertEquals(await store.create(id, record, { lastAccess }), true);
      assertEquals(await lastAccessOf(store, id), lastAccess);
      assertEquals(await store.load(id), record);
    }
    const over = Date.now() - 3 * HOUR;
    await store.create("yet-another-session", record, { lastAccess: over });
    assertEquals(await store.has("yet-another-session"), false);
    const taken = await store.create(ID, recordOf(), { lastAccess: over });
    assertEquals(taken, false);
    assertEquals(await lastAccessOf(store, ID), lastAccess);
    for (const bad of [...BAD_NUMBERS, 0.5, Infinity] as number[]) {
      await assertRejects(
        () => store.create(ID, record, { lastAccess: bad }),
        refusalOf(bad),
        "Cannot keep a session: lastAccess is not a whole number from 0 up",
      );
    }
  });

  declare("update() can keep a last access from elsewhere", async (h) => {
    const { store } = h;
    await store.save(ID, recordOf());
    const lastAccess = Date.now() - HOUR;
    const record = recordOf({ n: 2 }, { idleTimeout: 2 * HOUR });
    await store.update(ID, () => record, { lastAccess });
    assertEquals(await lastAccessOf(store, ID), lastAccess);
    assertEquals(await store.load(ID), record);
    for (const bad of [...BAD_NUMBERS, 0.5, Infinity] as number[]) {
      await assertRejects(
        () => store.update(ID, (same) => same, { lastAccess: bad }),
        refusalOf(bad),
        "Cannot keep a session: lastAccess is not a whole number from 0 up",
      );
    }
    assertEquals(await lastAccessOf(store, ID), lastAccess);
    await store.update(ID, () => record, { lastAccess: 0 });
    assertEquals(await store.has(ID), false);
  });

  declare("update() can be no access", async ({ store, age }) => {
    await store.save(ID, recordOf({}, { idleTimeout: 2 * HOUR }));
    await age(ID, HOUR);
    const lastAccess = await lastAccessOf(store, ID);
    await store.load(ID);
    const change = (record: SessionRecord) => ({ ...record, data: { n: 2 } });
    await store.update(ID, change, { lastAccess: "unchanged" });
    assertEquals((await store.load(ID))?.data, { n: 2 });
    assertEquals(
      Math.floor(await lastAccessOf(store, ID) as number),
      Math.floor(lastAccess as number),
    );
  });

  declare("create() takes an ID that was deleted", async ({ store }) => {
    await store.create(ID, recordOf({ n: 1 }));
    await store.delete(ID);
    assertEquals(await store.create(ID, recordOf({ n: 2 })), true);
    assertEquals(await store.load(ID), recordOf({ n: 2 }));
  });

  for (const [what, over] of Object.entries({ nothing: undefined, ...OVER })) {
    declare(`of parallel create() over ${what}, one wins`, async (harness) => {
      const { store } = harness;
      for (let round = 0; round < 10; round++) {
        const id = `session-number-${round}`;
        if (over) await store.save(id, recordOf({}, over));
        const answers = await Promise.all(
          Array.from(
            { length: 8 },
            (_, n) => store.create(id, recordOf({ n })),
          ),
        );
        assertEquals(answers.filter(Boolean).length, 1);
        const winner = answers.indexOf(true);
        assertEquals(await store.load(id), recordOf({ n: winner }));
      }
    });
  }

  declare("update() reads, changes, replaces", async ({ store }) => {
    await store.save(ID, recordOf({ n: 1, kept: true }));
    const given: SessionRecord[] = [];
    const result = await store.update(ID, (record) => {
      given.push(structuredClone(record));
      return increment(record);
    });
    assertEquals(given, [recordOf({ n: 1, kept: true })]);
    assertEquals(result, recordOf({ n: 2, kept: true }));
    assertEquals(await store.load(ID), recordOf({ n: 2, kept: true }));
  });

  declare("update() to undefined deletes", async ({ store }) => {
    await store.save(ID, recordOf());
    assertEquals(await store.update(ID, () => undefined), null);
    assertEquals(await store.update(ID, () => undefined), undefined);
    assertEquals(await store.has(ID), false);
    assertEquals(await store.delete(ID), false);
    assertEquals(await entriesOf(store), {});
  });

  declare("update() to KEEP writes nothing", async ({ store }) => {
    await store.save(ID, recordOf({ n: 1 }));
    await store.update(ID, (record) => record, { lastAccess: 1000 });
    const kept = await store.update(ID, () => KEEP);
    assertEquals(kept, recordOf({ n: 1 }));
    assertEquals(await lastAccessOf(store, ID), 1000);
    await store.delete(ID);
    assertEquals(await store.update(ID, () => KEEP), undefined);
  });

  declare("update() passes on an error, and changes nothing", async (h) => {
    const { store, age } = h;
    await store.save(ID, recordOf({ n: 1 }));
    await age(ID, HOUR);
    const before = await lastAccessOf(store, ID);
    const error = new Error("thrown by change");
    const thrown = await assertRejects(() =>
      store.update(ID, (record) => {
        (record.data as { n: number }).n = 2;
        throw error;
      })
    );
    assertStrictEquals(thrown, error);
    assertEquals(await store.load(ID), recordOf({ n: 1 }));
    assertEquals(await lastAccessOf(store, ID), before);
    assertEquals(await store.update(ID, increment), recordOf({ n: 2 }));
  });

  declare("update() can change the lifetime", async ({ store }) => {
    const expiresAt = Date.now() + HOUR;
    await store.save(ID, recordOf({}, { expiresAt, idleTimeout: HOUR }));
    await store.update(ID, ({ data, createdAt }) => ({
      data,
      createdAt,
      expiresAt: expiresAt + HOUR,
    }));
    const kept = recordOf({}, { expiresAt: expiresAt + HOUR });
    assertEquals(await store.load(ID), kept);
    await store.update(ID, (record) => ({ ...record, expiresAt: 1 }));
    assertEquals(await store.load(ID), undefined);
  });

  declare("100 parallel update() lose no change", async ({ store }) => {
    await store.save(ID, recordOf({ n: 0 }));
    const results = await Promise.all(
      Array.from({ length: 100 }, () => store.update(ID, increment)),
    );
    assertEquals(await store.load(ID), recordOf({ n: 100 }));
    const seen = results.map((record) => Number(record?.data.n));
    assertEquals(
      seen.sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, n) => n + 1),
    );
  });

  declare("parallel update() of different keys keep all", async (harness) => {
    const { store } = harness;
    await store.save(ID, recordOf({}));
    const keys = Array.from("abcdefghijklmnopqrstuvwxyz");
    await Promise.all(keys.map((key) =>
      store.update(ID, (record) => ({
        ...record,
        data: { ...record.data, [key]: true },
      }))
    ));
    assertEquals(Object.keys((await store.load(ID))!.data).sort(), keys);
  });

  declare("update() after delete() brings nothing back", async (harness) => {
    const { store } = harness;
    for (let round = 0; round < 20; round++) {
      await store.save(ID, recordOf({ n: 0 }));
      await Promise.all([
        store.update(ID, increment),
        store.touch(ID),
        store.load(ID, { touch: () => true }),
        store.delete(ID),
        store.update(ID, increment),
        store.touch(ID),
        store.load(ID, { touch: () => true }),
      ]);
      assertEquals(await store.has(ID), false);
      assertEquals(await entriesOf(store), {});
    }
  });

  declare("of parallel delete(), one returns true", async ({ store }) => {
    for (let round = 0; round < 10; round++) {
      await store.save(ID, recordOf());
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => store.delete(ID)),
      );
      assertEquals(answers.filter(Boolean).length, 1);
    }
  });

  declare("delete() is true once, and only of its session", async (harness) => {
    const { store } = harness;
    await store.save(ID, recordOf());
    await store.save(OTHER_ID, recordOf());
    assertEquals(await store.delete(ID), true);
    assertEquals(await store.delete(ID), false);
    assertEquals(await entriesOf(store), { [OTHER_ID]: recordOf() });
  });

  for (const [what, over] of Object.entries(OVER)) {
    declare(
      `delete() of one expired by ${what} is false`,
      async ({ store }) => {
        await store.save(ID, recordOf({}, over));
        assertEquals(await store.delete(ID), false);
        assertEquals(await store.create(ID, recordOf()), true);
      },
    );
  }

  declare("writing marks a session accessed", async (harness, t) => {
    const { store, age } = harness;
    const record = recordOf({ n: 1 }, { idleTimeout: 4 * HOUR });
    const writes: Record<string, (store: SessionStore) => Promise<unknown>> = {
      save: (store) => store.save(ID, record),
      update: (store) => store.update(ID, increment),
      "update to the same": (store) => store.update(ID, (same) => same),
    };
    for (const [name, write] of Object.entries(writes)) {
      await store.save(ID, record);
      await age(ID, 3 * HOUR);
      const before = await lastAccessOf(store, ID);
      await write(store);
      assert(await lastAccessOf(store, ID) as number > before! + HOUR, name);
    }
    await runIf(t, harness.stopClock, "create() too", async (stopClock) => {
      await store.delete(ID);
      await store.create(ID, record);
      assertEquals(await store.has(ID), true);
      using _clock = stopClock(Date.now() + 3 * HOUR);
      assertEquals(await store.has(ID), true);
    });
  });
}
