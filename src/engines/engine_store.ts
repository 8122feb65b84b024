/*
 * The contract of a store, on any engine that can replace a row on condition
 * that it is still the one that was read (compare and set). The row's revision
 * is what is compared; a touch leaves it, so that no commit fails by a touch.
 *
 *   load     read, judge; if due, touch what was read
 *   save     replace what was read, or nothing
 *   create   replace nothing, or the row of an expired session
 *   update   read, change, replace what was read
 *   delete   remove, judge what was removed
 *
 * An operation that finds another row in the place reads that row and decides
 * anew. So no change is lost, a deleted session stays deleted, and there is no
 * lock that a crashed process could leave behind. The flows of one process take
 * turns at a session, so that they do not fail each other; when another process
 * was first, an operation waits a random time.
 *
 * A request loads its session and, mostly, updates it a moment later. So a
 * load leaves the row it read for the update, which then needs one round trip:
 * a row that is no longer current is refused like any other, and read again. An
 * engine in this process answers at once: to read again costs little, and
 * between its answers no other flow runs, so it needs no turns either.
 *
 * Whether a session has expired is decided here, by the clock of this process,
 * as it was before the engine was asked: while the answer is on its way, another
 * process may touch the session. What an engine deletes by itself only makes
 * room.
 */
import { userTag } from "../core/codec.ts";
import {
  SessionFormatError,
  SessionStoreError,
  SessionUnreadableError,
} from "../core/errors.ts";
import {
  checkLastAccess,
  cleanupRule,
  expiryOf,
  fromJson,
  isExpired,
  type SessionRecord,
  toJson,
  type Unusable,
} from "../core/record.ts";
import {
  type CleanupOptions,
  type CleanupResult,
  type CreateOptions,
  type EntriesOptions,
  KEEP,
  type LoadOptions,
  type RecordChange,
  type SessionStore,
  type StoreOptions,
  type StoreWarning,
  type UpdateOptions,
} from "../core/store.ts";
import { checkSessionId, createSessionId, isSessionId } from "../core/token.ts";
import { Warnings } from "../core/warnings.ts";
import {
  Conflicts,
  eachUntilAborted,
  untilAborted,
} from "../system/waiting.ts";
import { LockQueue } from "../system/lock_queue.ts";
import { cleanByIndex, cleanByScan } from "./engine_cleanup.ts";
import {
  type EngineRow,
  makeNumber,
  type NewEngineRow,
  type SessionEngine,
} from "./session_engine.ts";

/** How long a change takes at most to reach the engine, in ms. */
const LONGEST_CHANGE = 60 * 1000;
const MOST_ROWS = 1_000;
const MOST_CHARACTERS = 4 * 1024 * 1024;
const MS_PER_MINUTE = 60 * 1000;

/** Returns the engine of a store, for an inspection. */
export let engineOf: (store: EngineSessionStore) => SessionEngine;

/** What every store on an engine takes. */
export interface EngineStoreOptions {
  /**
   * Tells the time, in ms since the epoch; a test passes its own.
   *
   * @default {Date.now}
   */
  readonly now?: (() => number) | undefined;
  /**
   * Called with each problem that failed no answer: a record of a later version,
   * a last access that could not be written.
   *
   * @default {console.warn} of its message
   */
  readonly onWarning?: ((warning: StoreWarning) => void) | undefined;
}

/**
 * Keeps sessions in an engine: what `SqliteSessionStore` and the other stores
 * have in common. A store on another engine extends this class and gives it a
 * {@linkcode SessionEngine}.
 */
export abstract class EngineSessionStore implements SessionStore {
  abstract readonly isMultiprocessSafe: boolean;
  abstract readonly isThreadSafe: boolean;

  static {
    engineOf = (store) => store.#engine;
  }

  readonly #engine: SessionEngine;
  readonly #now: () => number;
  readonly #turns: LockQueue = new LockQueue();
  readonly #recent: RecentReads = new RecentReads();
  readonly #warnings: Warnings;
  #setup: Promise<void> | undefined;
  #check: Promise<void> | undefined;
  #isSetUp = false;
  /** Whether the last read was answered by a promise. */
  #isRemote = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param engine Where the sessions are.
   * @param options The clock, and where warnings go.
   */
  constructor(engine: SessionEngine, options: EngineStoreOptions = {}) {
    const { now = Date.now, onWarning } = options;
    this.#engine = engine;
    this.#now = now;
    this.#warnings = new Warnings(onWarning);
  }

  /**
   * Creates what the engine needs: tables and the like. Idempotent, and the
   * first operation does it by itself. After a failure it can be tried again.
   */
  setup(): Promise<void> {
    this.#setup ??= Promise.try(() =>
      this.#engine.setup((warning) => this.#warnings.tell(warning))
    ).then(() => {
      this.#isSetUp = true;
    }).catch((error) => {
      this.#setup = undefined;
      throw error;
    });
    return this.#setup;
  }

  async load(
    id: string,
    options: LoadOptions = {},
  ): Promise<SessionRecord | undefined> {
    const { signal, touch, mustBeReadable, onExpired } = options;
    signal?.throwIfAborted();
    if (!isSessionId(id)) return undefined;
    if (!this.#isSetUp) await this.#waitForSetup(signal);
    const conflicts = new Conflicts(id, signal);
    for (let isFirst = true;; isFirst = false) {
      const now = this.#now();
      const reading = this.#read(id, signal);
      const row = reading instanceof Promise ? await reading : reading;
      const record = readRow(row, now);
      if (typeof record === "string") {
        this.#reportUnusable(id, record);
        if (mustBeReadable) throw new SessionUnreadableError(id);
        return undefined;
      }
      if (record === undefined) {
        if (row !== undefined) onExpired?.();
        if (await this.#removeExpired(id, row, now, signal)) return undefined;
        await conflicts.wait();
        continue;
      }
      if (!touch?.(record, row!.lastAccess) || this.#engine.isBusy) {
        if (this.#isRemote) this.#recent.add(id, row!);
        return record;
      }
      // The row may have been written after `now`, and have expired since.
      const lastAccess = this.#now();
      if (isExpired(record, row!.lastAccess, lastAccess)) continue;
      const access = { lastAccess, expiry: expiryOf(record, lastAccess) };
      let isTouched: boolean;
      try {
        const touching = this.#engine.touch(id, access, row!);
        isTouched = await untilAborted(touching, signal);
      } catch (error) {
        signal?.throwIfAborted();
        this.#warnings.unwritten(`mark session ${id} accessed`, error, {
          sessionId: id,
        });
        return record;
      }
      if (isTouched) {
        if (this.#isRemote) this.#recent.add(id, { ...row!, lastAccess });
        return record;
      }
      // Refused twice: others access it, or it has ended by another clock. The
      // answer does not need it.
      if (!isFirst) return record;
      await conflicts.wait();
    }
  }

  async save(
    id: string,
    record: SessionRecord,
    options: StoreOptions = {},
  ): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkSessionId(id);
    const row = makeRow(record, this.#now());
    if (!this.#isSetUp) await this.#waitForSetup(signal);
    const conflicts = new Conflicts(id, signal);
    for (;;) {
      const before = await this.#read(id, signal);
      refuseNewer(id, before);
      const next = { ...row, revision: makeNumber() };
      const isSaved = this.#engine.replace(id, next, before);
      if (await untilAborted(isSaved, signal)) return;
      await conflicts.wait();
    }
  }

  async create(
    id: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<boolean> {
    const { signal, lastAccess } = options;
    signal?.throwIfAborted();
    checkSessionId(id);
    checkLastAccess(lastAccess);
    const row = makeRow(record, lastAccess ?? this.#now());
    if (!this.#isSetUp) await this.#waitForSetup(signal);
    const conflicts = new Conflicts(id, signal);
    let before: EngineRow | undefined;
    for (;;) {
      const next = { ...row, revision: makeNumber() };
      const isCreated = this.#engine.replace(id, next, before);
      if (await untilAborted(isCreated, signal)) return true;
      const now = this.#now();
      before = await this.#read(id, signal);
      refuseNewer(id, before);
      if (typeof readRow(before, now) === "object") return false;
      const isRemoved = this.#removeExpired(id, before, now, signal);
      if (!await isRemoved) before = undefined;
      await conflicts.wait();
    }
  }

  /**
   * Reads, changes and replaces as one step; see
   * {@linkcode SessionStore.update}. When the session has changed or expired
   * since this store loaded it, `change` may first be called with the record as
   * it was loaded; the result of that call is dropped.
   *
   * @param id The session ID, as it came.
   * @param change Returns the new record, `undefined` to delete the session, or
   * {@linkcode KEEP}.
   * @param options When the session was last accessed, and a signal.
   * @returns The record kept; `null` when this call deleted the session;
   * `undefined` when there is none.
   * @throws {TypeError} If the new record cannot be kept, or `lastAccess` is
   * not a number.
   * @throws {RangeError} If `lastAccess` is not a whole number from 0 up.
   * @throws {SessionLockTimeoutError} If other processes change the session so
   * often that it cannot be changed within five seconds.
   */
  async update(
    id: string,
    change: RecordChange,
    options: UpdateOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    const { signal, lastAccess } = options;
    signal?.throwIfAborted();
    if (lastAccess !== "unchanged") checkLastAccess(lastAccess);
    if (!isSessionId(id)) return undefined;
    if (!this.#isSetUp) await this.#waitForSetup(signal);
    await using _turn = this.#isRemote
      ? await this.#turns.lock(id, { signal })
      : undefined;
    const conflicts = new Conflicts(id, signal);
    const isAccess = lastAccess !== "unchanged";
    let recent = this.#recent.take(id);
    if (!isAccess) recent = undefined;
    for (;; recent = undefined) {
      const now = this.#now();
      const reading = recent ?? this.#read(id, signal);
      const row = reading instanceof Promise ? await reading : reading;
      const record = readRow(row, now);
      // Only what was read just now is known to be current.
      const isCurrent = recent === undefined;
      if (typeof record === "string") {
        this.#reportUnusable(id, record);
        return undefined;
      }
      if (record === undefined) {
        if (!isCurrent) continue;
        if (await this.#removeExpired(id, row, now, signal)) return undefined;
        await conflicts.wait();
        continue;
      }
      let changed: ReturnType<RecordChange>;
      let next: NewEngineRow | undefined;
      try {
        changed = change(record);
        if (changed !== undefined && changed !== KEEP) {
          const accessedAt = isAccess
            ? lastAccess ?? this.#now()
            : row!.lastAccess;
          next = makeRow(changed, accessedAt);
        }
      } catch (error) {
        if (isCurrent) throw error;
        continue;
      }
      if (changed === KEEP) {
        if (isCurrent) return record;
        continue;
      }
      const isDone = next === undefined
        ? this.#engine.remove(id, row, makeNumber())
        : this.#engine.replace(id, next, row, !isAccess);
      if (await untilAborted<unknown>(isDone, signal)) return changed ?? null;
      if (isCurrent) await conflicts.wait();
    }
  }

  async touch(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal, touch: () => true }) !== undefined;
  }

  async delete(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (!isSessionId(id)) return false;
    if (!this.#isSetUp) await this.#waitForSetup(signal);
    const now = this.#now();
    const removing = this.#engine.remove(id, undefined, makeNumber());
    const removed = await untilAborted(removing, signal);
    const record = readRow(removed, now);
    return record !== undefined && record !== "unreadable";
  }

  async has(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal }) !== undefined;
  }

  /**
   * Streams the live sessions, one at a time, in no order; see
   * {@linkcode SessionStore.entries}. An index finds the sessions of a user.
   *
   * @param options Whose sessions, and a signal.
   */
  async *entries(
    options: EntriesOptions = {},
  ): AsyncGenerator<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  > {
    const { signal, user } = options;
    signal?.throwIfAborted();
    if (!this.#isSetUp) await this.#waitForSetup(signal);
    const tag = user === undefined ? undefined : userTag(user);
    const rows = eachUntilAborted(this.#engine.rows(tag), signal);
    for await (const [id, row] of rows) {
      const record = readRow(row, this.#now());
      if (typeof record !== "object") continue;
      const isWanted = user === undefined || record.user === user;
      if (isWanted) yield [id, record, row.lastAccess];
    }
  }

  async deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    const { signal, grace = 0 } = options;
    const rule = cleanupRule(minutes, grace);
    signal?.throwIfAborted();
    if (!this.#isSetUp) await this.#waitForSetup(signal);
    const now = this.#now();
    const { cleaner } = this.#engine;
    if (cleaner === undefined) {
      const isOld = (record: SessionRecord, lastAccess: number) =>
        rule(record, lastAccess, now);
      return await cleanByScan(this.#engine, isOld, options);
    }
    const expiredAt = now - grace;
    const unusedSince = expiredAt - minutes * MS_PER_MINUTE;
    const old = { expiredAt, unusedSince };
    return await cleanByIndex(cleaner, old, options, this.#warnings);
  }

  /**
   * Reads, writes and removes a row that no session has, for
   * {@linkcode SessionStore.check}.
   *
   * @param options A signal, which ends the wait; later calls then try anew.
   * @throws {SessionStoreError} If the engine cannot.
   */
  async check(options: StoreOptions = {}): Promise<void> {
    const { signal } = options;
    const check = this.#check ??= this.#try();
    try {
      await untilAborted(check, signal);
    } finally {
      // It may never be answered, although the engine answers by now.
      if (this.#check === check) this.#check = undefined;
      if (!this.#isSetUp) this.#setup = undefined;
    }
  }

  async #try(): Promise<void> {
    const now = this.#now();
    const id = `check-${createSessionId()}`;
    try {
      await this.setup();
      await this.#engine.read(id);
    } catch (error) {
      if (error instanceof SessionStoreError) throw error;
      throw new SessionStoreError("read", error);
    }
    try {
      // One that no listing shows, should it stay.
      const row = makeRow({ data: {}, createdAt: now, expiresAt: now }, now);
      await this.#engine.replace(id, row, undefined);
      await this.#engine.remove(id, undefined, makeNumber());
    } catch (error) {
      throw new SessionStoreError("write", error);
    }
  }

  #read(
    id: string,
    signal: AbortSignal | undefined,
  ): Promise<EngineRow | undefined> | EngineRow | undefined {
    const reading = untilAborted(this.#engine.read(id), signal);
    this.#isRemote = reading instanceof Promise;
    return reading;
  }

  /** Sets up; a call that gives up lets later ones try anew. */
  async #waitForSetup(signal: AbortSignal | undefined): Promise<void> {
    try {
      await untilAborted(this.setup(), signal);
    } finally {
      if (!this.#isSetUp) this.#setup = undefined;
    }
  }

  #reportUnusable(id: string, type: Unusable): void {
    const what = type === "newer" ? "is of a later version" : "is unreadable";
    const message = `Ignoring session ${id}: it ${what}`;
    this.#warnings.tell({ type, sessionId: id, message });
  }

  /**
   * Removes an expired session before a caller is told that there is none: a
   * change that another process has begun before the expiry would revive it. One
   * that expired over a minute ago is left to the cleanup.
   *
   * @param row What was read, if anything; not a live session.
   * @returns `false` when the row is no longer what was read.
   */
  async #removeExpired(
    id: string,
    row: EngineRow | undefined,
    now: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const record = row && fromJson(row.json);
    if (typeof record !== "object" || this.#engine.isBusy) return true;
    const expiry = expiryOf(record, row!.lastAccess);
    if (expiry === null || now - expiry > LONGEST_CHANGE) return true;
    try {
      const removing = this.#engine.remove(id, row, makeNumber());
      return await untilAborted(removing, signal) !== undefined;
    } catch (error) {
      signal?.throwIfAborted();
      this.#warnings.unwritten(
        `remove session ${id}, which has expired`,
        error,
        {
          sessionId: id,
        },
      );
      return true;
    }
  }
}

/** Returns the record of a row, if there is one that has not expired. */
function readRow(
  row: EngineRow | undefined,
  now: number,
): SessionRecord | Unusable | undefined {
  if (row === undefined) return undefined;
  const record = fromJson(row.json);
  if (typeof record === "string") return record;
  return isExpired(record, row.lastAccess, now) ? undefined : record;
}

/** Throws if a row is of a later format. */
function refuseNewer(id: string, row: EngineRow | undefined): void {
  if (row === undefined || fromJson(row.json) !== "newer") return;
  throw new SessionFormatError(id);
}

/** Makes the row of a record; throws when the record cannot be kept. */
function makeRow(record: SessionRecord, lastAccess: number): NewEngineRow {
  const json = toJson(record);
  return {
    json,
    revision: makeNumber(),
    lastAccess,
    expiry: expiryOf(record, lastAccess),
    expiresAt: record.expiresAt ?? null,
    tag: record.user === undefined ? null : userTag(record.user),
  };
}

/** The rows that were read last, each for the one update that follows. */
export class RecentReads {
  readonly #rows: Map<string, EngineRow> = new Map();
  #characters = 0;

  /** Adds a row, and drops the oldest where there are too many. */
  add(id: string, row: EngineRow): void {
    this.take(id);
    this.#rows.set(id, row);
    this.#characters += row.json.length;
    while (
      this.#rows.size > MOST_ROWS || this.#characters > MOST_CHARACTERS
    ) {
      const [oldest] = this.#rows.keys();
      this.take(oldest!);
    }
  }

  /** Returns the row of a session, if it is still there, and drops it. */
  take(id: string): EngineRow | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return undefined;
    this.#rows.delete(id);
    this.#characters -= row.json.length;
    return row;
  }
}
