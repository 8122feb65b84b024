import type { SessionGoneError } from "../core/errors.ts";
import type { SessionStore } from "../core/store.ts";
import type { Sealing } from "./sealed_record.ts";
import {
  type IsolationOptions,
  type IsolationSettings,
  resolveIsolation,
} from "./isolation.ts";
import {
  checkLifetime,
  type SessionLifetime,
  TENTHS,
} from "../session/lifetime.ts";
import type { CookieOptions } from "../http/cookie.ts";
import {
  type DataSettings,
  resolveDataOptions,
  type SessionDataOptions,
  type SessionInvalidEvent,
} from "./data_options.ts";
import {
  resolveTransport,
  type Transport,
  type TransportOption,
} from "../http/transport.ts";

/** Reports that a request's changes were refused; its response went out. */
export interface SessionRefusedEvent {
  /** Tells the events apart. */
  readonly type: "refused";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
  /** What `commit` threw. */
  readonly error: SessionGoneError;
}

/**
 * Reports that a request brought a secret that was replaced by rotation, after
 * its grace: somebody has a copy of the cookie, or the browser never got the
 * new one. The request gets a new session.
 */
export interface SecretReusedEvent {
  /** Tells the events apart. */
  readonly type: "reused";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
}

/** What {@linkcode SessionManagerOptions.onEvent} is told. */
export type SessionEvent =
  | SessionRefusedEvent
  | SecretReusedEvent
  | SessionInvalidEvent;

/** What {@linkcode SessionManager} takes. */
export interface SessionManagerOptions
  extends SessionLifetime, SessionDataOptions, IsolationOptions {
  /** Where the records are. */
  readonly store: SessionStore;
  /**
   * How tokens come and go.
   *
   * @default {"cookie"}
   */
  readonly transport?: TransportOption | undefined;
  /**
   * What the cookie looks like. It is `HttpOnly` always.
   *
   * @default {{}} see {@linkcode CookieOptions}
   */
  readonly cookie?: CookieOptions | undefined;
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
   * How old a secret may grow, in milliseconds: the next request gives the
   * session another one, and the browser another cookie, so that a copy of the
   * cookie is soon worth nothing.
   *
   * @default {undefined} it changes at login, logout and `regenerate` only
   */
  readonly rotateEvery?: number | undefined;
  /**
   * How long the secret before stays good after a rotation, in milliseconds,
   * for requests that are under way.
   *
   * @default {30000}
   */
  readonly rotateGrace?: number | undefined;
  /**
   * Whether a session ends when somebody brings a secret of it that was
   * replaced, after its grace. `onEvent` is told in any case.
   *
   * @default {false}
   */
  readonly endOnReuse?: boolean | undefined;
  /**
   * Whether the store gets data, flash and form tokens encrypted (AES-256-GCM),
   * under a key that comes from the secret in the cookie and the newest of
   * `secrets`: who has the store cannot read them. User, label, times and size
   * are in clear. Sessions from before are sealed when they are next saved.
   *
   * @default {false}
   */
  readonly seal?: boolean | undefined;
  /**
   * Secrets of the server, the newest first, at least 32 characters each: the
   * newest seals, all of them open. A session is sealed anew when it is saved.
   *
   * @default {[]} the key comes from the cookie alone
   */
  readonly secrets?: readonly string[] | undefined;
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
  readonly transport: Transport;
  /** Of a new session. */
  readonly lifetime: SessionLifetime;
  readonly touchAfter: number;
  readonly rotateEvery: number;
  readonly rotateGrace: number;
  readonly endOnReuse: boolean;
  readonly sealing: Sealing;
  readonly data: DataSettings;
  /** Of a request that does not say otherwise. */
  readonly isolationSettings: IsolationSettings;
  readonly trustProxy: boolean;
  readonly onEvent: ((event: SessionEvent) => void) | undefined;
  readonly now: () => number;
}

const MINUTE = 60_000;
const SHORTEST_SECRET = 32;

/**
 * Checks a manager's options and completes them.
 *
 * @param options What was asked for.
 * @returns The settings.
 * @throws {TypeError} If there is no store, a duration is no number, browsers
 * would refuse such a cookie, or the store cannot isolate like that.
 * @throws {RangeError} If a duration is not whole milliseconds above 0, or
 * `touchAfter` is more than a tenth of `idleTimeout`.
 */
export function resolveManagerOptions(
  options: SessionManagerOptions,
): ManagerSettings {
  const { idleTimeout, absoluteTimeout, untilBrowserCloses } = options;
  const { store, trustProxy = false, onEvent, now = Date.now } = options;
  const { rotateEvery = Infinity, rotateGrace = 30_000 } = options;
  const { endOnReuse = false, seal = false, secrets = [] } = options;
  const longest = idleTimeout === undefined ? Infinity : idleTimeout / TENTHS;
  const { touchAfter = longest === Infinity ? MINUTE : longest } = options;
  if (typeof store?.load !== "function") {
    throw new TypeError("Cannot manage sessions: there is no store");
  }
  const lifetime = { idleTimeout, absoluteTimeout, untilBrowserCloses };
  checkLifetime(lifetime, "manage sessions");
  checkNumber("touchAfter", touchAfter, 0, longest);
  checkNumber("rotateEvery", rotateEvery, 1, Infinity);
  checkNumber("rotateGrace", rotateGrace, 0, Number.MAX_SAFE_INTEGER);
  checkSecrets(secrets);

  const { transport = "cookie", cookie } = options;
  return {
    store,
    transport: resolveTransport(transport, cookie),
    lifetime,
    touchAfter,
    rotateEvery,
    rotateGrace,
    endOnReuse,
    sealing: { isOn: seal, secrets: [...secrets] },
    data: resolveDataOptions(options),
    isolationSettings: resolveIsolation(store, options),
    trustProxy,
    onEvent,
    now,
  };
}

function checkNumber(
  name: string,
  value: number,
  least: number,
  most: number,
): void {
  const problem = `Cannot manage sessions: ${name}`;
  if (typeof value !== "number") {
    throw new TypeError(`${problem} is not a number of milliseconds`);
  }
  if (!(value >= least && value <= most)) {
    throw new RangeError(`${problem} is not from ${least} to ${most} ms`);
  }
}

function checkSecrets(secrets: readonly unknown[]): void {
  const isList = Array.isArray(secrets) &&
    secrets.every((secret) =>
      typeof secret === "string" && secret.length >= SHORTEST_SECRET
    );
  if (isList) return;
  throw new TypeError(
    `Cannot manage sessions: secrets is not a list of texts of at least ${SHORTEST_SECRET} characters`,
  );
}
