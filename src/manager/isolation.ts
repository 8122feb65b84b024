/*
 * How far a request is kept apart from others of the same session, from `open`
 * to `commit`.
 *
 *   merge       not at all: a commit does what the request did to the record as
 *               it is at that moment
 *   readOnly    it changes nothing, so nothing can come between
 *   strict      the record counts its commits; another number at the time of the
 *               commit, which the store's `update` compares and writes in one
 *               step, means that another request came between
 *   exclusive   no other exclusive request can come between: the store's `lock`,
 *               taken before the record is read, freed after the commit
 *
 * A rotation of the secret is no commit in this sense: it changes nothing that
 * a request could have read.
 */
import { checkNumber } from "../core/checks.ts";
import {
  SessionConflictError,
  SessionGoneError,
  SessionLockTimeoutError,
} from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import type { HeldLock } from "../core/store.ts";
import type { ManagedStore } from "./bounded_store.ts";
import type { SessionRequest } from "../http/transport.ts";

/**
 * How far a request is kept apart from others of the same session.
 *
 * - `"merge"`: no request waits and none fails. What the request did is done to
 *   the session as it is at the commit: keys that others set survive, and
 *   `update` starts from the value at that moment. What the request read may be
 *   out of date: a `set` that follows from a `get` can undo another's.
 * - `"readOnly"`: what changes the session throws a `TypeError`, also to read a
 *   flash message, since that uses it up. Nothing is committed; the access is
 *   marked, and a cookie that is due is sent. A rotation that is due, and each
 *   step of it, waits for another request.
 * - `"strict"`: when another request has committed to the session since this
 *   one opened it, whatever it changed, the commit fails with a
 *   `SessionConflictError`. The request can be run again.
 * - `"exclusive"`: other exclusive requests of the session wait until this one
 *   has ended, in all processes that share the store. Requests that are not
 *   exclusive go on, and are merged with. If the process crashes, the session is
 *   free again. A handler of this kind is best short. Read the request's body
 *   before: it takes as long as its client likes, and so long the visitor's other
 *   exclusive requests wait. If the lock was lost, because a directory was emptied
 *   meanwhile, the commit fails with a `SessionConflictError`.
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
 *
 * @example A body is read before an exclusive session is opened
 * ```ts
 * import { MemorySessionStore, SessionManager } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const sessions = new SessionManager<{ name: string }>({ store: new MemorySessionStore() });
 * async function serve(request: Request): Promise<Response> {
 *   const name = await request.text();
 *   return await sessions.run(request, (session) => {
 *     session.set("name", name);
 *     return new Response(`Hello, ${name}`);
 *   }, { isolation: "exclusive" });
 * }
 * const response = await serve(new Request("http://localhost/", { method: "POST", body: "ann" }));
 * assertEquals(await response.text(), "Hello, ann");
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
   * How long an exclusive request waits for others, in milliseconds: they hold
   * the session as long as their handlers take. The lock is not re-entrant: an
   * exclusive request inside the handler of another of the same session waits
   * until this has passed.
   *
   * @default {undefined} the store's own, 5000; in a call, what the manager was given
   */
  readonly lockTimeout?: number | undefined;
}

/** What `open`, `run` and `handler` of a manager take. */
export interface OpenOptions extends IsolationOptions {
  /**
   * Whether the request is not the visitor's doing, as when a page polls: unless
   * it changes the session, it marks no access, sends no cookie again, and does
   * no step of a rotation. One that changes it is like any other. Where a
   * request is opened more than once, the first opening decides.
   *
   * @default {false}
   */
  readonly passive?: boolean | undefined;
}

/** {@linkcode IsolationOptions}, checked and completed. */
export interface IsolationSettings {
  readonly level: IsolationLevel;
  readonly lockTimeout: number | undefined;
}

/**
 * What happened how often to the sessions of a manager since it was made. A
 * rotation of the secret alone is not counted as a commit.
 */
export interface SessionCounters {
  /** Commits that the store acknowledged. */
  readonly commits: number;
  /**
   * Commits among them to a session that another request had changed since the
   * opening. It holds both changes.
   */
  readonly merged: number;
  /** Commits that were refused, because the session was gone. */
  readonly refused: number;
  /** Commits under the isolation `strict` that failed with a conflict. */
  readonly conflicts: number;
  /** Requests under the isolation `exclusive` that had to wait for another. */
  readonly lockWaits: number;
  /**
   * Sessions that another than the first of `secrets` had sealed, and that were
   * sealed anew; when it no longer grows, the others can be dropped.
   */
  readonly resealed: number;
  /** Requests whose token opened its session. */
  readonly hits: number;
  /** Requests with a token whose session is not there. */
  readonly misses: number;
  /** Requests whose session had expired, if the store still had it. */
  readonly expired: number;
  /** Requests with an ID that is there, and a secret that never was its own. */
  readonly wrongSecrets: number;
  /** Requests with a secret that was replaced; event `"reused"`. */
  readonly reused: number;
  /** Requests whose session was revoked with the others of its user. */
  readonly revoked: number;
  /** Requests whose session none of `secrets` opened; event `"unopenable"`. */
  readonly unopenable: number;
  /** Requests whose session's data could not be used; event `"invalid"`. */
  readonly invalid: number;
  /** Requests with tokens of several sessions; event `"ambiguous"`. */
  readonly ambiguous: number;
  /** Sessions that were marked accessed, where nothing else was written. */
  readonly touches: number;
  /**
   * Openings, commits and uses of form tokens that failed with anything but a
   * refusal or a conflict, as a rule because the store did.
   */
  readonly failures: number;
  /**
   * Requests whose cookie opens its session, which is bound to a device, only
   * after another proof; the cookie was cleared.
   */
  readonly unproven: number;
  /** Requests without the cookie of a bound session; event `"skipped"`. */
  readonly skipped: number;
  /** Sessions that were bound to a device. */
  readonly bound: number;
  /** Proofs of a device by which the cookie of a bound session was renewed. */
  readonly proven: number;
}

/** What came of the opening of a session. */
export type Opening =
  | "hit"
  | "none"
  | "miss"
  | "expired"
  | "wrong_secret"
  | "reused"
  | "revoked"
  | "unopenable"
  | "invalid"
  | "ambiguous"
  | "unproven"
  | "skipped";

/** Why a request got a new session. */
export type Unopened = Exclude<Opening, "hit">;

const OPENINGS: Readonly<Record<Opening, keyof SessionCounters | undefined>> = {
  hit: "hits",
  none: undefined,
  miss: "misses",
  expired: "expired",
  wrong_secret: "wrongSecrets",
  reused: "reused",
  revoked: "revoked",
  unopenable: "unopenable",
  invalid: "invalid",
  ambiguous: "ambiguous",
  unproven: "unproven",
  skipped: "skipped",
};

/** {@linkcode SessionCounters} that can be changed. */
export type Counters = { -readonly [Name in keyof SessionCounters]: number };

export function startCounting(): Counters {
  return {
    commits: 0,
    merged: 0,
    refused: 0,
    conflicts: 0,
    lockWaits: 0,
    resealed: 0,
    hits: 0,
    misses: 0,
    expired: 0,
    wrongSecrets: 0,
    reused: 0,
    revoked: 0,
    unopenable: 0,
    invalid: 0,
    ambiguous: 0,
    touches: 0,
    failures: 0,
    unproven: 0,
    skipped: 0,
    bound: 0,
    proven: 0,
  };
}

const LEVELS = ["merge", "readOnly", "strict", "exclusive"];
const DEFAULTS: IsolationSettings = { level: "merge", lockTimeout: undefined };

/**
 * Checks how requests are to be kept apart.
 *
 * @param store The manager's store.
 * @param options What was asked for.
 * @param defaults What holds for options that are missing.
 * @throws {TypeError} If an option is not of its type, or the store has no locks
 * for the level.
 * @throws {RangeError} If `lockTimeout` is less than 0.
 */
export function resolveIsolation(
  store: ManagedStore,
  options: IsolationOptions,
  defaults: IsolationSettings = DEFAULTS,
): IsolationSettings {
  const { isolation: level = defaults.level } = options;
  const { lockTimeout = defaults.lockTimeout } = options;
  if (!LEVELS.includes(level)) {
    throw new TypeError(
      `Cannot isolate requests: isolation is not one of ${LEVELS.join(", ")}`,
    );
  }
  if (level === "exclusive" && store.lock === undefined) {
    throw new TypeError(
      "Cannot isolate requests: exclusive needs locks, and the store has none",
    );
  }
  if (lockTimeout !== undefined) {
    checkNumber(lockTimeout, "Cannot isolate requests: lockTimeout");
  }
  return { level, lockTimeout };
}

/**
 * Tells whether a request is to be passive.
 *
 * @throws {TypeError} If that is neither `true` nor `false`.
 */
export function isPassive({ passive = false }: OpenOptions): boolean {
  if (typeof passive === "boolean") return passive;
  throw new TypeError(
    "Cannot open the session: passive is neither true nor false",
  );
}

/** How far one request is kept apart; it belongs to its `Visit`. */
export class Isolation {
  readonly #settings: IsolationSettings;
  readonly #counters: Counters;
  /** What came of the commit that was the last to begin. */
  outcome: "unchanged" | "committed" | "merged" = "unchanged";
  #lock: HeldLock | undefined;
  /** The number of commits in the record that the request has seen. */
  #seen = 0;
  /** Which record the commit under way changes: that one, or a later one. */
  #follows: "seen" | "later" | undefined;

  constructor(settings: IsolationSettings, counters: Counters) {
    this.#settings = settings;
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
    store: ManagedStore,
    id: string,
    request: SessionRequest,
  ): Promise<void> {
    try {
      this.#lock = await store.lock!(id, { timeout: 0 });
    } catch (error) {
      if (!(error instanceof SessionLockTimeoutError)) throw error;
      this.#counters.lockWaits++;
      // Deno warns of a server that reads the signal of each request.
      const { signal } = request;
      const { lockTimeout: timeout } = this.#settings;
      this.#lock = await store.lock!(id, { timeout, signal });
    }
  }

  /**
   * Lets the next exclusive request have the session. May be called again.
   *
   * @returns A promise if there is a lock to free.
   */
  leave(): PromiseLike<void> | undefined {
    const lock = this.#lock;
    this.#lock = undefined;
    return lock?.[Symbol.asyncDispose]();
  }

  /** Notes what came of the opening. */
  noteOpened(opening: Opening, record: SessionRecord | undefined): void {
    const counter = OPENINGS[opening];
    if (counter !== undefined) this.#counters[counter]++;
    this.#noteSeen(record);
  }

  /** Notes which state of the session the request knows. */
  #noteSeen(record: SessionRecord | undefined): void {
    this.#seen = record?.commits ?? 0;
  }

  /**
   * Counts a commit in its record. For use within `update` of a store.
   *
   * @param id The session ID.
   * @param found The record as it is now.
   * @param isChanged Whether there is anything to commit.
   * @returns The record, one commit later.
   * @throws {SessionConflictError} If the request is strict, and another one
   * came between; or exclusive, and another one may have come between.
   */
  countCommit(
    id: string,
    found: SessionRecord,
    isChanged: boolean,
  ): SessionRecord {
    this.#follows = undefined;
    if (!isChanged) return found;
    const { commits = 0 } = found;
    const follows = commits === this.#seen ? "seen" : "later";
    const isOvertaken = follows === "later" && this.#isStrict;
    if (isOvertaken || this.#lock?.isLost) {
      throw new SessionConflictError(id);
    }
    this.#follows = follows;
    return { ...found, commits: commits + 1 };
  }

  /** Notes that the store has begun a new session, or ended the one so far. */
  noteBegun(record: SessionRecord | undefined): void {
    this.#counters.commits++;
    this.outcome = "committed";
    this.#noteSeen(record);
  }

  /**
   * Notes that the store has done what `countCommit` began.
   *
   * @param kept The record as it is now.
   * @param isSeen Whether the request knows all of it.
   */
  noteCommitted(kept: SessionRecord | undefined, isSeen: boolean): void {
    const follows = this.#follows;
    this.#follows = undefined;
    if (follows !== undefined) {
      this.#counters.commits++;
      this.outcome = "committed";
    }
    if (follows === "later" && kept !== undefined) {
      this.#counters.merged++;
      this.outcome = "merged";
    }
    if (isSeen || follows === "seen") this.#noteSeen(kept);
  }

  /**
   * Counts what failed. Not within `update` of a store, which may call
   * several times.
   */
  countFailure(error: unknown): void {
    if (error instanceof SessionGoneError) this.#counters.refused++;
    else if (error instanceof SessionConflictError) this.#counters.conflicts++;
    else this.#counters.failures++;
  }

  /**
   * An exclusive request that has let others in, by a first commit, has no lock
   * for a second one.
   */
  get #isStrict(): boolean {
    const { level } = this.#settings;
    return level === "strict" ||
      level === "exclusive" && this.#lock === undefined;
  }
}
