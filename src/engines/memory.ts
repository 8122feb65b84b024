import {
  type CleanupOptions,
  type CleanupResult,
  type CreateOptions,
  type EntriesOptions,
  KEEP,
  type LoadOptions,
  type LockOptions,
  type RecordChange,
  type SessionStore,
  type StoreOptions,
  type UpdateOptions,
} from "../core/store.ts";
import {
  decodeRecord,
  encodeRecord,
  hasOtherTag,
  userTag,
} from "../core/codec.ts";
import {
  checkLastAccess,
  cleanupRule,
  isExpired,
  type SessionRecord,
} from "../core/record.ts";
import { checkSessionId } from "../core/token.ts";
import { LockQueue } from "../system/lock_queue.ts";

/** What {@linkcode MemorySessionStore} takes. */
export interface MemorySessionStoreOptions {
  /**
   * Tells the time, in ms since the epoch; a test passes its own.
   *
   * @default {Date.now}
   */
  readonly now?: (() => number) | undefined;
}

interface Entry {
  readonly bytes: Uint8Array;
  lastAccess: number;
}

/**
 * Keeps sessions in this process's memory, for tests and for a server that may
 * forget them: they end with the process, and no other one sees them.
 *
 * It keeps the same bytes as a directory does, so that what cannot be kept
 * there is refused here too, and nothing is shared with who saved or loaded.
 *
 * @example Testing without a directory
 * ```ts
 * import { MemorySessionStore } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const store = new MemorySessionStore();
 * const id = "0123456789abcdef";
 * await store.save(id, { data: { n: 1 }, createdAt: Date.now() });
 * await store.update(id, (record) => ({ ...record, data: { n: 2 } }));
 * assertEquals((await store.load(id))?.data, { n: 2 });
 * ```
 */
export class MemorySessionStore implements SessionStore {
  /** Every process has its own. */
  readonly isMultiprocessSafe = false;
  /** Every worker has its own. */
  readonly isThreadSafe = false;

  readonly #entries: Map<string, Entry> = new Map();
  readonly #locks: LockQueue = new LockQueue();
  readonly #now: () => number;

  /**
   * Makes an empty store.
   *
   * @param options See there.
   */
  constructor(options: MemorySessionStoreOptions = {}) {
    const { now = Date.now } = options;
    this.#now = now;
  }

  /** There is nothing to set up. */
  setup(): Promise<void> {
    return Promise.resolve();
  }

  /** See {@linkcode SessionStore.load}. */
  load(
    id: string,
    options: LoadOptions = {},
  ): Promise<SessionRecord | undefined> {
    return this.#step(options, (now) => {
      const { touch } = options;
      const record = this.#find(id, now);
      if (record === undefined) return undefined;
      const entry = this.#entries.get(id)!;
      if (touch?.(record, entry.lastAccess)) entry.lastAccess = now;
      return record;
    });
  }

  /** See {@linkcode SessionStore.save}. */
  save(
    id: string,
    record: SessionRecord,
    options: StoreOptions = {},
  ): Promise<void> {
    return this.#step(options, (now) => {
      checkSessionId(id);
      this.#put(id, encodeRecord(id, record), now);
    });
  }

  /** See {@linkcode SessionStore.create}. */
  create(
    id: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<boolean> {
    return this.#step(options, (now) => {
      const { lastAccess } = options;
      checkSessionId(id);
      checkLastAccess(lastAccess);
      const bytes = encodeRecord(id, record);
      const isTaken = this.#find(id, now) !== undefined;
      if (!isTaken) this.#put(id, bytes, lastAccess ?? now);
      return !isTaken;
    });
  }

  /** See {@linkcode SessionStore.update}. */
  update(
    id: string,
    change: RecordChange,
    options: UpdateOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    return this.#step(options, (now) => {
      const { lastAccess = now } = options;
      checkLastAccess(lastAccess);
      const record = this.#find(id, now);
      if (record === undefined) return undefined;
      const changed = change(record);
      if (changed === KEEP) return record;
      if (changed === undefined) this.#entries.delete(id);
      else this.#put(id, encodeRecord(id, changed), lastAccess);
      return changed ?? null;
    });
  }

  /** See {@linkcode SessionStore.touch}. */
  async touch(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal, touch: () => true }) !== undefined;
  }

  /** See {@linkcode SessionStore.delete}. */
  delete(id: string, options: StoreOptions = {}): Promise<boolean> {
    return this.#step(options, (now) => {
      const isLive = this.#find(id, now) !== undefined;
      this.#entries.delete(id);
      return isLive;
    });
  }

  /** See {@linkcode SessionStore.has}. */
  async has(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal }) !== undefined;
  }

  /** See {@linkcode SessionStore.entries}. */
  async *entries(
    options: EntriesOptions = {},
  ): AsyncGenerator<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  > {
    const { signal, user } = options;
    signal?.throwIfAborted();
    const tag = user === undefined ? undefined : userTag(user);
    let lastAccess = 0;
    const touch = (_record: SessionRecord, accessedAt: number) => {
      lastAccess = accessedAt;
      return false;
    };
    for (const [id, { bytes }] of this.#entries) {
      if (tag !== undefined && hasOtherTag(id, bytes, tag)) continue;
      const record = await this.load(id, { signal, touch });
      const isWanted = user === undefined || record?.user === user;
      if (record !== undefined && isWanted) yield [id, record, lastAccess];
    }
  }

  /** See {@linkcode SessionStore.deleteOldSessions}. */
  deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    return this.#step(options, (now) => {
      const { dryRun = false, grace = 0, onProgress } = options;
      const isDue = cleanupRule(minutes, grace);
      const count = { deleted: 0, remaining: 0, orphans: 0 };
      for (const [id, { bytes, lastAccess }] of this.#entries) {
        const record = decodeRecord(id, bytes) as SessionRecord;
        if (isDue(record, lastAccess, now)) {
          if (!dryRun) this.#entries.delete(id);
          count.deleted++;
        } else {
          count.remaining++;
        }
      }
      onProgress?.({ ...count });
      return count;
    });
  }

  /** See {@linkcode SessionStore.lock}. It waits for five seconds at most. */
  lock(id: string, options: LockOptions = {}): Promise<AsyncDisposable> {
    return this.#locks.lock(id, options);
  }

  #find(id: string, now: number): SessionRecord | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const record = decodeRecord(id, entry.bytes) as SessionRecord;
    return isExpired(record, entry.lastAccess, now) ? undefined : record;
  }

  #put(id: string, bytes: Uint8Array, now: number): void {
    this.#entries.set(id, { bytes, lastAccess: now });
  }

  /** One step: nothing else of this process runs in between. */
  #step<T>(
    { signal }: StoreOptions,
    step: (now: number) => T,
  ): Promise<T> {
    return Promise.try(() => {
      signal?.throwIfAborted();
      return step(this.#now());
    });
  }
}
