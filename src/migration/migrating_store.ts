/*
 * `move_session.ts` draws how a session moves. Here:
 *
 *   reading   loads from both stores, the old one first, and takes what the new
 *             one has; if it has nothing, what the old one had
 *   writing   moves the session first; so does a touch that is due
 *
 * The old store is only written to delete sessions that moved or have expired.
 *
 * Not promised: anything to a program that uses one of the stores alone.
 */
import type {
  CleanupOptions,
  CleanupResult,
  CreateOptions,
  EntriesOptions,
  LoadOptions,
  RecordChange,
  SessionStore,
  StoreOptions,
  UpdateOptions,
} from "../core/store.ts";
import {
  cleanupRule,
  fromJson,
  type SessionRecord,
  toJson,
} from "../core/record.ts";
import { checkSessionId } from "../core/token.ts";
import {
  changeIf,
  createSession,
  findSession,
  isPlaceholder,
  moveSession,
} from "./move_session.ts";

/**
 * Serves sessions while they move from one store to another, so that the store
 * can be changed without logging anybody out. Change all servers to it at once,
 * move the sessions that are not in use with `migrateSessions`, then change the
 * servers to the new store alone. A process killed while it moves a session may
 * leave a record in the new store that opens nothing and expires in an hour.
 *
 * A load costs a load of each store. So does a call that writes, besides the
 * write itself; the first call that writes a session moves it.
 *
 * @example
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
  /** See {@linkcode SessionStore.lock}: the new store's, if it has locks. */
  readonly lock?: NonNullable<SessionStore["lock"]>;

  readonly #from: SessionStore;
  readonly #to: SessionStore;
  readonly #now: () => number;

  /**
   * Makes a store; it does no I/O.
   *
   * @param from The old store.
   * @param to The new store.
   * @param now Tells the time, in ms since the epoch.
   */
  constructor(
    from: SessionStore,
    to: SessionStore,
    now: () => number = Date.now,
  ) {
    this.#from = from;
    this.#to = to;
    this.#now = now;
    this.isMultiprocessSafe = from.isMultiprocessSafe && to.isMultiprocessSafe;
    this.isThreadSafe = from.isThreadSafe && to.isThreadSafe;
    if (to.lock !== undefined) {
      this.lock = (id, options) => to.lock!(id, options);
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
    const { signal, touch } = options;
    // In the other order, a session that moves in between would be missed.
    const old = await findSession(this.#from, id, { signal });
    const moved = await this.#loadMoved(id, options);
    if (moved !== undefined || old === undefined) return moved;
    if (!touch?.(old.record, old.lastAccess)) return old.record;
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
    await moveSession(this.#from, this.#to, id, options);
    await this.#to.save(id, copy, options);
  }

  /** See {@linkcode SessionStore.create}. */
  async create(
    id: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<boolean> {
    const copy = copyOf(id, record);
    await moveSession(this.#from, this.#to, id, options);
    return await createSession(this.#to, id, copy, options);
  }

  /** See {@linkcode SessionStore.update}. */
  async update(
    id: string,
    change: RecordChange,
    options: UpdateOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    await moveSession(this.#from, this.#to, id, options);
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
    const nothing = () => undefined;
    return await this.update(id, nothing, { signal: options.signal }) === null;
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
      yield entry;
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
    const unused = dryRun ? minutes : Infinity;
    const old = await this.#from.deleteOldSessions(unused, options);
    if (old.isBusy) return old;
    let moved = 0;
    if (!dryRun) {
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

  /** Loads from the new store, and never marks a placeholder accessed. */
  async #loadMoved(
    id: string,
    { signal, touch }: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    const found = await this.#to.load(id, {
      signal,
      touch: touch &&
        ((record, lastAccess) =>
          isSession(record) && touch(record, lastAccess)),
    });
    return found !== undefined && isSession(found) ? found : undefined;
  }
}

function isSession(record: SessionRecord): boolean {
  return !isPlaceholder(record);
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
