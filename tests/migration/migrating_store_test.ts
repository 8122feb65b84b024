import { DatabaseSync } from "node:sqlite";
import { assertEquals, assertRejects } from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { EngineSessionStore } from "../../src/engines/engine_store.ts";
import { MemoryEngine, MemorySessionStore } from "../../src/engines/memory.ts";
import { makeNumber } from "../../src/engines/session_engine.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import { moveSession } from "../../src/migration/move_session.ts";
import { ID } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { beginInOld, findLive } from "./begin_in_old.ts";
import {
  type Harness,
  NEWER_JSON,
  type Spoiled,
  testContract,
} from "../contract/contract.ts";

type Make = (
  from: SessionStore,
  to: SessionStore,
  now: () => number,
) => SessionStore;

/** A store whose rows a test can replace. */
class MemoryStore extends EngineSessionStore {
  override readonly isMultiprocessSafe = false;
  override readonly isThreadSafe = false;
  readonly engine: MemoryEngine;

  constructor(engine: MemoryEngine, now: () => number) {
    super(engine, { now, onWarning() {} });
    this.engine = engine;
  }

  spoil(id: string, as: Spoiled = "garbage"): Promise<void> {
    const row = {
      json: as === "newer" ? NEWER_JSON : '{"data":',
      revision: makeNumber(),
      lastAccess: 1,
      expiry: null,
      expiresAt: null,
      tag: null,
    };
    this.engine.replace(id, row, this.engine.read(id));
    return Promise.resolve();
  }
}

/**
 * Opens two stores in memory, with one clock.
 *
 * @param spoiled In which of them there may be something that is not a record.
 */
function openInMemory(
  make: Make,
  spoiled: "from" | "to" = "from",
): Promise<Harness> {
  let now: number | undefined;
  const clock = () => now ?? Date.now();
  const from = new MemoryStore(new MemoryEngine(), clock);
  const to = new MemoryStore(new MemoryEngine(), clock);
  const stopClock = (at: number): Disposable => {
    const before = now;
    now = at;
    return { [Symbol.dispose]: () => void (now = before) };
  };
  const store = make(from, to, clock);
  return Promise.resolve({
    store,
    stopClock,
    spoil: async (id, as) => {
      const [place, other] = spoiled === "from" ? [from, to] : [to, from];
      await other.delete(id);
      await place.spoil(id, as);
    },
    age: async (id: string, ms: number) => {
      const lastAccess = clock() - ms;
      // A time at which no session has expired.
      using _clock = stopClock(1);
      await setAge(from, to, id, lastAccess);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

/** Sets when a session was last accessed, and moves it to the new store. */
async function setAge(
  from: SessionStore,
  to: SessionStore,
  id: string,
  lastAccess: number,
): Promise<void> {
  await moveSession(from, to, id, {});
  const record = await findLive(to, id);
  if (record === undefined) return;
  await to.delete(id);
  await to.create(id, record, { lastAccess });
}

testContract(
  "MigratingSessionStore",
  () =>
    openInMemory((from, to, now) =>
      new MigratingSessionStore(from, to, { now })
    ),
);

testContract(
  "MigratingSessionStore with something else in the new store",
  () =>
    openInMemory(
      (from, to, now) => new MigratingSessionStore(from, to, { now }),
      "to",
    ),
);

for (const spoiled of ["from", "to"] as const) {
  testContract(
    `MigratingSessionStore in the phase "ready", with something else in ${spoiled}`,
    () =>
      openInMemory(
        (from, to, now) =>
          new MigratingSessionStore(from, to, { phase: "ready", now }),
        spoiled,
      ),
  );
}

testContract(
  "MigratingSessionStore with sessions that begin in the old store",
  () => openInMemory((from, to, now) => beginInOld(from, to, undefined, now)),
);

testContract("MigratingSessionStore with sessions in both stores", () => {
  let count = 0;
  return openInMemory((from, to, now) =>
    beginInOld(from, to, () => count++ % 2 === 0, now)
  );
});

testContract("MigratingSessionStore from a directory to SQLite", () => {
  const directory = new TemporaryDirectory();
  const from = new DirectorySessionStore(directory.path);
  const database = new DatabaseSync(":memory:");
  let now: number | undefined;
  const to = new SqliteSessionStore(database, { now: () => now ?? Date.now() });
  return Promise.resolve({
    store: beginInOld(from, to),
    age: async (id: string, ms: number) => {
      const lastAccess = Date.now() - ms;
      // A time at which no session in the new store has expired.
      now = 1;
      await setAge(from, to, id, lastAccess);
      now = undefined;
      if (await findLive(to, id)) await moveSession(to, from, id, {});
    },
    [Symbol.asyncDispose]: () => {
      database.close();
      return Promise.resolve(directory[Symbol.dispose]());
    },
  });
}, { readsAhead: true });

Deno.test("MigratingSessionStore: servers of two phases that follow each other exclude each other", async () => {
  const [from, to] = [new MemorySessionStore(), new MemorySessionStore()];
  const ready = new MigratingSessionStore(from, to, { phase: "ready" });
  const moving = new MigratingSessionStore(from, to);
  const fleets: (readonly [SessionStore, SessionStore])[] = [
    [from, ready],
    [ready, new MigratingSessionStore(from, to, { phase: "ready" })],
    [ready, moving],
    [moving, to],
  ];
  for (const [one, other] of [...fleets, ...fleets.map(swap)]) {
    {
      await using lock = await one.lock!(ID);
      const tried = () => other.lock!(ID, { timeout: 0 });
      await assertRejects(tried, SessionLockTimeoutError);
      assertEquals(lock.isLost ?? false, false);
    }
    // What it got of the locks before it gave up is free as well.
    for (const store of [from, to]) {
      await using _lock = await store.lock!(ID, { timeout: 0 });
    }
  }
});

function swap<T>([one, other]: readonly [T, T]): readonly [T, T] {
  return [other, one];
}
