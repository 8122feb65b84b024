/*
 * How far a request is kept apart from others of the same session, from `open`
 * to `commit`.
 *
 *   merge       not at all: a commit does to the record, as it is by then,
 *               what the request did
 *   readOnly    it changes nothing, so nothing can come between
 *   strict      the record counts its commits; if that number is another one
 *               by the time of the commit, which the store's `update` compares
 *               and writes in one step, somebody came between
 *   exclusive   nobody who is exclusive too can come between: the store's
 *               `lock`, taken before the record is read, freed after the commit
 *
 * A rotation of the secret is no commit in this sense: it changes nothing that
 * a request could have read.
 */
import {
  SessionConflictError,
  SessionGoneError,
  SessionLockTimeoutError,
} from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import type { SessionStore } from "../core/store.ts";

/**
 * How far a request is kept apart from others of the same session.
 *
 * - `"merge"`: nobody waits and nobody fails. What the request did is done to
 *   the session as it is when it commits: keys that others set survive, and
 *   `update` follows from the value of then. What it read may be old by then:
 *   a `set` of what follows from a `get` can undo somebody else's.
 * - `"readOnly"`: whatever changes the session throws a `TypeError`, also to
 *   read a flash message, since that uses it up. Nothing is committed; the
 *   access is marked, and a cookie that is due is sent. A rotation that is due
 *   waits for another request.
 * - `"strict"`: when another request has committed to the session since this
 *   one opened it, whatever it changed, the commit fails with a
 *   `SessionConflictError`. The request can be run again.
 * - `"exclusive"`: requests that are exclusive too wait until this one is over,
 *   in all processes that share the store. Others go on, and are merged with.
 *   The death of its process ends it. A handler of this kind is best short: in
 *   a directory two sessions share a lock by chance, 1 in 1,024.
 *
 * @example A counter that only `strict` and `exclusive` keep right
 * ```ts
 * import { MemorySessionStore, SessionManager } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const sessions = new SessionManager<{ n: number }>({ store: new MemorySessionStore() });
 * const visit = (headers: HeadersInit = {}) =>
 *   sessions.run(new Request("http://localhost/", { headers }), async (session) => {
 *     const n = session.get("n") ?? 0;
 *     await Promise.resolve(); // others run
 *     session.set("n", n + 1);
 *     return new Response(`${n + 1}`);
 *   }, { isolation: "exclusive" });
 * const cookie = (await visit()).headers.getSetCookie()[0]!.split(";")[0]!;
 * const last = (await Promise.all([visit({ cookie }), visit({ cookie })]))[1]!;
 * assertEquals(await last.text(), "3");
 * ```
 */
export type IsolationLevel = "merge" | "readOnly" | "strict" | "exclusive";

/** How requests of one session are kept apart. */
export interface IsolationOptions {
  /**
   * How far. `"exclusive"` needs a store that has locks.
   *
   * @default {"merge"} in a call, what the manager was given
   */
  readonly isolation?: IsolationLevel | undefined;
  /**
   * How long an exclusive request waits for the others, in milliseconds: they
   * hold the session as long as their handlers take. One that is made inside
   * the handler of another of the same session waits for that one, which waits
   * for it: only this ends it.
   *
   * @default {undefined} the store's own, 5000; in a call, what the manager was given
   */
  readonly lockTimeout?: number | undefined;
}

/** {@linkcode IsolationOptions}, checked and completed. */
export interface IsolationSettings {
  readonly level: IsolationLevel;
  readonly lockTimeout: number | undefined;
}

/**
 * How often what happened to the sessions of a manager since it was made. A
 * commit is what changes a session; a rotation of its secret alone is none.
 */
export interface SessionCounters {
  /** Commits that the store acknowledged. */
  readonly commits: number;
  /**
   * Those of them that changed a session which another request had changed
   * since theirs opened it. Both changes are in it.
   */
  readonly merged: number;
  /** Commits that were refused, because the session was gone. */
  readonly refused: number;
  /** Commits under the isolation `strict` that failed with a conflict. */
  readonly conflicts: number;
  /** Requests under the isolation `exclusive` that had to wait for another. */
  readonly lockWaits: number;
}

/** {@linkcode SessionCounters}, for who counts. */
export type Counters = { -readonly [Name in keyof SessionCounters]: number };

/** Begins with nothing. */
export function startCounting(): Counters {
  return { commits: 0, merged: 0, refused: 0, conflicts: 0, lockWaits: 0 };
}

const LEVELS = ["merge", "readOnly", "strict", "exclusive"];
const DEFAULTS: IsolationSettings = { level: "merge", lockTimeout: undefined };

/**
 * Checks how requests are to be kept apart.
 *
 * @param store The manager's store.
 * @param options What was asked for.
 * @param defaults What holds where nothing was.
 * @throws {TypeError} If there is no such level, or the store has no locks for it.
 * @throws {RangeError} If `lockTimeout` is not a number from 0 up.
 */
export function resolveIsolation(
  store: SessionStore,
  options: IsolationOptions,
  defaults: IsolationSettings = DEFAULTS,
): IsolationSettings {
  const { isolation: level = defaults.level } = options;
  const { lockTimeout = defaults.lockTimeout } = options;
  if (!LEVELS.includes(level)) {
    throw new TypeError(
      `Cannot isolate requests: isolation is none of ${LEVELS.join(", ")}`,
    );
  }
  if (level === "exclusive" && store.lock === undefined) {
    throw new TypeError(
      "Cannot isolate requests: exclusive needs locks, and the store has none",
    );
  }
  const isTimeout = lockTimeout === undefined ||
    typeof lockTimeout === "number" && lockTimeout >= 0;
  if (!isTimeout) {
    throw new RangeError(
      "Cannot isolate requests: lockTimeout is not a number from 0 up",
    );
  }
  return { level, lockTimeout };
}

/** How far one request is kept apart; it belongs to its `Visit`. */
export class Isolation {
  readonly #settings: IsolationSettings;
  readonly #counters: Counters;
  #lock: AsyncDisposable | undefined;
  /** How many commits had made the record that the request has before it. */
  #seen = 0;
  /** What the commit under way follows: that record, or a later one. */
  #follows: "seen" | "later" | undefined;

  constructor(isolationSettings: IsolationSettings, counters: Counters) {
    this.#settings = isolationSettings;
    this.#counters = counters;
  }

  get isReadOnly(): boolean {
    return this.#settings.level === "readOnly";
  }

  get needsLock(): boolean {
    return this.#settings.level === "exclusive";
  }

  /** Waits until no other exclusive request has the session. */
  async enter(
    store: SessionStore,
    id: string,
    request: Request,
  ): Promise<void> {
    try {
      this.#lock = await store.lock!(id, { timeout: 0 });
    } catch (error) {
      if (!(error instanceof SessionLockTimeoutError)) throw error;
      this.#counters.lockWaits++;
      // Not asked for before: Deno warns a server in which that is done.
      const { signal } = request;
      const { lockTimeout: timeout } = this.#settings;
      this.#lock = await store.lock!(id, { timeout, signal });
    }
  }

  /**
   * Lets the next one have the session; twice is as good as once.
   *
   * @returns A promise if there is anything to do.
   */
  leave(): PromiseLike<void> | undefined {
    const lock = this.#lock;
    this.#lock = undefined;
    return lock?.[Symbol.asyncDispose]();
  }

  /** Takes down which state of the session the request has before it. */
  see(record: SessionRecord | undefined): void {
    this.#seen = record?.commits ?? 0;
  }

  /**
   * Counts a commit in its record. For use within `update` of a store.
   *
   * @param id The session ID.
   * @param found The record as it is by now.
   * @param isChanged Whether there is anything to commit.
   * @returns The record, one commit later.
   * @throws {SessionConflictError} If somebody came between who must not.
   */
  advance(id: string, found: SessionRecord, isChanged: boolean): SessionRecord {
    this.#follows = undefined;
    if (!isChanged) return found;
    const { commits = 0 } = found;
    const follows = commits === this.#seen ? "seen" : "later";
    if (follows === "later" && this.#isStrict) {
      throw new SessionConflictError(id);
    }
    this.#follows = follows;
    return { ...found, commits: commits + 1 };
  }

  /** Takes note of a record that was created. */
  create(record: SessionRecord): void {
    this.#counters.commits++;
    this.see(record);
  }

  /**
   * Takes note that the store has done what `advance` began.
   *
   * @param kept The record by now.
   * @param isSeen Whether the request has all of it before it.
   */
  settle(kept: SessionRecord | undefined, isSeen: boolean): void {
    const follows = this.#follows;
    this.#follows = undefined;
    if (follows !== undefined) this.#counters.commits++;
    if (follows === "later" && kept !== undefined) this.#counters.merged++;
    if (isSeen || follows === "seen") this.see(kept);
  }

  /** Counts a commit that is refused, and makes its error. */
  refuse(id: string): SessionGoneError {
    const error = new SessionGoneError(id);
    this.countFailure(error);
    return error;
  }

  /**
   * Counts what came of a commit. What is thrown within `update` of a store is
   * not counted there, because the store may begin again.
   */
  countFailure(error: unknown): void {
    if (error instanceof SessionGoneError) this.#counters.refused++;
    if (error instanceof SessionConflictError) this.#counters.conflicts++;
  }

  /**
   * Who is exclusive and has let others in, by a first commit, may commit
   * again: with no more right to than if nobody has used the occasion.
   */
  get #isStrict(): boolean {
    const { level } = this.#settings;
    return level === "strict" ||
      level === "exclusive" && this.#lock === undefined;
  }
}
