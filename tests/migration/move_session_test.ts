/**
 * Sessions that move, in orders made by hand: a move is held back before each
 * of its calls while another call does each thing that can be done; then the
 * move goes on, or is given up as if its process had been killed.
 */

import { assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import {
  migrateSessions,
  moveSession,
} from "../../src/migration/move_session.ts";
import { HOUR, ID, MINUTE, recordOf } from "../constants.ts";
import { entriesOf, lastAccessOf } from "../contract/contract.ts";
import { type HeldCall, holdBack } from "./held_store.ts";

/** The session that is in the old store at first. */
const RECORD: SessionRecord = recordOf(
  { n: 1 },
  { idleTimeout: HOUR, secretHash: "one" },
);

/** An old and a new store, which are one store for servers. */
class Migration {
  /** The clock of both stores. */
  now: number = Date.now();
  readonly from: MemorySessionStore;
  readonly to: MemorySessionStore;
  readonly store: MigratingSessionStore;

  /** Makes two empty stores. */
  constructor() {
    const now = () => this.now;
    this.from = new MemorySessionStore({ now });
    this.to = new MemorySessionStore({ now });
    this.store = new MigratingSessionStore(this.from, this.to, { now });
  }

  /** Begins with a session in the old store, last accessed a minute ago. */
  static async begin(record: SessionRecord = RECORD): Promise<Migration> {
    const migration = new Migration();
    const lastAccess = migration.now - MINUTE;
    await migration.from.create(ID, record, { lastAccess });
    return migration;
  }

  /** Returns all that a server can see of the session. */
  async see(): Promise<unknown> {
    return {
      record: await this.store.load(ID),
      lastAccess: await lastAccessOf(this.store, ID),
      entries: await entriesOf(this.store),
    };
  }
}

/** The calls of a move, in order. */
const STEPS: readonly [store: "from" | "to", call: HeldCall, skip: number][] = [
  ["from", "load", 0],
  ["to", "create", 0],
  ["from", "update", 0],
  ["from", "load", 1],
  ["to", "update", 0],
  ["from", "delete", 0],
];

/** Begins a call, and holds it back before a step. */
async function holdAt(
  migration: Migration,
  [which, call, skip]: typeof STEPS[number],
  begin: (from: SessionStore, to: SessionStore) => Promise<unknown>,
): Promise<{ release: () => void; done: Promise<unknown> }> {
  const held = holdBack(migration[which], call, skip);
  const stores = {
    from: migration.from,
    to: migration.to,
    [which]: held.store,
  };
  const done = begin(stores.from, stores.to);
  await held.isReached;
  return { release: held.release, done };
}

const change = (rest: Partial<SessionRecord>) => (record: SessionRecord) => ({
  ...record,
  data: { n: 2 },
  ...rest,
});

/** What another call may do meanwhile. */
const ACTS: Record<string, (migration: Migration) => Promise<unknown>> = {
  "nothing": () => Promise.resolve(),
  "load": ({ store }) => store.load(ID),
  "touch": ({ store }) => store.touch(ID),
  "delete": ({ store }) => store.delete(ID),
  "update": ({ store }) => store.update(ID, change({})),
  "update that deletes": ({ store }) => store.update(ID, () => undefined),
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
  "update with a shorter lifetime, which expires": async (migration) => {
    await migration.store.update(ID, change({ idleTimeout: MINUTE }));
    migration.now += MINUTE;
    assertEquals(await migration.store.has(ID), false);
  },
  "save with a shorter lifetime, which expires": async (migration) => {
    const expiresAt = migration.now + MINUTE;
    await migration.store.save(ID, recordOf({ n: 2 }, { expiresAt }));
    migration.now += MINUTE;
    assertEquals(await migration.store.has(ID), false);
  },
  "wait until it expires": (migration) =>
    Promise.resolve(migration.now += HOUR),
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
  Deno.test(`moveSession() that is slow or killed changes nothing that others see: ${name}`, async (t) => {
    for (const [n, step] of STEPS.entries()) {
      for (const fate of ["slow", "killed"] as const) {
        await t.step(`${fate} before step ${n + 1}`, async () => {
          const migration = await Migration.begin();
          const move = await holdAt(
            migration,
            step,
            (from, to) => moveSession(from, to, ID, {}),
          );
          const { record } = await migration.see() as { record: unknown };
          assertEquals(record, RECORD);
          await act(migration);
          const seen = await migration.see();
          if (fate === "slow") {
            move.release();
            await move.done;
            assertEquals(await migration.see(), seen);
          }
          await migrateSessions(migration.from, migration.to);
          assertEquals(await migration.see(), seen);
          migration.now += 2 * HOUR;
          const later = await migration.store.load(ID);
          const expected = (seen as { record?: SessionRecord }).record;
          const lives = expected?.idleTimeout === undefined;
          assertEquals(later, lives ? expected : undefined);
        });
      }
    }
  });
}

Deno.test("moveSession() puts nothing in place of another call's placeholder", async () => {
  const migration = await Migration.begin();
  const move = (from: SessionStore, to: SessionStore) =>
    moveSession(from, to, ID, {});
  const one = await holdAt(migration, ["to", "update", 0], move);
  // The other still finds the session in the old store, and creates its
  // placeholder when the session is deleted.
  const placeholders = holdBack(migration.to, "create");
  const reads = holdBack(migration.from, "load", 1);
  const other = move(reads.store, placeholders.store);
  await placeholders.isReached;
  assertEquals(await migration.store.delete(ID), true);
  placeholders.release();
  await reads.isReached;
  one.release();
  await one.done;
  assertEquals(await migration.store.has(ID), false);
  reads.release();
  await other;
  assertEquals(await migration.store.has(ID), false);
  assertEquals(await entriesOf(migration.to), {});
});

Deno.test("moveSession() that is slow does not bring back a session that a cleanup deleted", async () => {
  for (const step of STEPS) {
    const migration = await Migration.begin(recordOf({ n: 1 }));
    const move = await holdAt(
      migration,
      step,
      (from, to) => moveSession(from, to, ID, {}),
    );
    const { deleted, remaining } = await migration.store.deleteOldSessions(0);
    assertEquals([deleted, remaining], [1, 0]);
    assertEquals(await migration.store.has(ID), false);
    move.release();
    await move.done;
    assertEquals(await migration.store.has(ID), false);
  }
});

Deno.test("MigratingSessionStore.update() loses no count when another update is slow at any step", async () => {
  const count = (store: SessionStore) =>
    store.update(ID, ({ data, ...rest }) => ({
      ...rest,
      data: { n: data.n as number + 1 },
    }));
  for (const [n, step] of [...STEPS, ["to", "update", 1] as const].entries()) {
    const migration = await Migration.begin();
    const slow = await holdAt(
      migration,
      [...step],
      (from, to) =>
        count(
          new MigratingSessionStore(from, to, { now: () => migration.now }),
        ),
    );
    await count(migration.store);
    slow.release();
    await slow.done;
    assertEquals(
      (await migration.store.load(ID))?.data,
      { n: 3 },
      `step ${n + 1}`,
    );
  }
});

Deno.test("MigratingSessionStore: a slow write does not bring back a deleted session", async () => {
  const writes: Record<string, (store: SessionStore) => Promise<unknown>> = {
    touch: (store) => store.touch(ID),
    update: (store) => store.update(ID, (record) => record),
    delete: (store) => store.delete(ID),
  };
  for (const [name, write] of Object.entries(writes)) {
    for (const step of STEPS) {
      const migration = await Migration.begin();
      const slow = await holdAt(
        migration,
        step,
        (from, to) =>
          write(
            new MigratingSessionStore(from, to, { now: () => migration.now }),
          ),
      );
      assertEquals(await migration.store.delete(ID), true, name);
      slow.release();
      assertEquals(await slow.done || undefined, undefined, name);
      assertEquals(await migration.store.has(ID), false, name);
    }
  }
});

Deno.test("MigratingSessionStore.load() that is slow returns the session as it was, or as it became", async () => {
  const reads: readonly [store: "from" | "to", skip: number][] = [
    ["from", 0],
    ["to", 0],
  ];
  for (const [which, skip] of reads) {
    const migration = await Migration.begin();
    const reader = await holdAt(
      migration,
      [which, "load", skip],
      (from, to) => new MigratingSessionStore(from, to).load(ID),
    );
    await migration.store.update(ID, change({}));
    reader.release();
    const seen = await reader.done as SessionRecord;
    assertEquals(seen.data, { n: 2 });
  }
  const migration = await Migration.begin();
  const reader = await holdAt(
    migration,
    ["to", "load", 0],
    (from, to) => new MigratingSessionStore(from, to).load(ID),
  );
  await migration.store.delete(ID);
  reader.release();
  // The session was there after load() was called.
  assertEquals(await reader.done, RECORD);
});

Deno.test("MigratingSessionStore.load() moves a session only when a touch is due", async () => {
  const migration = await Migration.begin();
  await migration.store.load(ID, { touch: () => false });
  assertEquals(await migration.from.has(ID), true);
  await migration.store.load(ID, { touch: () => true });
  assertEquals(await migration.from.has(ID), false);
  assertEquals(await lastAccessOf(migration.store, ID), migration.now);
});

Deno.test("MigratingSessionStore: a session in neither store gets no placeholder", async () => {
  const migration = new Migration();
  assertEquals(await migration.store.delete(ID), false);
  assertEquals(await migration.store.update(ID, (record) => record), undefined);
  assertEquals(await moveSession(migration.from, migration.to, ID, {}), false);
  assertEquals(await entriesOf(migration.to), {});
});

Deno.test("migrateSessions() leaves a session that the new store refuses where it is", async () => {
  const migration = await Migration.begin();
  const refusal = new RangeError("too large");
  const to = new Proxy(migration.to, {
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
  const error = await migrateSessions(migration.from, to).catch((error) =>
    error
  );
  assertEquals(error, refusal);
  assertEquals(await migration.store.load(ID), RECORD);
  assertEquals(await entriesOf(migration.to), {});
});

Deno.test("migrateSessions() moves lifetimes and last accesses too", async () => {
  const migration = new Migration();
  const lastAccess = migration.now - MINUTE;
  const records = [
    RECORD,
    recordOf({ n: 2 }, { expiresAt: migration.now + HOUR, user: "ann" }),
    recordOf({ n: 3 }),
  ];
  for (const [n, record] of records.entries()) {
    await migration.from.create(`session-number-${n}`, record, { lastAccess });
  }
  let progress = 0;
  const onProgress = (moved: number) => void (progress = moved);
  assertEquals(
    await migrateSessions(migration.from, migration.to, { onProgress }),
    3,
  );
  assertEquals(progress, 3);
  assertEquals(await entriesOf(migration.from), {});
  for (const [n, record] of records.entries()) {
    const id = `session-number-${n}`;
    assertEquals(await migration.to.load(id), record);
    assertEquals(await lastAccessOf(migration.to, id), lastAccess);
  }
  assertEquals(await migrateSessions(migration.from, migration.to), 0);
  assertEquals(progress, 3);
});
