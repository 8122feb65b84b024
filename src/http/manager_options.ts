import type { SessionGoneError } from "../core/errors.ts";
import type { SessionStore } from "../core/store.ts";
import { type Cookie, type CookieOptions, resolveCookie } from "./cookie.ts";

/** Reports that a request's changes were refused; its response went out. */
export interface SessionRefusedEvent {
  /** Tells the events apart. */
  readonly type: "refused";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
  /** What `commit` threw. */
  readonly error: SessionGoneError;
}

/** What {@linkcode SessionManagerOptions.onEvent} is told. */
export type SessionEvent = SessionRefusedEvent;

/** What {@linkcode SessionManager} takes. */
export interface SessionManagerOptions {
  /** Where the records are. */
  readonly store: SessionStore;
  /**
   * What the cookie looks like. It is `HttpOnly` always.
   *
   * @default {{}} see {@linkcode CookieOptions}
   */
  readonly cookie?: CookieOptions | undefined;
  /**
   * How long after its last access a new session ends, in milliseconds. The
   * record carries it: a change here is for the sessions that begin later.
   *
   * @default {undefined} when somebody deletes old sessions
   */
  readonly idleTimeout?: number | undefined;
  /**
   * How long after its beginning a new session ends, however busy it is, in
   * milliseconds. The browser keeps the cookie that long; without it, until
   * the browser closes.
   *
   * @default {undefined} never
   */
  readonly absoluteTimeout?: number | undefined;
  /**
   * How old the last access must be for a request that changes nothing to
   * mark a new one, in milliseconds. Below it such a request writes nothing at
   * all. It can make an idle timeout seem shorter by as much, and is therefore
   * a tenth of it at most.
   *
   * @default {idleTimeout / 10} a minute without `idleTimeout`
   */
  readonly touchAfter?: number | undefined;
  /**
   * Whether `X-Forwarded-Proto` tells if a request came over https. Only
   * behind a proxy that always sets it: elsewhere the client could.
   *
   * @default {false}
   */
  readonly trustProxy?: boolean | undefined;
  /**
   * Is told what `run` and `handler` cannot throw at anybody.
   *
   * @default {undefined} nobody is told
   */
  readonly onEvent?: ((event: SessionEvent) => void) | undefined;
  /**
   * Tells the time, in whole ms since the epoch; a test passes its own.
   *
   * @default {Date.now}
   */
  readonly now?: (() => number) | undefined;
}

/** The options of a manager, checked and completed. */
export interface ManagerSettings {
  readonly store: SessionStore;
  readonly cookie: Cookie;
  readonly idleTimeout: number | undefined;
  readonly absoluteTimeout: number | undefined;
  readonly touchAfter: number;
  readonly trustProxy: boolean;
  readonly onEvent: ((event: SessionEvent) => void) | undefined;
  readonly now: () => number;
}

const MINUTE = 60_000;

/**
 * Checks a manager's options and completes them.
 *
 * @param options What was asked for.
 * @returns The settings.
 * @throws {TypeError} If there is no store, a duration is no number, or
 * browsers would refuse such a cookie.
 * @throws {RangeError} If a duration is not whole milliseconds above 0, or
 * `touchAfter` is more than a tenth of `idleTimeout`.
 */
export function resolveManagerOptions(
  options: SessionManagerOptions,
): ManagerSettings {
  const { store, idleTimeout, absoluteTimeout, trustProxy = false } = options;
  const { onEvent, now = Date.now } = options;
  const longest = idleTimeout === undefined ? Infinity : idleTimeout / 10;
  const { touchAfter = longest === Infinity ? MINUTE : longest } = options;
  if (typeof store?.load !== "function") {
    throw new TypeError("Cannot manage sessions: there is no store");
  }
  checkDuration("idleTimeout", idleTimeout, 1, Number.MAX_SAFE_INTEGER);
  checkDuration("absoluteTimeout", absoluteTimeout, 1, Number.MAX_SAFE_INTEGER);
  checkDuration("touchAfter", touchAfter, 0, longest);

  const cookie = resolveCookie(options.cookie);
  return {
    store,
    cookie,
    idleTimeout,
    absoluteTimeout,
    touchAfter,
    trustProxy,
    onEvent,
    now,
  };
}

function checkDuration(
  name: string,
  value: number | undefined,
  least: number,
  most: number,
): void {
  if (value === undefined) return;
  const problem = `Cannot manage sessions: ${name}`;
  if (typeof value !== "number") {
    throw new TypeError(`${problem} is not a number of milliseconds`);
  }
  if (least === 1 && !Number.isSafeInteger(value)) {
    throw new RangeError(`${problem} is not whole milliseconds`);
  }
  if (!(value >= least && value <= most)) {
    throw new RangeError(`${problem} is not from ${least} to ${most} ms`);
  }
}
