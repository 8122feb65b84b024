/*
 * `move_session.ts` draws how a session moves. Here:
 *
 *   reading   loads from both stores, the old one first, and takes what the new
 *             one has; if it has nothing, what the old one had
 *   writing   in the phase "moving" moves the session first; so does a touch that
 *             is due. In the phase "ready" it changes what is not frozen in the
 *             old store, and moves only what is
 *
 * Not promised: anything to a program that uses one of the stores alone while a
 * server is in the phase "moving".
 */
import type {
  CleanupOptions,
  CleanupResult,
  CreateOptions,
  EntriesOptions,
  HeldLock,
  LoadOptions,
  LockOptions,
  RecordChange,
  SessionStore,
  StoreOptions,
  UpdateOptions,
} from "../core/store.ts";
import { SessionUnreadableError } from "../core/errors.ts";
import {
  checkLastAccess,
  cleanupRule,
  fromJson,
  type SessionRecord,
  toJson,
} from "../core/record.ts";
import { checkSessionId } from "../core/token.ts";
import { Conflicts } from "../system/waiting.ts";
import {
  changeIf,
  isFrozen,
  isPlaceholder,
  moveSession,
  Placeholder,
  thaw,
} from "./move_session.ts";

/** What {@linkcode MigratingSessionStore} takes. */
export interface MigratingStoreOptions {
  /**
   * `"ready"`: sessions stay in the old store, where servers without this store
   * find them, unless a server in the phase `"moving"` has moved them.
   * `"moving"`: each call that writes a session moves it.
   *
   * @default {"moving"}
   */
  readonly phase?: "ready" | "moving" | undefined;
  /**
   * Tells the time, in ms since the epoch; a test passes its own.
   *
   * @default {Date.now}
   */
  readonly now?: (() => number) | undefined;
}

/**
 * Serves sessions while they move from one store to another, so that the store
 * can be changed without logging a user out, one server after the other:
 *
 * 1. Change all servers to it, in the phase `"ready"`.
 * 2. When that is done, change all to the phase `"moving"`.
 * 3. When that is done, move the sessions that are not in use with
 *    `migrateSessions`, to its end.
 * 4. Change all servers to the new store alone.
 *
 * Where all servers can be changed at once, step 1 may be left out. A process
 * killed while it moves a session may leave a record in the new store that opens
 * nothing and expires in an hour.
 *
 * A load costs a load of each store. So does a call that writes, besides the
 * write itself; the first call that writes a session moves it.
 *
 * @example A session that is moved
 * ```ts
 * import {
 *   MemorySessionStore,
 *   migrateSessions,
 *   MigratingSessionStore,
 * } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const [from, to] = [new MemorySessionStore(), new MemorySessionStore()];
 * await from.save("0123456789abcdef", { data: { n: 1 }, createdAt: Date.now() });
 *
 * const store = new MigratingSessionStore(from, to);
 * assertEquals((await store.load("0123456789abcdef"))?.data, { n: 1 });
 * assertEquals(await migrateSessions(from, to), 1);
 * assertEquals((await store.load("0123456789abcdef"))?.data, { n: 1 });
 * ```
 */
export class MigratingSessionStore implements SessionStore {
  /** Whether both stores are. */
  readonly isMultiprocessSafe: boolean;
  /** Whether both stores are. */
  readonly isThreadSafe: boolean;
  /** What both stores keep. */
  readonly largestRecord: number;
  /**
   * See {@linkcode SessionStore.lock}: the new store's, if it has locks. In the
   * phase `"ready"` also the old one's, which servers without this store take;
   * each is waited for.
   */
  readonly lock?: NonNullable<SessionStore["lock"]>;

  readonly #from: SessionStore;
  readonly #to: SessionStore;
  readonly #isReady: boolean;
  readonly #now: () => number;

  /**
   * Makes a store; it does no I/O.
   *
   * @param from The old store.
   * @param to The new store.
   * @param options The phase, and the clock.
   * @throws {TypeError} If the phase is neither of the two.
   *
   * @example The first step, where servers change one after the other
   * ```ts
   * import { MemorySessionStore, MigratingSessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const [from, to] = [new MemorySessionStore(), new MemorySessionStore()];
   * const store = new MigratingSessionStore(from, to, { phase: "ready" });
   * const id = "0123456789abcdef";
   * await store.save(id, { data: {}, createdAt: Date.now() });
   * assertEquals([await from.has(id), await to.has(id)], [true, false]);
   * ```
   */
  constructor(
    from: SessionStore,
    to: SessionStore,
    options: MigratingStoreOptions = {},
  ) {
    const { phase = "moving", now = Date.now } = options;
    if (phase !== "ready" && phase !== "moving") {
      throw new TypeError(
        'Cannot move sessions: phase is neither "ready" nor "moving"',
      );
    }
    this.#from = from;
    this.#to = to;
    this.#isReady = phase === "ready";
    this.#now = now;
    this.isMultiprocessSafe = from.isMultiprocessSafe && to.isMultiprocessSafe;
    this.isThreadSafe = from.isThreadSafe && to.isThreadSafe;
    const { largestRecord: before = Infinity } = from;
    const { largestRecord: after = Infinity } = to;
    this.largestRecord = Math.min(before, after);
    if (to.lock !== undefined) {
      this.lock = this.#isReady && from.lock !== undefined
        ? (id, options) => lockBoth(from, to, id, options)
        : (id, options) => to.lock!(id, options);
    }
  }

  /** Sets up both stores. */
  async setup(): Promise<void> {
    await this.#from.setup();
    await this.#to.setup();
  }

  /** See {@linkcode SessionStore.load}. */
  async load(
    id: string,
    options: LoadOptions = {},
  ): Promise<SessionRecord | undefined> {
    const { signal, touch, mustBeReadable, onExpired } = options;
    let isDue = false;
    // In the other order, a session that moves in between would be missed.
    const old = await this.#from.load(id, {
      signal,
      mustBeReadable,
      onExpired,
      touch: touch && ((record, lastAccess) => {
        isDue = touch(thaw(record), lastAccess);
        // Where it stays, it is marked accessed; else it moves for that.
        return isDue && this.#isReady && !isFrozen(record);
      }),
    });
    const moved = await this.#loadMoved(id, options);
    if (moved !== undefined || old === undefined) return moved;
    if (!isDue || this.#isReady && !isFrozen(old)) return thaw(old);
    await moveSession(this.#from, this.#to, id, { signal });
    return await this.#loadMoved(id, options);
  }

  /** See {@linkcode SessionStore.save}. */
  async save(
    id: string,
    record: SessionRecord,
    options: StoreOptions = {},
  ): Promise<void> {
    const copy = copyOf(id, record);
    const conflicts = new Conflicts(id, options.signal);
    for (;;) {
      if (await this.update(id, () => copy, options) !== undefined) return;
      if (await this.create(id, copy, options)) return;
      await conflicts.wait();
    }
  }

  /**
   * See {@linkcode SessionStore.create}. While its placeholder is in the new
   * store, no call creates the session in the other one of the two.
   */
  async create(
    id: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<boolean> {
    const copy = copyOf(id, record);
    checkLastAccess(options.lastAccess);
    return this.#isReady
      ? await this.#createInOld(id, copy, options)
      : await this.#createInNew(id, copy, options);
  }

  /** See {@linkcode SessionStore.update}. */
  async update(
    id: string,
    change: RecordChange,
    options: UpdateOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    if (this.#isReady) {
      const kept = await changeIf(isFree, this.#from, id, change, options);
      if (kept !== undefined && kept !== "other") return kept;
    }
    await moveSession(this.#from, this.#to, id, options, this.#isReady);
    const kept = await changeIf(isSession, this.#to, id, change, options);
    return kept === "other" ? undefined : kept;
  }

  /** See {@linkcode SessionStore.touch}. */
  async touch(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal, touch: () => true }) !== undefined;
  }

  /** See {@linkcode SessionStore.delete}. */
  async delete(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    const nothing = () => undefined;
    if (await this.update(id, nothing, { signal }) === null) return true;
    // To `update`, a record of a later format is none.
    let isDeleted = false;
    for (const store of [this.#from, this.#to]) {
      if (await isReadable(store, id, signal)) continue;
      if (await store.delete(id, { signal })) isDeleted = true;
    }
    return isDeleted;
  }

  /** See {@linkcode SessionStore.has}. */
  async has(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal }) !== undefined;
  }

  /**
   * See {@linkcode SessionStore.entries}. It remembers the IDs of the sessions
   * that have not moved yet, to list none of them twice.
   */
  async *entries(
    options: EntriesOptions = {},
  ): AsyncGenerator<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  > {
    const { signal } = options;
    const shown = new Set<string>();
    for await (const entry of this.#from.entries(options)) {
      const [id] = entry;
      if (await this.#loadMoved(id, { signal }) !== undefined) continue;
      shown.add(id);
      const [, record, lastAccess] = entry;
      yield [id, thaw(record), lastAccess];
    }
    for await (const entry of this.#to.entries(options)) {
      const [id, record] = entry;
      if (!shown.has(id) && isSession(record)) yield entry;
    }
  }

  /**
   * See {@linkcode SessionStore.deleteOldSessions}. It cleans both stores. An
   * old session without a lifetime is moved and then deleted in the new store.
   */
  async deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    const { dryRun = false, grace = 0, onProgress, signal } = options;
    const isDue = cleanupRule(minutes, grace);
    // Another call may be moving a session that has not expired.
    const unused = dryRun || this.#isReady ? minutes : Infinity;
    const old = await this.#from.deleteOldSessions(unused, options);
    if (old.isBusy) return old;
    let moved = 0;
    if (!dryRun && !this.#isReady) {
      for await (
        const [id, record, lastAccess] of this.#from.entries({ signal })
      ) {
        if (!isDue(record, lastAccess, this.#now())) continue;
        if (await moveSession(this.#from, this.#to, id, options)) moved++;
      }
    }
    const done = { ...old, remaining: old.remaining - moved };
    const result = await this.#to.deleteOldSessions(minutes, {
      ...options,
      onProgress: onProgress && ((soFar) => onProgress(sum(done, soFar))),
    });
    return result.isBusy ? result : sum(done, result);
  }

  /** See {@linkcode SessionStore.check}: tries both stores. */
  async check(options: StoreOptions = {}): Promise<void> {
    await this.#from.check(options);
    await this.#to.check(options);
  }

  async #createInNew(
    id: string,
    copy: SessionRecord,
    options: CreateOptions,
  ): Promise<boolean> {
    const { signal } = options;
    const conflicts = new Conflicts(id, signal);
    for (;;) {
      const claim = await Placeholder.put(this.#to, id, options);
      if (claim === undefined) return false;
      let isFree = false;
      try {
        const found = await this.#from.load(id, {
          signal,
          mustBeReadable: true,
        });
        isFree = found === undefined;
      } catch (error) {
        if (!(error instanceof SessionUnreadableError)) throw error;
        // The old store knows whether it may be replaced. That it is gone before
        // the session is there, no load may see: it may be a revocation.
        return await this.#createInOld(id, copy, options);
      } finally {
        if (!isFree) await claim.remove();
      }
      if (!isFree) return false;
      if (await claim.replace(copy, options)) return true;
      await conflicts.wait();
    }
  }

  async #createInOld(
    id: string,
    copy: SessionRecord,
    options: CreateOptions,
  ): Promise<boolean> {
    let claim = await Placeholder.put(this.#to, id, options);
    if (claim === undefined) return false;
    const isCreated = await this.#from.create(id, copy, options)
      .catch(async (error) => {
        await claim?.remove();
        throw error;
      });
    if (!isCreated) {
      await claim.remove();
      return false;
    }
    // If a call has replaced the placeholder, it has looked in the old store
    // before, or it moves the session.
    while (!await claim.remove()) {
      claim = await Placeholder.put(this.#to, id, options);
      if (claim !== undefined) continue;
      await this.#from.delete(id, options);
      return false;
    }
    return true;
  }

  /** Loads from the new store, and never marks a placeholder accessed. */
  async #loadMoved(
    id: string,
    { signal, touch, mustBeReadable, onExpired }: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    const found = await this.#to.load(id, {
      signal,
      mustBeReadable,
      onExpired,
      touch: touch &&
        ((record, lastAccess) =>
          isSession(record) && touch(record, lastAccess)),
    });
    return found !== undefined && isSession(found) ? found : undefined;
  }
}

/** Takes the locks of both stores, in one order. */
async function lockBoth(
  from: SessionStore,
  to: SessionStore,
  id: string,
  options?: LockOptions,
): Promise<HeldLock> {
  await using stack = new AsyncDisposableStack();
  const locks: HeldLock[] = [];
  for (const store of [from, to]) {
    locks.push(stack.use(await store.lock!(id, options)));
  }
  const held = stack.move();
  return {
    get isLost() {
      return locks.some(({ isLost = false }) => isLost);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Tells whether what a store has under an ID, if anything, can be read. */
async function isReadable(
  store: SessionStore,
  id: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await store.load(id, { signal, mustBeReadable: true });
    return true;
  } catch (error) {
    if (error instanceof SessionUnreadableError) return false;
    throw error;
  }
}

function isSession(record: SessionRecord): boolean {
  return !isPlaceholder(record);
}

function isFree(record: SessionRecord): boolean {
  return !isFrozen(record);
}

/** Copies a record, which the caller may change while the session moves. */
function copyOf(id: string, record: SessionRecord): SessionRecord {
  checkSessionId(id);
  return fromJson(toJson(record)) as SessionRecord;
}

function sum(one: CleanupResult, other: CleanupResult): CleanupResult {
  const skipped = (one.skipped ?? 0) + (other.skipped ?? 0);
  return {
    deleted: one.deleted + other.deleted,
    remaining: one.remaining + other.remaining,
    orphans: one.orphans + other.orphans,
    ...(skipped > 0 && { skipped }),
    ...((one.isPartial || other.isPartial) && { isPartial: true }),
  };
}
