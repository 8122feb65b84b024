/** The contract: the lock of a session, of a store that has locks. */

import { refusalOf } from "./contract_cleanup.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import type { LockOptions, SessionStore } from "../../src/core/store.ts";
import { createSessionId } from "../../src/core/token.ts";
import { MALFORMED_IDS } from "../malformed_ids.ts";
import { HOUR, ID, recordOf } from "../constants.ts";
import { type Declare, entriesOf } from "./contract.ts";

const FLOWS = 100;

/** The store's lock; a store without one is not tested here. */
type Lock = (id: string, options?: LockOptions) => Promise<AsyncDisposable>;

/** Time for flows that have begun to wait. */
function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Declares the tests of `lock`. */
export function testLock(declare: Declare): void {
  const declareLock = (
    title: string,
    test: (lock: Lock, store: SessionStore) => Promise<void>,
  ) =>
    declare(`lock() ${title}`, async ({ store }) => {
      if (store.lock === undefined) return;
      await test((id, options) => store.lock!(id, options), store);
    });

  declareLock(
    "is held by one caller at a time, and by the next when it is freed",
    async (lock) => {
      const first = await lock(ID);
      let hasSecond = false;
      const second = lock(ID).then((held) => {
        hasSecond = true;
        return held;
      });
      await pause();
      assertEquals(hasSecond, false);
      await first[Symbol.asyncDispose]();
      await (await second)[Symbol.asyncDispose]();
      await using _third = await lock(ID, { timeout: 0 });
    },
  );

  declareLock(`is held by one at a time of ${FLOWS} flows`, async (lock) => {
    let inside = 0;
    let most = 0;
    let count = 0;
    await Promise.all(Array.from({ length: FLOWS }, async () => {
      await using _held = await lock(ID, { timeout: 60_000 });
      most = Math.max(most, ++inside);
      const before = count;
      await new Promise(setImmediate);
      count = before + 1;
      inside--;
    }));
    assertEquals([most, count], [1, FLOWS]);
  });

  declareLock("is a different one for each session", async (lock) => {
    await using stack = new AsyncDisposableStack();
    for (let n = 0; n < FLOWS; n++) {
      stack.use(await lock(createSessionId(), { timeout: 0 }));
    }
  });

  declareLock("needs no session and makes none", async (lock, store) => {
    await using _held = await lock(ID);
    assertEquals(await store.has(ID), false);
    assertEquals(await entriesOf(store), {});
    assertEquals(await store.deleteOldSessions(0), {
      deleted: 0,
      remaining: 0,
      orphans: 0,
    });
  });

  declareLock("is ignored by all other operations", async (lock, store) => {
    await using _held = await lock(ID);
    assertEquals(await store.create(ID, recordOf()), true);
    await store.save(ID, recordOf({ n: 2 }));
    assertEquals(await store.load(ID), recordOf({ n: 2 }));
    assert(await store.load(ID, { touch: () => true }));
    assert(await store.touch(ID));
    assert(await store.has(ID));
    await store.update(ID, () => recordOf({ n: 3 }));
    assertEquals(await entriesOf(store), { [ID]: recordOf({ n: 3 }) });
    assertEquals((await store.deleteOldSessions(HOUR)).remaining, 1);
    assertEquals(await store.delete(ID), true);
    await assertRejects(
      () => lock(ID, { timeout: 0 }),
      SessionLockTimeoutError,
    );
  });

  declareLock(
    "gives up after the timeout, and leaves nothing",
    async (lock) => {
      const held = await lock(ID);
      for (const timeout of [0, 20]) {
        const error = await assertRejects(
          () => lock(ID, { timeout }),
          SessionLockTimeoutError,
          "Cannot lock ",
        );
        assertEquals(error.timeout, timeout);
      }
      await held[Symbol.asyncDispose]();
      await using _held = await lock(ID, { timeout: 0 });
    },
  );

  declareLock("stops waiting when its signal is aborted", async (lock) => {
    const held = await lock(ID);
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("no longer wanted");
    const waiting = assertRejects(() => lock(ID, { signal }));
    await pause();
    controller.abort(reason);
    assertStrictEquals(await waiting, reason);
    assertStrictEquals(await assertRejects(() => lock(ID, { signal })), reason);
    await held[Symbol.asyncDispose]();
    assertStrictEquals(await assertRejects(() => lock(ID, { signal })), reason);
    await using _held = await lock(ID, { timeout: 0 });
  });

  declareLock(
    "goes to the next one when the first stops waiting",
    async (lock) => {
      const held = await lock(ID);
      const controller = new AbortController();
      const { signal } = controller;
      const gone = assertRejects(() => lock(ID, { signal }));
      await pause();
      const next = lock(ID);
      await pause();
      controller.abort(new Error("no longer wanted"));
      await gone;
      await held[Symbol.asyncDispose]();
      await using _held = await next;
    },
  );

  declareLock(
    "goes to those that wait in their order, and no newcomer overtakes",
    async (lock) => {
      const held = await lock(ID);
      const order: number[] = [];
      const waiting = Array.from({ length: 10 }, async (_, n) => {
        await using _held = await lock(ID);
        order.push(n);
        await pause();
      });
      await pause();
      const newcomer = assertRejects(
        () => {
          const freed = held[Symbol.asyncDispose]();
          const taken = lock(ID, { timeout: 0 });
          return freed.then(() => taken);
        },
        SessionLockTimeoutError,
      );
      await Promise.all([...waiting, newcomer]);
      assertEquals(order, Array.from({ length: 10 }, (_, n) => n));
    },
  );

  declareLock("can be freed twice, which frees it once", async (lock) => {
    const first = await lock(ID);
    await first[Symbol.asyncDispose]();
    await using _second = await lock(ID);
    await first[Symbol.asyncDispose]();
    await assertRejects(
      () => lock(ID, { timeout: 0 }),
      SessionLockTimeoutError,
    );
  });

  declareLock("refuses invalid arguments", async (lock) => {
    for (const [why, id] of MALFORMED_IDS) {
      await assertRejects(() => lock(id as string), TypeError, "Cannot", why);
    }
    for (const timeout of [-1, NaN, "1"]) {
      await assertRejects(
        () => lock(ID, { timeout: timeout as number }),
        refusalOf(timeout),
        "Cannot lock a session: timeout is not a number from 0 up",
      );
    }
  });
}
