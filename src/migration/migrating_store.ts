/*
 * How a session moves, and what a placeholder is, `move_session.ts` says. Here:
 *
 *   reading   takes what the new store has, or else what the old one had before
 *   writing   moves the session first, a touch that is due among them
 *
 * Nobody ever writes the old store, but to delete what has moved or is over.
 *
 * Not promised: anything to who uses either store by itself meanwhile.
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
  findSession,
  isPlaceholder,
  moveSession,
} from "./move_session.ts";

/**
 * Serves sessions while they move from one store to another: to change the
 * store without logging anybody out. All servers change to it at once; then
 * `migrateSessions` moves what nobody uses; then the new store can be used by
 * itself. Whoever is killed while he moves a session may leave a record there
 * that opens nothing, for an hour.
 *
 * A load costs one of each store, and so does what writes, beside the writing;
 * the first time that somebody writes a session, it is moved.
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
  /** Whether both stores say so. */
  readonly isMultiprocessSafe: boolean;
  /** Whether both stores say so. */
  readonly isThreadSafe: boolean;
  /** See {@linkcode SessionStore.lock}: the new store's, if it has locks. */
  readonly lock?: NonNullable<SessionStore["lock"]>;

  readonly #from: SessionStore;
  readonly #to: SessionStore;
  readonly #now: () => number;

  /**
   * Makes a store; it does no I/O.
   *
   * @param from The old one.
   * @param to The new one.
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
    // The old one first: what it had was the session if the new one has
    // nothing even afterwards.
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
    for (;;) {
      if (await this.#to.create(id, copy, options)) return true;
      const kept = await changeIf(
        isPlaceholder,
        this.#to,
        id,
        () => copy,
        options,
      );
      if (kept !== undefined) return kept !== "other";
    }
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
   * See {@linkcode SessionStore.entries}. It remembers the IDs of those that
   * have not moved yet, so as to show none twice.
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
   * old session that has no lifetime is moved, to be deleted there.
   */
  async deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    const { dryRun = false, grace = 0, onProgress, signal } = options;
    const isDue = cleanupRule(minutes, grace);
    // One that is not over by itself could be on its way.
    const unused = dryRun ? minutes : Infinity;
    const old = { ...await this.#from.deleteOldSessions(unused, options) };
    if (!dryRun) {
      for await (
        const [id, record, lastAccess] of this.#from.entries({ signal })
      ) {
        if (!isDue(record, lastAccess, this.#now())) continue;
        if (await moveSession(this.#from, this.#to, id, options)) {
          old.remaining--;
        }
      }
    }
    const moved = await this.#to.deleteOldSessions(minutes, {
      ...options,
      onProgress: onProgress && ((soFar) => onProgress(sum(old, soFar))),
    });
    return sum(old, moved);
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

/** As it is now: whoever gave it may change it while the session moves. */
function copyOf(id: string, record: SessionRecord): SessionRecord {
  checkSessionId(id);
  return fromJson(toJson(record))!;
}

function sum(one: CleanupResult, other: CleanupResult): CleanupResult {
  return {
    deleted: one.deleted + other.deleted,
    remaining: one.remaining + other.remaining,
    orphans: one.orphans + other.orphans,
  };
}
