import type { SessionRecord } from "./record.ts";

/** What {@linkcode SessionStore.update} is given to leave a record as it is. */
export const KEEP: unique symbol = Symbol("keep");

/**
 * What {@linkcode SessionStore.update} makes of a record: the new record,
 * `undefined` to delete the session, {@linkcode KEEP} to leave it as it is.
 */
export type RecordChange = (
  record: SessionRecord,
) => SessionRecord | undefined | typeof KEEP;

/**
 * What an acknowledged change survives: `"process"`, the death of any process;
 * `"power"`, also that of the machine, for the price of three `fsync`.
 */
export type Durability = "process" | "power";

/** What every operation of a store takes. */
export interface StoreOptions {
  /**
   * Ends the wait for a lock or an engine at once, with the signal's reason.
   * An operation that no longer waits is not interrupted.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
}

/** What {@linkcode SessionStore.load} takes. */
export interface LoadOptions extends StoreOptions {
  /**
   * Decides on what was read whether this load marks the session accessed, in
   * the same step: a wrong secret, or a touch that is not due, then prolongs
   * nothing. It is synchronous and may be called again.
   *
   * @default {undefined} a load that marks nothing
   */
  readonly touch?:
    | ((record: SessionRecord, lastAccess: number) => boolean)
    | undefined;
  /**
   * Whether what is there must be readable: where to take it for nothing would
   * open a session that was ended, as with a revocation that cannot be read.
   *
   * @default {false}
   */
  readonly mustBeReadable?: boolean | undefined;
  /**
   * Is called when there is no session because it has expired, for what counts
   * that apart; maybe more than once. What was cleaned up is not there to tell.
   *
   * @default {undefined}
   */
  readonly onExpired?: (() => void) | undefined;
}

/** What {@linkcode SessionStore.create} takes. */
export interface CreateOptions extends StoreOptions {
  /**
   * When the session was last accessed, in whole milliseconds since the epoch:
   * one that comes from another store is not accessed by that.
   *
   * @default {undefined} now
   */
  readonly lastAccess?: number | undefined;
}

/** What {@linkcode SessionStore.update} takes. */
export interface UpdateOptions extends StoreOptions {
  /**
   * When the session was last accessed, in whole milliseconds since the epoch,
   * where the record that `change` returns comes from another store;
   * `"unchanged"` for a change that is no access.
   *
   * @default {undefined} now
   */
  readonly lastAccess?: number | "unchanged" | undefined;
}

/** What {@linkcode SessionStore.entries} takes. */
export interface EntriesOptions extends StoreOptions {
  /**
   * Streams the sessions of this user only: those whose record has this text,
   * and no other, as its `user`. A store without an index looks at all.
   *
   * @default {undefined} all sessions, with and without a user
   */
  readonly user?: string | undefined;
}

/** What {@linkcode SessionStore.lock} takes. */
export interface LockOptions extends StoreOptions {
  /**
   * How long to wait for the lock, in milliseconds; 0 tries once.
   *
   * @default {undefined} as long as the store waits for anything
   */
  readonly timeout?: number | undefined;
}

/** The lock of a session, held; disposing frees it, once. */
export interface HeldLock extends AsyncDisposable {
  /**
   * Whether another caller may hold it too by now, because something else has
   * removed what the store locks: its file, in a directory that was emptied.
   * Missing where that cannot happen.
   */
  readonly isLost?: boolean;
}

/** What {@linkcode SessionStore.deleteOldSessions} takes. */
export interface CleanupOptions extends StoreOptions {
  /**
   * How much longer than its time a session is kept, in milliseconds: room
   * for a clock that differs from the one that wrote it.
   *
   * @default {0}
   */
  readonly grace?: number | undefined;
  /**
   * Counts what would be deleted, and deletes nothing.
   *
   * @default {false}
   */
  readonly dryRun?: boolean | undefined;
  /**
   * After how many seconds it stops, with what it has done.
   *
   * @default {Infinity}
   */
  readonly maxSeconds?: number | undefined;
  /**
   * After how many deleted sessions it stops.
   *
   * @default {Infinity}
   */
  readonly maxDeletes?: number | undefined;
  /**
   * Is told from time to time how far it has come.
   *
   * @default {undefined}
   */
  readonly onProgress?: ((soFar: CleanupResult) => void) | undefined;
}

/** What {@linkcode SessionStore.deleteOldSessions} did. */
export interface CleanupResult {
  /** How many sessions were deleted. */
  readonly deleted: number;
  /**
   * How many sessions remain, of those that it looked at; `NaN` if an engine
   * could not count them.
   */
  readonly remaining: number;
  /** How many other things were removed: what killed processes left. */
  readonly orphans: number;
  /** How many files were left because they may not be opened; missing for none. */
  readonly skipped?: number;
  /** Whether `maxSeconds` or `maxDeletes` ended it; missing if not. */
  readonly isPartial?: true;
  /**
   * When the cleanup began that is at work elsewhere, in ms since the epoch: this
   * one did nothing and counted nothing, so that its counts are 0. Missing if
   * there was none.
   */
  readonly busySince?: number;
  /** Whether it left the work to another one; missing if not. */
  readonly isBusy?: true;
}

/** A problem that failed no answer, which is for an operator to know. */
export interface StoreWarning {
  /**
   * What it is about:
   *
   * - `"unreadable"`: a record that is empty, cut off or garbage;
   * - `"newer"`: a record of a format that this version does not know; left;
   * - `"foreign"`: a file that is whole, and another session's; left;
   * - `"not a file"`: a link, a directory, a pipe; left;
   * - `"not permitted"`: a file that may not be opened; left;
   * - `"unwritten"`: something that was not needed for the answer could not be
   *   written: a last access, the removal of what has expired, an index;
   * - `"setup"`: a setting of the medium that loses sessions.
   *
   * What is said of one session is said once a process; `"unwritten"` once a
   * minute.
   */
  readonly type:
    | "unreadable"
    | "newer"
    | "foreign"
    | "not a file"
    | "not permitted"
    | "unwritten"
    | "setup";
  /** The session ID, where it is about one. */
  readonly sessionId?: string;
  /** The file, where it is about one. */
  readonly path?: string;
  /** The error behind it, where there is one. */
  readonly error?: unknown;
  /** All of this in a sentence for a log. */
  readonly message: string;
}

/**
 * Keeps records by session ID. This is the contract; one suite
 * (`tests/contract/contract.ts`) holds every store to it.
 *
 * **No session is one thing.** Absent, expired, unreadable, another session's,
 * an ID that is malformed or not even a string: all answer `undefined` or
 * `false` and never throw, because a client chooses what arrives here. Only
 * the operations that write refuse a malformed ID, with a `TypeError`, before
 * any I/O: {@linkcode SessionStore.save} and {@linkcode SessionStore.create}
 * are given IDs by the program, not by a client.
 *
 * **A failure of the medium is the original error.** It is never swallowed,
 * never turned into "no session", and the record that was there is still there.
 * Only what is not needed for the answer may fail without it: a touch, the
 * removal of what has expired, an index. The answer stands then, and the problem
 * goes to `onWarning` of the store.
 *
 * **A record of a later format is left alone.** During a deploy a newer version
 * may have written it. To what reads and changes it is no session; `create` and
 * `save` refuse; only `delete` removes it.
 *
 * **Every operation is one step.** Whatever other flows, workers and processes
 * do, as far as the medium is shared (`isThreadSafe`, `isMultiprocessSafe`),
 * each takes effect at one instant between its call and its return. So no
 * update is lost, a deleted session does not come back, `create` never
 * overwrites, and a session that was just touched is not cleaned up.
 *
 * **Nothing is shared.** A record that goes in or comes out is a copy.
 *
 * Writing a record (`save`, `create`, `update`) also marks it accessed.
 */
export interface SessionStore {
  /** Whether several processes may share the medium. */
  readonly isMultiprocessSafe: boolean;

  /** Whether several workers may share the medium. */
  readonly isThreadSafe: boolean;

  /**
   * Whether each operation ends within seconds by itself: the store works in this
   * process, or in synchronous calls, which nothing could end. A manager bounds
   * the operations of any other store.
   */
  readonly isBounded?: boolean;

  /** The most bytes of a record's JSON that it keeps; missing for 16 MiB. */
  readonly largestRecord?: number;

  /**
   * Creates what the store needs, and tries whether the medium can do what
   * the store rests on. Idempotent. The first operation does it by itself; a
   * server calls it at start to hear of a problem then.
   */
  setup(): Promise<void>;

  /**
   * Reads a live session.
   *
   * @param id The session ID, as it came.
   * @param options May mark the session accessed in the same step.
   * @returns The record, or `undefined` when there is no session.
   * @throws {SessionUnreadableError} If `mustBeReadable`, and there is something
   * that cannot be read.
   */
  load(id: string, options?: LoadOptions): Promise<SessionRecord | undefined>;

  /**
   * Inserts or replaces, whatever was there. A request that changes a session
   * it has read wants {@linkcode SessionStore.update}: `save` can bring back
   * a session that was deleted in between, because it was asked to.
   *
   * @throws {TypeError} If the ID is malformed or the record cannot be kept.
   * @throws {SessionFormatError} If what is there has a later format.
   */
  save(
    id: string,
    record: SessionRecord,
    options?: StoreOptions,
  ): Promise<void>;

  /**
   * Inserts. Not `save`: two that create the same ID must not both believe
   * that it is theirs.
   *
   * @returns `false`, and nothing changed, when a live session has the ID.
   * @throws {TypeError} If the ID is malformed, the record cannot be kept, or
   * `lastAccess` is not a number.
   * @throws {RangeError} If `lastAccess` is not a whole number from 0 up.
   * @throws {SessionFormatError} If what is there has a later format.
   */
  create(
    id: string,
    record: SessionRecord,
    options?: CreateOptions,
  ): Promise<boolean>;

  /**
   * Reads, changes and replaces as one step that nothing else can cut into.
   *
   * `change` is synchronous, may be called again, and returns the new record,
   * `undefined` to delete the session, or {@linkcode KEEP} to leave it as it is,
   * which writes nothing. When there is no session it is not called; a store on
   * a remote engine may call it with what it loaded a moment ago, and drops the
   * result if the session has changed since. When it throws on what is current,
   * its error reaches the caller and nothing changed.
   *
   * @returns The record kept; `null` when this call deleted the session;
   * `undefined` when there is none.
   * @throws {TypeError} If the new record cannot be kept, or `lastAccess` is
   * not a number.
   * @throws {RangeError} If `lastAccess` is not a whole number from 0 up.
   */
  update(
    id: string,
    change: RecordChange,
    options?: UpdateOptions,
  ): Promise<SessionRecord | null | undefined>;

  /**
   * Marks a session accessed. Never creates, never revives, never rewrites data.
   *
   * @returns `false` when there is no session.
   */
  touch(id: string, options?: StoreOptions): Promise<boolean>;

  /**
   * Deletes a session, also one of a later format. What was acknowledged does
   * not come back.
   *
   * @returns `false` when there was no session.
   */
  delete(id: string, options?: StoreOptions): Promise<boolean>;

  /** Tells whether there is a session, and marks nothing. */
  has(id: string, options?: StoreOptions): Promise<boolean>;

  /**
   * Streams the live sessions, one at a time, in no order. A session that
   * vanishes meanwhile is skipped; one that is created, or written again,
   * meanwhile may be missed: one listing is not enough to reach them all. Each
   * record was current when it was read, which a store on an engine does a few
   * hundred at a time; with it comes when it was last accessed, in ms since the
   * epoch.
   *
   * All records are shown, also those that a manager keeps for itself: where
   * it revoked a user's sessions, one named `user-…`.
   */
  entries(
    options?: EntriesOptions,
  ): AsyncIterable<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  >;

  /**
   * Deletes the sessions that have expired, and those without a lifetime of
   * their own that were not accessed for `minutes`: one that is remembered for a month
   * is not removed early, one that lives five minutes is not kept. A session
   * that is in use, or was accessed a moment ago, stays.
   *
   * @param minutes How long a session without a lifetime may lie unused.
   * @returns How many were deleted, how many remain, and more.
   * @throws {TypeError} If `minutes` or the grace is not a number.
   * @throws {RangeError} If either is below 0.
   *
   * @example From time to time, as by `Deno.cron`
   * ```ts
   * import { MemorySessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * let now = 0;
   * const store = new MemorySessionStore({ now: () => now });
   * await store.save("0123456789abcdef", { data: {}, createdAt: now });
   * now = 60 * 60 * 1000;
   * const { deleted } = await store.deleteOldSessions(30);
   * assertEquals(deleted, 1);
   * ```
   */
  deleteOldSessions(
    minutes: number,
    options?: CleanupOptions,
  ): Promise<CleanupResult>;

  /**
   * Tries whether the store can read and write now: what a server's readiness
   * asks, not its liveness. Nothing is remembered; calls at the same moment share
   * one try.
   *
   * @throws {SessionStoreError} If it cannot; `operation` says which of the two.
   *
   * @example An address that a load balancer asks
   * ```ts
   * import { MemorySessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const store = new MemorySessionStore();
   * async function readiness(): Promise<Response> {
   *   try {
   *     await store.check({ signal: AbortSignal.timeout(1_000) });
   *     return new Response("ready");
   *   } catch {
   *     return new Response("the store does not answer", { status: 503 });
   *   }
   * }
   * assertEquals((await readiness()).status, 200);
   * ```
   */
  check(options?: StoreOptions): Promise<void>;

  /**
   * Takes the lock of a session, for as long as the application works on it. Of
   * all callers, as far as the medium is shared, one holds it at a time, until
   * it frees the lock or its process ends. The lock is apart from the session:
   * the session need not exist, none is made, and no other operation looks at
   * the lock. It is not re-entrant. No two sessions share one.
   *
   * A store need not have locks. Its sessions cannot be `exclusive`, then.
   *
   * @param id The session ID.
   * @param options How long to wait.
   * @returns What frees the lock; twice is as good as once.
   * @throws {SessionLockTimeoutError} If it does not become free in time.
   * @throws {TypeError} If the ID is malformed, or the timeout not a number.
   * @throws {RangeError} If the timeout is below 0.
   */
  lock?(id: string, options?: LockOptions): Promise<HeldLock>;
}
