/** The contract: a missing session gives the same answer for any reason, and never an exception. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { MALFORMED_IDS } from "../malformed_ids.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { type Declare, entriesOf, lastAccessOf, runIf } from "./contract.ts";

/** Checks that every operation of a store finds no session. */
export async function assertNoSession(
  store: SessionStore,
  id: string,
): Promise<void> {
  const neverCalled = (): never => {
    throw new Error("called for a missing session");
  };
  assertEquals(await store.load(id), undefined);
  assertEquals(await store.load(id, { touch: neverCalled }), undefined);
  assertEquals(await store.has(id), false);
  assertEquals(await store.touch(id), false);
  assertEquals(await store.update(id, neverCalled), undefined);
  assertEquals(Object.keys(await entriesOf(store)).includes(id), false);
  assertEquals(await store.load(id), undefined, "a read has restored it");
  assertEquals(await store.delete(id), false);
  assertEquals(await store.delete(id), false);
}

/** Declares the tests of missing sessions. */
export function testIds(declare: Declare, countsAll: boolean): void {
  declare("no operation finds an absent session", async ({ store }) => {
    await assertNoSession(store, ID);
    await store.save(OTHER_ID, recordOf());
    await assertNoSession(store, ID);
  });

  declare("no operation finds a deleted session", async ({ store }) => {
    await store.save(ID, recordOf());
    await store.delete(ID);
    await assertNoSession(store, ID);
  });

  declare("a session past its expiresAt has expired", async ({ store }) => {
    const expiresAt = Date.now() - 1;
    await store.save(ID, recordOf({}, { expiresAt }));
    await assertNoSession(store, ID);
  });

  declare("a session whose expiresAt is now has expired", async ({ store }) => {
    await store.save(ID, recordOf({}, { expiresAt: Date.now() }));
    await assertNoSession(store, ID);
  });

  declare(
    "a session that was idle for its idleTimeout has expired",
    async ({ store, age }) => {
      await store.save(ID, recordOf({}, { idleTimeout: HOUR }));
      await age(ID, HOUR);
      await assertNoSession(store, ID);
    },
  );

  declare(
    "load() tells that there is no session because it has expired",
    async (h, t) => {
      let told = 0;
      const onExpired = () => void told++;
      await runIf(t, h.stopClock, "onExpired", async (stopClock) => {
        const expiresAt = Date.now() + HOUR;
        await h.store.save(ID, recordOf({}, { expiresAt }));
        await h.store.load(ID, { onExpired });
        await h.store.load(OTHER_ID, { onExpired });
        await h.store.load("not an ID", { onExpired });
        assertEquals(told, 0);
        using _clock = stopClock(expiresAt);
        const touch = () => true;
        assertEquals(await h.store.load(ID, { onExpired, touch }), undefined);
        assert(told > 0);
      });
    },
  );

  declare("a session of idleTimeout 0 expires at once", async ({ store }) => {
    await store.save(ID, recordOf({}, { idleTimeout: 0 }));
    await assertNoSession(store, ID);
  });

  declare("expiresAt ends a session that is in use", async ({ store, age }) => {
    const lifetime = { expiresAt: Date.now() - 1, idleTimeout: 24 * HOUR };
    await store.save(ID, recordOf({}, lifetime));
    await age(ID, 0);
    await assertNoSession(store, ID);
  });

  declare(
    "idleTimeout ends a session whose expiresAt is in the future",
    async (harness) => {
      const { store, age } = harness;
      const lifetime = { expiresAt: Date.now() + 24 * HOUR, idleTimeout: HOUR };
      await store.save(ID, recordOf({}, lifetime));
      assertEquals(await store.has(ID), true);
      await age(ID, HOUR);
      await assertNoSession(store, ID);
    },
  );

  declare(
    "a session without a lifetime is live at any age",
    async (harness) => {
      const { store, age } = harness;
      await store.save(ID, recordOf());
      await age(ID, 10 * 365 * 24 * HOUR);
      assertEquals(await store.has(ID), true);
      assertEquals(await store.load(ID), recordOf());
    },
  );

  declare("a session expires at the very instant, not before", async (h, t) => {
    await runIf(t, h.stopClock, "expiresAt", async (stopClock) => {
      const expiresAt = Date.now() + HOUR;
      await h.store.save(ID, recordOf({}, { expiresAt }));
      for (const early of [HOUR, 1]) {
        using _clock = stopClock(expiresAt - early);
        assertEquals(await h.store.has(ID), true);
        assertEquals(await h.store.create(ID, recordOf({ n: 2 })), false);
      }
      using _clock = stopClock(expiresAt);
      await assertNoSession(h.store, ID);
    });
    await runIf(t, h.stopClock, "idleTimeout", async (stopClock) => {
      const now = Date.now();
      {
        using _clock = stopClock(now);
        await h.store.save(ID, recordOf({}, { idleTimeout: HOUR }));
        await h.age(ID, 0);
        assertEquals(await lastAccessOf(h.store, ID), now);
      }
      for (const early of [HOUR, 1]) {
        using _clock = stopClock(now + HOUR - early);
        assertEquals(await h.store.has(ID), true);
      }
      using _clock = stopClock(now + HOUR);
      await assertNoSession(h.store, ID);
    });
  });

  declare(
    "a session whose last access is in the future is live",
    async ({ store, age }) => {
      await store.save(ID, recordOf({}, { idleTimeout: HOUR }));
      await age(ID, -24 * HOUR);
      assertEquals(await store.has(ID), true);
      assertEquals(await store.touch(ID), true);
    },
  );

  for (const [why, id] of MALFORMED_IDS) {
    declare(`a malformed ID has no session: ${why}`, async ({ store }) => {
      await store.save(ID, recordOf());
      await assertNoSession(store, id as string);
      assertEquals(await entriesOf(store), { [ID]: recordOf() });
    });
  }

  declare("save() and create() refuse a malformed ID", async ({ store }) => {
    for (const [why, id] of MALFORMED_IDS) {
      const message = "Cannot keep a session: its ID is not";
      for (const write of ["save", "create"] as const) {
        await assertRejects(
          () => store[write](id as string, recordOf()),
          TypeError,
          message,
          `${write}: ${why}`,
        );
      }
    }
    assertEquals(await entriesOf(store), {});
  });

  declare("IDs of every allowed form are kept apart", async ({ store }) => {
    const ids = [
      "a".repeat(16),
      "a".repeat(64),
      "a".repeat(63),
      "0".repeat(16),
      "0---------------",
      "z_______________",
      "0123456789abcdef",
      "0123456789abcdef0",
    ];
    const kept: Record<string, SessionRecord> = {};
    for (const [n, id] of ids.entries()) {
      assertEquals(await store.create(id, recordOf({ n })), true, id);
      kept[id] = recordOf({ n });
    }
    for (const id of ids) assertEquals(await store.load(id), kept[id]);
    assertEquals(await entriesOf(store), kept);
  });

  declare(
    "something that is not a record is not a session",
    async (harness, t) => {
      const { store } = harness;
      await runIf(t, harness.spoil, "to every operation", async (spoil) => {
        await spoil(ID);
        await assertNoSession(store, ID);
      });
      await runIf(t, harness.spoil, "to each alone", async (spoil) => {
        const asks: (() => Promise<unknown>)[] = [
          () => store.load(ID),
          () => store.load(ID, { touch: () => true }),
          () => store.has(ID),
          () => store.touch(ID),
          () => store.delete(ID),
          () => store.update(ID, (record) => record),
        ];
        for (const ask of asks) {
          await spoil(ID);
          assertEquals(await ask() || undefined, undefined);
        }
        await spoil(ID);
        assertEquals(await entriesOf(store), {});
        await spoil(ID);
        const { deleted, remaining } = await store.deleteOldSessions(30);
        const left = countsAll ? 1 : 0;
        assertEquals({ deleted, remaining }, { deleted: 0, remaining: left });
      });
      await runIf(
        t,
        harness.spoil,
        "and does not block any operation",
        async (spoil) => {
          await spoil(ID);
          await store.save(ID, recordOf({ n: 2 }));
          assertEquals(await store.load(ID), recordOf({ n: 2 }));
          await spoil(ID);
          assertEquals(await store.create(ID, recordOf({ n: 3 })), true);
          const found = await store.load(ID, { mustBeReadable: true });
          assertEquals(found, recordOf({ n: 3 }));
        },
      );
    },
  );

  declare("another session's record is not a session", async (harness, t) => {
    const { store } = harness;
    await runIf(t, harness.misplace, "to any operation", async (misplace) => {
      await store.save(OTHER_ID, recordOf({ secret: true }));
      await misplace(OTHER_ID, ID);
      await assertNoSession(store, ID);
      assertEquals(await store.load(OTHER_ID), recordOf({ secret: true }));
    });
    await runIf(
      t,
      harness.misplace,
      "and does not block any operation",
      async (misplace) => {
        for (const write of ["save", "create"] as const) {
          await store.save(OTHER_ID, recordOf({ secret: true }));
          await misplace(OTHER_ID, ID);
          await store[write](ID, recordOf({ n: 2 }));
          assertEquals(await store.load(ID), recordOf({ n: 2 }), write);
          assertEquals(await store.load(OTHER_ID), recordOf({ secret: true }));
        }
      },
    );
  });
}
