/*
 * The contract of a store on any engine that can replace a row on condition
 * that it still is the one that was read (compare and set). The version of a
 * row is what is compared; a touch leaves it, so that it stops no commit.
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
import {
  checkLastAccess,
  cleanupRule,
  expiryOf,
  type SessionRecord,
} from "../core/record.ts";
import { checkSessionId, isSessionId } from "../core/token.ts";
import { userTag } from "../core/codec.ts";
import { LockQueue } from "../system/lock_queue.ts";
import { cleanEngine } from "./engine_cleanup.ts";
import {
  Conflicts,
  eachUntilAborted,
  untilAborted,
} from "../system/waiting.ts";
import { endRow } from "./end_row.ts";
import { makeRow, readRow } from "./engine_row.ts";
import { RecentReads } from "./recent_reads.ts";
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
 *
 * @typeParam R What the engine knows of a session beside the least.
 */
export abstract class EngineSessionStore<R extends EngineRow = EngineRow>
  implements SessionStore {
  /** See {@linkcode SessionStore.isMultiprocessSafe}. */
  abstract readonly isMultiprocessSafe: boolean;
  /** See {@linkcode SessionStore.isThreadSafe}. */
  abstract readonly isThreadSafe: boolean;

  readonly #engine: SessionEngine<R>;
  readonly #now: () => number;
  readonly #turns: LockQueue = new LockQueue();
  readonly #recent: RecentReads<R> = new RecentReads();
  #setup: Promise<void> | undefined;
  #isSetUp = false;

  /**
   * Opens nothing; the first operation does.
   *
   * @param engine Where the sessions are.
   * @param options See there.
   */
  constructor(engine: SessionEngine<R>, options: EngineStoreOptions = {}) {
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
    let taken: R | undefined;
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
  async #removes(id: string, row: R): Promise<boolean> {
    return await this.#engine.remove(id, row) !== undefined;
  }
}
