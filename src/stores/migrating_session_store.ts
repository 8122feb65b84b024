/*
 * Sessions move from one store to another while both are in use. Where a
 * session is, is decided by the new store alone:
 *
 *   new store has    the session is
 *   a record         there, whatever the old one has
 *   a gravestone     deleted, whatever the old one has
 *   nothing          in the old store, if that has it
 *
 * To move one: read it from the old store, create it in the new one with its
 * last access, delete it from the old. Whoever is killed in between has done no
 * harm: the next who moves it finds it created, and deletes the rest. Whoever
 * is slow, and creates what has been deleted meanwhile, finds the gravestone;
 * it lies there until what he has in hand would be over in any case.
 *
 * Reading takes what the old store has and moves nothing; what writes moves the
 * session first, a touch that is due among them. So nobody ever writes the old
 * store, but to delete.
 *
 * Not promised: anything to who uses the old store by itself meanwhile.
 */
import { endOf, type SessionRecord } from "../core/record.ts";
import { fromJson, toJson } from "../core/record_json.ts";
import type {
  CleanupOptions,
  CleanupResult,
  CreateOptions,
  EntriesOptions,
  LoadOptions,
  SessionStore,
  StoreOptions,
} from "../core/store.ts";
import { checkSessionId } from "../core/token.ts";
import { findSession, moveSession } from "./move_session.ts";

const DAY = 24 * 60 * 60 * 1000;
/** In the place of a hash, so that no cookie opens it; no hash is so short. */
const DELETED = "deleted";

/** Reports that there is a gravestone for a session, or the reverse. */
class OtherKindError extends Error {}

/**
 * Serves sessions while they move from one store to another: to change the
 * store without logging anybody out. All servers change to it at once; then
 * `migrateSessions` moves what nobody uses; then the new store can be used by
 * itself. What ended meanwhile leaves a record there that opens nothing, for
 * as long as the session could have lived, a day at least.
 *
 * A load costs one of each store, what writes one more of the old.
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
    let found = await this.#loadMoved(id, options);
    if (found === undefined && old !== undefined) {
      if (!touch?.(old.record, old.lastAccess)) return old.record;
      await moveSession(this.#from, this.#to, id, { signal });
      found = await this.#loadMoved(id, options);
    }
    return found !== undefined && isGravestone(found) ? undefined : found;
  }

  /** See {@linkcode SessionStore.save}. */
  async save(
    id: string,
    record: SessionRecord,
    options: StoreOptions = {},
  ): Promise<void> {
    await this.#to.save(id, record, options);
    await this.#from.delete(id, options);
  }

  /**
   * See {@linkcode SessionStore.create}. Where a session was deleted a moment
   * ago, a new one counts as accessed now, whatever `lastAccess` says.
   */
  async create(
    id: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<boolean> {
    checkSessionId(id);
    // As it is now: whoever gave it may change it while the session moves.
    const copy = fromJson(toJson(record))!;
    await moveSession(this.#from, this.#to, id, options);
    for (;;) {
      if (await this.#to.create(id, copy, options)) return true;
      const kept = await this.#change(id, "gravestone", () => copy, options);
      if (kept !== undefined) return kept !== "other";
    }
  }

  /** See {@linkcode SessionStore.update}. */
  async update(
    id: string,
    change: (record: SessionRecord) => SessionRecord | undefined,
    options: StoreOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    await moveSession(this.#from, this.#to, id, options);
    const kept = await this.#change(
      id,
      "session",
      (record) => {
        const changed = change(record);
        return changed === undefined ? this.#gravestoneOf(record) : changed;
      },
      options,
    );
    if (typeof kept !== "object") return undefined;
    return isGravestone(kept) ? null : kept;
  }

  /** See {@linkcode SessionStore.touch}. */
  async touch(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal, touch: () => true }) !== undefined;
  }

  /** See {@linkcode SessionStore.delete}. */
  async delete(id: string, options: StoreOptions = {}): Promise<boolean> {
    await moveSession(this.#from, this.#to, id, options);
    const gravestone = await this.#change(
      id,
      "session",
      (record) => this.#gravestoneOf(record),
      options,
    );
    return typeof gravestone === "object";
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
      if (await this.#to.has(id, { signal })) continue;
      shown.add(id);
      yield entry;
    }
    for await (const entry of this.#to.entries(options)) {
      const [id, record] = entry;
      if (!shown.has(id) && !isGravestone(record)) yield entry;
    }
  }

  /** See {@linkcode SessionStore.deleteOldSessions}. It cleans both stores. */
  async deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    const { onProgress } = options;
    const old = await this.#from.deleteOldSessions(minutes, options);
    const moved = await this.#to.deleteOldSessions(minutes, {
      ...options,
      onProgress: onProgress && ((soFar) => onProgress(sum(old, soFar))),
    });
    return sum(old, moved);
  }

  /** Loads from the new store, and never marks a gravestone accessed. */
  #loadMoved(
    id: string,
    { signal, touch }: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    return this.#to.load(id, {
      signal,
      touch: touch &&
        ((record, lastAccess) =>
          !isGravestone(record) && touch(record, lastAccess)),
    });
  }

  /** Changes what is in the new store, if it is of the kind. */
  async #change(
    id: string,
    kind: "session" | "gravestone",
    change: (record: SessionRecord) => SessionRecord,
    { signal }: StoreOptions,
  ): Promise<SessionRecord | "other" | undefined> {
    try {
      const kept = await this.#to.update(id, (record) => {
        const isIt = isGravestone(record) === (kind === "gravestone");
        // Thrown, since whatever is returned would be written.
        if (!isIt) throw new OtherKindError();
        return change(record);
      }, { signal });
      return kept ?? undefined;
    } catch (error) {
      if (error instanceof OtherKindError) return "other";
      throw error;
    }
  }

  #gravestoneOf(record: SessionRecord): SessionRecord {
    const now = this.#now();
    const end = endOf(record, now) ?? 0;
    return {
      data: {},
      createdAt: now,
      expiresAt: Math.max(end, now + DAY),
      secretHash: DELETED,
    };
  }
}

function isGravestone({ secretHash }: SessionRecord): boolean {
  return secretHash === DELETED;
}

function sum(one: CleanupResult, other: CleanupResult): CleanupResult {
  return {
    deleted: one.deleted + other.deleted,
    remaining: one.remaining + other.remaining,
    remnants: one.remnants + other.remnants,
  };
}
