/** The common behaviour of all stores on engines, on an engine with delayed answers. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { KEEP } from "../../src/core/store.ts";
import {
  EngineSessionStore,
  RecentReads,
} from "../../src/engines/engine_store.ts";
import { MemoryEngine } from "../../src/engines/memory.ts";
import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "../../src/engines/session_engine.ts";
import { ID, MINUTE, OTHER_ID, recordOf } from "../constants.ts";
import {
  NEWER_JSON,
  type Spoiled,
  testContract,
} from "../contract/contract.ts";
import { replaceSystem } from "../replaced_system.ts";

/** A store on any engine. */
class AnyEngineStore extends EngineSessionStore {
  override readonly isMultiprocessSafe = false;
  override readonly isThreadSafe = false;
}

/** A connection to an engine, which notes its calls and may answer late. */
class RemoteEngine implements SessionEngine {
  readonly engine: MemoryEngine;
  /** The calls, in order. */
  readonly calls: string[] = [];
  /** Awaited before each answer. */
  wait: (call: string) => Promise<void> | void = () => {};

  /** @param other Another connection to the same engine. */
  constructor(other?: RemoteEngine) {
    this.engine = other?.engine ?? new MemoryEngine();
  }

  /** Returns the calls, and begins anew. */
  takeCalls(): string[] {
    return this.calls.splice(0);
  }

  setup() {
    return this.#ask("setup", () => this.engine.setup());
  }

  read(id: string) {
    return this.#ask("read", () => this.engine.read(id));
  }

  replace(id: string, row: NewEngineRow, expected: EngineRow | undefined) {
    return this.#ask("replace", () => this.engine.replace(id, row, expected));
  }

  touch(id: string, access: EngineAccess, expected: EngineRow) {
    return this.#ask("touch", () => this.engine.touch(id, access, expected));
  }

  remove(id: string, expected?: EngineRow) {
    return this.#ask("remove", () => this.engine.remove(id, expected));
  }

  async *rows(tag: string | undefined) {
    yield* await this.#ask("rows", () => this.engine.rows(tag));
  }

  async #ask<T>(call: string, answer: () => T): Promise<T> {
    this.calls.push(call);
    await this.wait(call);
    return answer();
  }
}

testContract("EngineSessionStore", () => {
  let now: number | undefined;
  const clock = () => now ?? Date.now();
  const engine = new RemoteEngine();
  const store = new AnyEngineStore(engine, { now: clock });
  const stopClock = (at: number): Disposable => {
    const before = now;
    now = at;
    return { [Symbol.dispose]: () => void (now = before) };
  };
  return Promise.resolve({
    store,
    stopClock,
    age: async (id: string, ms: number) => {
      using _clock = stopClock(clock() - ms);
      await store.touch(id);
    },
    spoil: async (id: string, as?: Spoiled) => {
      await engine.replace(id, {
        json: as === "newer" ? NEWER_JSON : "junk",
        revision: 1,
        lastAccess: clock(),
        expiry: null,
        expiresAt: null,
        tag: null,
      }, await engine.read(id));
    },
    breakDown: (error: Error) => {
      const before = engine.wait;
      engine.wait = () => Promise.reject(error);
      return { [Symbol.dispose]: () => void (engine.wait = before) };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}, { readsAhead: true });

function increment(record: SessionRecord): SessionRecord {
  return { ...record, data: { n: Number(record.data.n) + 1 } };
}

/** Two stores on one engine, each with its own connection. */
async function setUp() {
  const engine = new RemoteEngine();
  const otherEngine = new RemoteEngine(engine);
  const store = new AnyEngineStore(engine);
  const other = new AnyEngineStore(otherEngine);
  await store.save(ID, recordOf({ n: 1 }));
  await other.setup();
  engine.takeCalls();
  otherEngine.takeCalls();
  return { engine, store, other };
}

Deno.test("an aborted signal ends the wait for setup()", async () => {
  const engine = new RemoteEngine();
  const store = new AnyEngineStore(engine);
  const go = Promise.withResolvers<void>();
  engine.wait = () => go.promise;
  const reason = new Error("no longer wanted");
  const asks: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => store.load(ID, { signal }),
    (signal) => store.save(ID, recordOf(), { signal }),
    (signal) => store.create(ID, recordOf(), { signal }),
    (signal) => store.update(ID, increment, { signal }),
    (signal) => store.delete(ID, { signal }),
    (signal) => Array.fromAsync(store.entries({ signal })),
    (signal) => store.deleteOldSessions(1, { signal }),
  ];
  for (const ask of asks) {
    const given = new AbortController();
    const asked = ask(given.signal);
    given.abort(reason);
    assertStrictEquals(await assertRejects(() => asked), reason);
  }
  go.resolve();
  assertEquals(await store.load(ID), undefined);
});

Deno.test("a touch that an engine refuses again does not fail the load", async () => {
  const { engine, store } = await setUp();
  const touch = engine.touch.bind(engine);
  engine.touch = () => Promise.resolve(false);
  assertEquals((await store.load(ID, { touch: () => true }))?.data, { n: 1 });
  assertEquals(engine.takeCalls(), ["read", "read"]);
  engine.touch = touch;
  assertEquals(await store.touch(ID), true);
});

Deno.test("a load asks the engine once, and so does the update that follows", async () => {
  const { engine, store } = await setUp();
  await store.load(ID);
  assertEquals(engine.takeCalls(), ["read"]);
  assertEquals((await store.update(ID, increment))?.data, { n: 2 });
  assertEquals(engine.takeCalls(), ["replace"]);
  assertEquals((await store.update(ID, increment))?.data, { n: 3 });
  assertEquals(engine.takeCalls(), ["read", "replace"]);
  await store.load(ID, { touch: () => true });
  assertEquals(engine.takeCalls(), ["read", "touch"]);
  assertEquals(await store.update(ID, () => undefined), null);
  assertEquals(engine.takeCalls(), ["remove"]);
  assertEquals(await store.load(ID), undefined);
  assertEquals(await store.update(ID, increment), undefined);
  assertEquals(engine.takeCalls(), ["read", "read"]);
  await store.save(ID, recordOf());
  await store.create(OTHER_ID, recordOf());
  await store.delete(ID);
  assertEquals(engine.takeCalls(), ["read", "replace", "replace", "remove"]);
});

Deno.test("an update changes the current record, whatever was loaded before", async () => {
  const { engine, store, other } = await setUp();
  await store.load(ID);
  await other.update(ID, (record) => ({ ...record, data: { n: 10 } }));
  const given: unknown[] = [];
  const kept = await store.update(ID, (record) => {
    given.push(record.data.n);
    return increment(record);
  });
  assertEquals(kept?.data, { n: 11 });
  assertEquals(given, [1, 10]);
  assertEquals(engine.takeCalls(), ["read", "replace", "read", "replace"]);
});

Deno.test("an update to KEEP returns the current record, whatever was loaded before", async () => {
  const { store, other } = await setUp();
  await store.load(ID);
  await other.update(ID, increment);
  const kept = await store.update(ID, () => KEEP);
  assertEquals(kept?.data, { n: 2 });
});

Deno.test("an update after a load does not bring back a deleted or expired session", async () => {
  for (const end of ["delete", "expire"]) {
    let now = 1_000;
    const engine = new RemoteEngine();
    const store = new AnyEngineStore(engine, { now: () => now });
    const other = new AnyEngineStore(new RemoteEngine(engine));
    await store.save(ID, recordOf({ n: 1 }, { expiresAt: 2_000 }));
    await store.load(ID);
    if (end === "expire") now = 2_000;
    else await other.delete(ID);
    assertEquals(await store.update(ID, increment), undefined);
    assertEquals(await store.load(ID), undefined);
  }
});

Deno.test("of two updates that delete, one returns null, the other undefined", async () => {
  const { store, other } = await setUp();
  await store.load(ID);
  await other.load(ID);
  const results = await Promise.all([
    store.update(ID, () => undefined),
    other.update(ID, () => undefined),
  ]);
  assertEquals(results.map(String).sort(), ["null", "undefined"]);
});

Deno.test("an update succeeds although the session was touched since it was loaded", async () => {
  let now = 1_000;
  const engine = new RemoteEngine();
  const store = new AnyEngineStore(engine, { now: () => now });
  const other = new AnyEngineStore(engine, { now: () => now });
  await store.save(ID, recordOf({ n: 1 }, { idleTimeout: 100 }));
  await store.load(ID);
  now += 99;
  await other.touch(ID);
  now += 99;
  engine.takeCalls();
  assertEquals((await store.update(ID, increment))?.data, { n: 2 });
  assertEquals(engine.takeCalls(), ["read", "replace"]);
});

Deno.test("an error of change on a record that is no longer current does not reach the caller", async () => {
  const { store, other } = await setUp();
  const refuseOne = (record: SessionRecord) => {
    if (record.data.n === 1) throw new Error("one");
    return increment(record);
  };
  await store.load(ID);
  await other.update(ID, increment);
  assertEquals((await store.update(ID, refuseOne))?.data, { n: 3 });
  await store.save(ID, recordOf({ n: 1 }));
  await store.load(ID);
  await assertRejects(() => store.update(ID, refuseOne), Error, "one");
  assertEquals((await store.load(ID))?.data, { n: 1 });
});

Deno.test("updates of one process take turns, and none is refused", async () => {
  const { engine, store } = await setUp();
  const updates = Array.from(
    { length: 100 },
    () => store.update(ID, increment),
  );
  await Promise.all(updates);
  assertEquals((await store.load(ID))?.data, { n: 101 });
  const replaces = engine.calls.filter((call) => call === "replace");
  assertEquals(replaces.length, 100);
});

Deno.test("an update that loses to other writes for five seconds fails, and changes nothing", async () => {
  const { engine, store, other } = await setUp();
  engine.wait = async (call) => {
    if (call === "replace") await other.update(ID, increment);
  };
  let now = 0;
  using _system = replaceSystem({
    monotonic: () => now,
    wait: (ms) => {
      now += ms;
      return Promise.resolve();
    },
  });
  await assertRejects(
    () => store.update(ID, () => recordOf({ n: "mine" })),
    SessionLockTimeoutError,
    "after 5000 ms",
  );
  assert(now > 5_000 && now < 5_050, `${now}`);
  assert(Number((await other.load(ID))?.data.n) > 100);
});

Deno.test("a signal ends the wait for an engine that does not answer", async () => {
  const operations: Record<
    string,
    (store: AnyEngineStore, signal: AbortSignal) => Promise<unknown>
  > = {
    load: (store, signal) => store.load(ID, { signal }),
    save: (store, signal) => store.save(ID, recordOf(), { signal }),
    create: (store, signal) => store.create(ID, recordOf(), { signal }),
    update: (store, signal) => store.update(ID, increment, { signal }),
    touch: (store, signal) => store.touch(ID, { signal }),
    delete: (store, signal) => store.delete(ID, { signal }),
    has: (store, signal) => store.has(ID, { signal }),
  };
  for (const [name, operate] of Object.entries(operations)) {
    const { engine, store } = await setUp();
    const asked = Promise.withResolvers<void>();
    engine.wait = () => {
      asked.resolve();
      return new Promise(() => {});
    };
    const controller = new AbortController();
    const operation = operate(store, controller.signal);
    await asked.promise;
    controller.abort(new Error("enough"));
    await assertRejects(() => operation, Error, "enough", name);
  }
});

Deno.test("setup() is done once, and again after it failed", async () => {
  const engine = new RemoteEngine();
  const store = new AnyEngineStore(engine);
  engine.wait = () => Promise.reject(new Error("away"));
  await assertRejects(() => store.setup(), Error, "away");
  await assertRejects(() => store.load(ID), Error, "away");
  engine.wait = () => {};
  engine.takeCalls();
  await Promise.all([store.load(ID), store.save(ID, recordOf())]);
  await store.setup();
  assertEquals(engine.takeCalls().filter((call) => call === "setup").length, 1);
});

Deno.test("at most 1,000 rows or 4 MiB are kept for an update", () => {
  const rowOf = (json: string): EngineRow => ({
    json,
    lastAccess: 0,
    revision: 0,
  });
  const small = new RecentReads();
  for (let n = 0; n <= 1_000; n++) small.add(`${n}`, rowOf("{}"));
  assertEquals(small.take("0"), undefined);
  assertEquals(small.take("1"), rowOf("{}"));
  assertEquals(small.take("1"), undefined);

  const large = new RecentReads();
  const json = "x".repeat(1024 * 1024);
  for (let n = 0; n < 5; n++) large.add(`${n}`, rowOf(json));
  assertEquals(large.take("0"), undefined);
  assertEquals(large.take("4"), rowOf(json));
  large.add("huge", rowOf(json.repeat(5)));
  assertEquals(large.take("huge"), undefined);
});

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
      replace: (...args) => hold(() => engine.replace(...args)),
      touch: (...args) => hold(() => engine.touch(...args)),
      remove: (id, expected) => hold(() => engine.remove(id, expected)),
      rows: (tag) => engine.rows(tag),
    };
    const now = () => this.now;
    this.quick = new AnyEngineStore(engine, { now });
    this.slow = new AnyEngineStore(slow, { now });
  }

  /** Continues the changes that are held back, and holds no more. */
  release(): void {
    this.#go.resolve();
  }
}

Deno.test("a session that was found expired is not prolonged by a change under way", async () => {
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
  // Its insert fails before it replaces the expired session.
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

Deno.test("a session that expired long ago is left to deleteOldSessions()", async () => {
  const pair = new Pair();
  await pair.quick.save(ID, recordOf({}, { idleTimeout: MINUTE }));
  pair.now += 3 * MINUTE;
  assertEquals(await pair.quick.has(ID), false);
  const { deleted } = await pair.quick.deleteOldSessions(0);
  assertEquals(deleted, 1);
});
