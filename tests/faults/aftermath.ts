/*
 * What must hold after a process was killed in an operation, or after an
 * operation failed: every next operation works at once, and its answer matches
 * what is on the disk.
 */
import { assert, assertEquals } from "@std/assert";
import { decodeRecord, readLastAccess } from "../../src/core/codec.ts";
import { isExpired, type SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { temporaryBirth } from "../../src/directory/layout.ts";
import { dropRecycled } from "../../src/directory/atomic_file.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, USER } from "../constants.ts";
import { describeIndex } from "../index_state.ts";
import {
  answerOf,
  STORE_OPERATIONS,
  type StoreOperationName,
} from "../operations.ts";
import { replaceSystem, stopClock } from "../replaced_system.ts";
import { beginSession, sessionOf, TEMPORARY_FOR } from "./scenes.ts";

/** A next operation: checks its answer, and returns the record after it. */
type Next = (
  store: SessionStore,
  record: SessionRecord | undefined,
) => Promise<SessionRecord | undefined>;

const NEW = sessionOf(4);

/** An operation of the store, as the table of operations says. */
function next(name: StoreOperationName): Next {
  const { call, live, missing } = STORE_OPERATIONS[name];
  return async (store, record) => {
    const { fate, reply } = record === undefined ? missing : live;
    const changed = record && { ...record, data: { n: 5 } };
    const left = {
      kept: record,
      accessed: record,
      replaced: NEW,
      changed,
      deleted: undefined,
    }[fate];
    assertEquals(
      await call({ store, record: NEW, change: () => changed! }),
      answerOf(reply, record, left),
    );
    return left;
  };
}

const NEXT: Readonly<Record<string, Next>> = {
  load: next("load"),
  "load+touch": next("load+touch"),
  touch: next("touch"),
  update: next("update"),
  login: async (store, record) => {
    const changed = record && { ...record, user: USER };
    assertEquals(await store.update(ID, () => changed), changed);
    const found = await Array.fromAsync(store.entries({ user: USER }));
    assertEquals(found.find(([id]) => id === ID)?.[1], changed);
    return changed;
  },
  entries: async (store, record) => {
    const entries = await Array.fromAsync(store.entries());
    assertEquals(entries.find(([id]) => id === ID)?.[1], record);
    return record;
  },
  cleanup: async (store, record) => {
    await store.deleteOldSessions(Infinity);
    assertEquals(await store.has(ID), record !== undefined);
    return record;
  },
  "update that deletes": next("update that deletes"),
  create: next("create"),
  delete: next("delete"),
  save: next("save"),
  lock: async (store, record) => {
    await using _lock = await store.lock!(ID, { timeout: 0 });
    return record;
  },
  setup: async (store, record) => {
    await store.setup();
    return record;
  },
  "request that begins a session": async (store, record) => {
    const response = await beginSession(store);
    assertEquals(response.headers.getSetCookie().length, 1);
    return record;
  },
};

const NAMES = Object.keys(NEXT);

/**
 * Runs every next operation, one after the other, and checks that each works at
 * once, without a wait: every lock is free.
 *
 * @param store The store.
 * @param directory Its directory.
 * @param turn Chooses the operation that comes first.
 */
export async function goOn(
  store: SessionStore,
  directory: string,
  turn: number,
): Promise<void> {
  using _noWaiting = replaceSystem({
    wait: (ms) => {
      // A cleanup waits 0 ms to give the event loop back.
      assert(ms === 0, "a lock is still held");
      return Promise.resolve();
    },
  });
  let record = readLive(`${directory}/${ID}`);
  for (let i = 0; i < NAMES.length; i++) {
    const name = NAMES[(turn + i) % NAMES.length]!;
    try {
      record = await NEXT[name]!(store, record);
    } catch (error) {
      throw new Error(`the next ${name} does not work: ${error}`, {
        cause: error,
      });
    }
  }
  assertEquals(describeIndex(directory).missing, []);
}

/** What a store must find, read without a store. */
function readLive(path: string): SessionRecord | undefined {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const found = decodeRecord(ID, bytes);
  if (typeof found === "string") return undefined;
  const lastAccess = readLastAccess(bytes)!;
  return isExpired(found, lastAccess, Date.now()) ? undefined : found;
}

/**
 * Checks that the cleaner removes temporary files when they are an hour old,
 * not a millisecond before, and nothing else.
 */
export async function cleanUpAfter(
  directory: string,
  temporaries: readonly string[],
): Promise<void> {
  // The recycled file that this process has left since.
  dropRecycled(directory);
  const store = new DirectorySessionStore(directory);
  await store.setup();
  // The index of users may be missing; a cleanup makes it.
  const list = () =>
    [...Deno.readDirSync(directory)].map(({ name }) => name)
      .filter((name) => name !== ".users");
  const others = list().filter((name) => !temporaries.includes(name)).sort();
  const births = temporaries.map((name) => temporaryBirth(name)!);
  if (births.length === 0) births.push(Date.now());
  const clean = async (now: number) => {
    using _clock = stopClock(now);
    await store.deleteOldSessions(Infinity);
  };
  await clean(Math.min(...births) + TEMPORARY_FOR - 1);
  assertEquals(list().sort(), [...others, ...temporaries].sort());
  await clean(Math.max(...births) + TEMPORARY_FOR);
  assertEquals(list().sort(), others);
}
