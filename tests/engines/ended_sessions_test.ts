/** What is over stays over, in orders made by hand. */

import { assertEquals } from "@std/assert";
import { EngineSessionStore } from "../../src/engines/engine_store.ts";
import type { SessionEngine } from "../../src/engines/session_engine.ts";
import { MemoryEngine } from "../../src/engines/memory.ts";
import { ID, recordOf } from "../contract/contract.ts";

const MINUTE = 60_000;

class AnyEngineStore extends EngineSessionStore {
  override readonly isMultiprocessSafe = false;
  override readonly isThreadSafe = false;
}

/** Two stores on one engine; the changes of one can be held back. */
class Pair {
  now = 1_000_000;
  readonly quick: AnyEngineStore;
  readonly slow: AnyEngineStore;
  /** Resolves when a change of the slow one is under way. */
  readonly isHeld = Promise.withResolvers<void>();
  readonly #go = Promise.withResolvers<void>();

  /** @param free How many changes of the slow one are not held back. */
  constructor(free = 0) {
    const engine = new MemoryEngine();
    const hold = async <T>(change: () => T): Promise<T> => {
      if (free-- > 0) return change();
      this.isHeld.resolve();
      await this.#go.promise;
      return change();
    };
    const slow: SessionEngine = {
      setup: () => engine.setup(),
      read: (id) => engine.read(id),
      write: (id, row) => engine.write(id, row),
      replace: (...args) => hold(() => engine.replace(...args)),
      touch: (...args) => hold(() => engine.touch(...args)),
      remove: (...args) => hold(() => engine.remove(...args)),
      rows: (tag) => engine.rows(tag),
    };
    const now = () => this.now;
    this.quick = new AnyEngineStore(engine, { now });
    this.slow = new AnyEngineStore(slow, { now });
  }

  /** Lets go what is held, and all that follows. */
  release(): void {
    this.#go.resolve();
  }
}

Deno.test("a session that was found over is not prolonged by who was slow", async () => {
  const slowOnes = {
    touch: (store: AnyEngineStore) => store.touch(ID),
    update: (store: AnyEngineStore) => store.update(ID, (record) => record),
  };
  for (const change of Object.values(slowOnes)) {
    const pair = new Pair();
    await pair.quick.save(ID, recordOf({}, { idleTimeout: MINUTE }));
    pair.now += MINUTE - 1;
    const slow = change(pair.slow);
    await pair.isHeld.promise;
    pair.now++;
    assertEquals(await pair.quick.has(ID), false);
    pair.release();
    assertEquals(await slow || undefined, undefined);
    assertEquals(await pair.quick.has(ID), false);
  }
});

Deno.test("a session that was touched in time is not replaced by create()", async () => {
  // It inserts, in vain, before it does away with what is over.
  const pair = new Pair(1);
  await pair.quick.save(ID, recordOf({ n: 1 }, { idleTimeout: MINUTE }));
  pair.now += MINUTE;
  const created = pair.slow.create(ID, recordOf({ n: 2 }));
  await pair.isHeld.promise;
  pair.now--;
  assertEquals(await pair.quick.touch(ID), true);
  pair.now++;
  pair.release();
  assertEquals(await created, false);
  assertEquals(
    await pair.quick.load(ID),
    recordOf({ n: 1 }, { idleTimeout: MINUTE }),
  );
});

Deno.test("a session that ended long ago is left to deleteOldSessions()", async () => {
  const pair = new Pair();
  await pair.quick.save(ID, recordOf({}, { idleTimeout: MINUTE }));
  pair.now += 3 * MINUTE;
  assertEquals(await pair.quick.has(ID), false);
  const { deleted } = await pair.quick.deleteOldSessions(0);
  assertEquals(deleted, 1);
});
