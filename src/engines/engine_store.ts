/*
 * The contract of a store on any engine that can replace a row on condition
 * that it still is the one that was read (compare and set). The revision of
 * a row is what is compared; a touch leaves it, so that it stops no commit.
 *
 *   load     read, judge; if due, touch what was read
 *   save     write
 *   create   replace nothing, or the row of a session that is over
 *   update   read, change, replace what was read
 *   delete   remove, judge what was removed
 *
 * Whoever finds that the row is another by now reads it and decides anew. So
 * nothing is lost to anybody, what was deleted stays deleted, and no lock is
 * held that a process could take to its grave. The flows of one process stand
 * in line for a session, so that they do not fail each other; against other
 * processes whoever failed waits a random while.
 *
 * A request loads its session and, mostly, updates it a moment later. So a
 * load leaves the row it read for the update, which then needs one round trip:
 * a row that is no longer current is refused like any other, and then read. An
 * engine in this process, which answers at once, is as quickly read again.
 *
 * Whether a session is over is decided here and by this process's clock, as it
 * was before the engine was asked: while the answer is on its way, somebody may
 * touch the session. One that is over is removed before anybody is told so, see
 * end_row.ts. What an engine deletes by itself only makes room.
 */
import { userTag } from "../core/codec.ts";
import {
  checkLastAccess,
  cleanupRule,
  expiryOf,
  fromJson,
  isExpired,
  type SessionRecord,
  toJson,
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
  type UpdateOptions,
} from "../core/store.ts";
import { checkSessionId, isSessionId } from "../core/token.ts";
import { Conflicts } from "../system/conflicts.ts";
import { LockQueue } from "../system/lock_queue.ts";
import { eachUntilAborted, untilAborted } from "../system/until_aborted.ts";
import { cleanEngine } from "./engine_cleanup.ts";
import type {
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "./session_engine.ts";

/** What every store on an engine takes. */
export interface EngineStoreOptions {
  /**
   * Tells the time, in ms since the epoch; a test passes its own.
   *
   * @default {Date.now}
   */
  readonly now?: (() => number) | undefined;
}

/**
 * Keeps sessions in an engine: what `SqliteSessionStore` and the others have
 * in common. Who has another engine extends it, and gives it a
 * {@linkcode SessionEngine}.
 */
export abstract class EngineSessionStore implements SessionStore {
  /** See {@linkcode SessionStore.isMultiprocessSafe}. */
  abstract readonly isMultiprocessSafe: boolean;
  /** See {@linkcode SessionStore.isThreadSafe}. */
  abstract readonly isThreadSafe: boolean;

  readonly #engine: SessionEngine;
  readonly #now: () => number;
  readonly #turns: LockQueue = new LockQueue();
  readonly #recent: RecentReads = new RecentReads();
  #setup: Promise<void> | undefined;
  #isSetUp = false;

  /**
   * Opens nothing; the first operation does.
   *
   * @param engine Where the sessions are.
   * @param options See there.
   */
  constructor(engine: SessionEngine, options: EngineStoreOptions = {}) {
    const { now = Date.now } = options;
    this.#engine = engine;
    this.#now = now;
  }

  /** See {@linkcode SessionStore.setup}. After a failure it can be tried again. */
  setup(): Promise<void> {
    this.#setup ??= Promise.try(() => this.#engine.setup()).then(() => {
      this.#isSetUp = true;
    }).catch((error) => {
      this.#setup = undefined;
      throw error;
    });
    return this.#setup;
  }

  /** See {@linkcode SessionStore.load}. */
  async load(
    id: string,
    options: LoadOptions = {},
  ): Promise<SessionRecord | undefined> {
    const { signal, touch } = options;
    signal?.throwIfAborted();
    if (!isSessionId(id)) return undefined;
    if (!this.#isSetUp) await this.setup();
    const conflicts = new Conflicts(id, signal);
    for (;;) {
      const now = this.#now();
      const reading = untilAborted(this.#engine.read(id), signal);
      const isFar = reading instanceof Promise;
      const row = isFar ? await reading : reading;
      const record = readRow(row, now);
      if (record === undefined) {
        const ended = endRow(this.#engine, id, row, now);
        if (await untilAborted(ended, signal)) return undefined;
        await conflicts.wait();
        continue;
      }
      if (!touch?.(record, row!.lastAccess)) {
        if (isFar) this.#recent.add(id, row!);
        return record;
      }
      // What was read may be later than what was the present before.
      const lastAccess = this.#now();
      const access = { lastAccess, endsAt: expiryOf(record, lastAccess) };
      const touched = this.#engine.touch(id, access, row!);
      if (await untilAborted(touched, signal)) {
        if (isFar) this.#recent.add(id, { ...row!, lastAccess });
        return record;
      }
      await conflicts.wait();
    }
  }

  /** See {@linkcode SessionStore.save}. */
  async save(
    id: string,
    record: SessionRecord,
    options: StoreOptions = {},
  ): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkSessionId(id);
    const row = makeRow(record, this.#now());
    if (!this.#isSetUp) await this.setup();
    await untilAborted(this.#engine.write(id, row), signal);
  }

  /** See {@linkcode SessionStore.create}. */
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
    if (!this.#isSetUp) await this.setup();
    const conflicts = new Conflicts(id, signal);
    let taken: EngineRow | undefined;
    for (;;) {
      const isDone = this.#engine.replace(id, row, taken);
      if (await untilAborted(isDone, signal)) return true;
      const now = this.#now();
      taken = await untilAborted(this.#engine.read(id), signal);
      if (readRow(taken, now) !== undefined) return false;
      const ended = endRow(this.#engine, id, taken, now);
      if (!await untilAborted(ended, signal)) taken = undefined;
      await conflicts.wait();
    }
  }

  /**
   * See {@linkcode SessionStore.update}. When somebody else has changed or
   * ended the session since this store loaded it, `change` is given the record
   * of then first, and nothing comes of that call.
   *
   * @throws {SessionLockTimeoutError} If others change the session so often
   * that it cannot be changed within five seconds.
   */
  async update(
    id: string,
    change: RecordChange,
    options: UpdateOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    const { signal, lastAccess } = options;
    signal?.throwIfAborted();
    checkLastAccess(lastAccess);
    if (!isSessionId(id)) return undefined;
    if (!this.#isSetUp) await this.setup();
    await using _turn = await this.#turns.lock(id, { signal });
    const conflicts = new Conflicts(id, signal);
    let guess = this.#recent.take(id);
    for (;;) {
      const now = this.#now();
      const row = guess ?? await untilAborted(this.#engine.read(id), signal);
      const record = readRow(row, now);
      let changed: ReturnType<RecordChange>;
      let next: NewEngineRow | undefined;
      try {
        if (record !== undefined) changed = change(record);
        const at = lastAccess ?? this.#now();
        if (changed !== undefined && changed !== KEEP) {
          next = makeRow(changed, at);
        }
      } catch (error) {
        if (guess === undefined) throw error;
        // It may be due to what is no longer so.
        guess = undefined;
        continue;
      }
      if (changed === KEEP) {
        // Only what was read just now is known to be what there is.
        if (guess === undefined) return record;
        guess = undefined;
        continue;
      }
      if (record !== undefined) {
        const isDone = next === undefined
          ? this.#removes(id, row!)
          : this.#engine.replace(id, next, row);
        if (await untilAborted(isDone, signal)) return changed ?? null;
      } else if (guess === undefined) {
        const ended = endRow(this.#engine, id, row, now);
        if (await untilAborted(ended, signal)) return undefined;
      }
      if (guess === undefined) await conflicts.wait();
      guess = undefined;
    }
  }

  /** See {@linkcode SessionStore.touch}. */
  async touch(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    return await this.load(id, { signal, touch: () => true }) !== undefined;
  }

  /** See {@linkcode SessionStore.delete}. */
  async delete(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (!isSessionId(id)) return false;
    if (!this.#isSetUp) await this.setup();
    const now = this.#now();
    const removed = await untilAborted(this.#engine.remove(id), signal);
    return readRow(removed, now) !== undefined;
  }

  /** See {@linkcode SessionStore.has}. */
  async has(id: string, options: StoreOptions = {}): Promise<boolean> {
    return await this.load(id, { signal: options.signal }) !== undefined;
  }

  /** See {@linkcode SessionStore.entries}. A user's are found by an index. */
  async *entries(
    options: EntriesOptions = {},
  ): AsyncGenerator<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  > {
    const { signal, user } = options;
    signal?.throwIfAborted();
    if (!this.#isSetUp) await this.setup();
    const tag = user === undefined ? undefined : userTag(user);
    const rows = eachUntilAborted(this.#engine.rows(tag), signal);
    for await (const [id, row] of rows) {
      const record = readRow(row, this.#now());
      const isWanted = user === undefined || record?.user === user;
      if (record !== undefined && isWanted) yield [id, record, row.lastAccess];
    }
  }

  /** See {@linkcode SessionStore.deleteOldSessions}. */
  async deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    const { signal, grace = 0 } = options;
    const isDue = cleanupRule(minutes, grace);
    signal?.throwIfAborted();
    if (!this.#isSetUp) await this.setup();
    const rule = { minutes, grace, isDue, now: this.#now() };
    return await cleanEngine(this.#engine, rule, options);
  }

  /** Removes a row that was read; tells whether it still was what it was. */
  async #removes(id: string, row: EngineRow): Promise<boolean> {
    return await this.#engine.remove(id, row) !== undefined;
  }
}

/** How late a change may reach the engine that was under way, in ms. */
const LATEST = 60 * 1000;

/**
 * Removes a session that is over, before anybody is told that it is: a change
 * that is under way since before would revive it. One that is over for a minute
 * is left to the cleaner, and what is no record to whoever writes one.
 *
 * @param engine Where it is.
 * @param id The session ID.
 * @param row What was read, if anything; no live session.
 * @param now In ms since the epoch.
 * @returns `false` when it is another by now.
 */
export async function endRow(
  engine: SessionEngine,
  id: string,
  row: EngineRow | undefined,
  now: number,
): Promise<boolean> {
  const record = row && fromJson(row.json);
  if (record === undefined) return true;
  const endsAt = expiryOf(record, row!.lastAccess);
  if (endsAt === null || now - endsAt > LATEST) return true;
  return await engine.remove(id, row) !== undefined;
}

const REVISIONS = 2 ** 53;

/**
 * Gives the record of a row.
 *
 * @param row What the engine has, if anything.
 * @param now In ms since the epoch.
 * @returns `undefined` when there is none, or it is over.
 */
export function readRow(
  row: EngineRow | undefined,
  now: number,
): SessionRecord | undefined {
  if (row === undefined) return undefined;
  const record = fromJson(row.json);
  if (record === undefined) return undefined;
  return isExpired(record, row.lastAccess, now) ? undefined : record;
}

/**
 * Makes the row of a record.
 *
 * @param record What to keep.
 * @param lastAccess When it is accessed, in ms since the epoch.
 * @throws {TypeError} If the record cannot be kept.
 */
export function makeRow(
  record: SessionRecord,
  lastAccess: number,
): NewEngineRow {
  const json = toJson(record);
  return {
    json,
    revision: Math.floor(Math.random() * REVISIONS),
    lastAccess,
    endsAt: expiryOf(record, lastAccess),
    expiresAt: record.expiresAt ?? null,
    tag: record.user === undefined ? null : userTag(record.user),
  };
}

const MOST_ROWS = 1_000;
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** The rows that were read last, each for the one update that follows. */
export class RecentReads {
  readonly #rows: Map<string, EngineRow> = new Map();
  #characters = 0;

  /** Keeps a row, and forgets the oldest where there are too many. */
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

  /** Gives the row of a session, if it is there still, and forgets it. */
  take(id: string): EngineRow | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return undefined;
    this.#rows.delete(id);
    this.#characters -= row.json.length;
    return row;
  }
}
