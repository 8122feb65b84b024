import { checkNumber } from "../core/checks.ts";
import type { SessionStore } from "../core/store.ts";
import type { CookieOptions } from "../http/cookie.ts";
import {
  accuracyOf,
  checkLifetime,
  type SessionLifetime,
} from "../session/lifetime.ts";
import type { TypesCodec } from "../session/value_format.ts";
import { resolveDataOptions, type SessionDataOptions } from "./data_options.ts";
import {
  type Counters,
  type IsolationOptions,
  type IsolationSettings,
  resolveIsolation,
  startCounting,
} from "./isolation.ts";
import {
  type DeviceBoundOptions,
  type DeviceSettings,
  resolveDeviceBound,
} from "./device_options.ts";
import { boundStore, type ManagedStore } from "./bounded_store.ts";
import { reporterOf, type SessionEvent } from "./events.ts";
import { ObservedStore } from "./observed_store.ts";
import {
  type ObservationOptions,
  type Observe,
  observerOf,
} from "./operations.ts";
import type { ServerSecret } from "./sealed_record.ts";
import { RecordFormat } from "./record_format.ts";
import {
  resolveTransport,
  type Transport,
  type TransportOption,
} from "../http/transport.ts";

/** What {@linkcode SessionManager} takes. */
export interface SessionManagerOptions
  extends
    SessionLifetime,
    SessionDataOptions,
    IsolationOptions,
    ObservationOptions {
  /** Where the records are. */
  readonly store: SessionStore;
  /**
   * How a client sends its token and gets it.
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
   * all. A session can expire earlier by as much, so this is at most a tenth of
   * the idle timeout.
   *
   * @default {idleTimeout / 10} a minute without `idleTimeout`
   */
  readonly touchAfter?: number | undefined;
  /**
   * How old a secret may become, in milliseconds: the next request that looks at
   * the session gives it another one, and the browser another cookie, so that a
   * copy of the old cookie soon opens nothing. A rotation that cannot be written
   * fails no request: `onEvent` is called.
   *
   * @default {undefined} it changes at login, logout and `regenerate` only
   */
  readonly rotateEvery?: number | undefined;
  /**
   * How long the secret before stays good once a request has brought the new
   * one, in milliseconds, for requests that are under way. Until then it stays
   * good in any case: the browser may not have got the new one.
   *
   * @default {30000}
   */
  readonly rotateGrace?: number | undefined;
  /**
   * Whether a session ends when a request brings a secret of it that was
   * replaced, after its grace. `onEvent` is called in any case.
   *
   * @default {false}
   */
  readonly endOnReuse?: boolean | undefined;
  /**
   * Binds the session of a user who signs in to the browser's device, where the
   * browser can do that: Chromium from 145 on, over https. The browser makes a
   * key that does not leave the device, and the cookie is then good for minutes,
   * unless the browser proves that it has the key. So a copy of the cookie is
   * worth minutes. Browsers that cannot do it notice nothing.
   * `docs/device_bound.md` tells what it protects from, and what is different for
   * a session that is bound.
   *
   * It needs the transport `"cookie"`, `idleTimeout` or `absoluteTimeout`, and
   * neither `seal`, `partitioned` nor `secure: false`; `rotateGrace` is at most
   * its `refreshEvery`.
   *
   * @default {undefined} sessions are not bound; one that is already expires with
   * its cookie
   * @experimental The specification is a draft, and may change in browsers.
   */
  readonly deviceBound?: DeviceBoundOptions | undefined;
  /**
   * Whether the store gets data, flash and form tokens encrypted (AES-256-GCM),
   * under a key that comes from the secret in the cookie and the first of
   * `secrets`: the store alone does not show them. User, label, times and size
   * are in clear. Sessions from before are sealed when they are next saved.
   *
   * @default {false}
   */
  readonly seal?: boolean | undefined;
  /**
   * Secrets of the server, at least 32 characters each, or `null` for none: the
   * first seals, all of them open. What another has sealed is sealed anew by the
   * next request that looks at the session. So that all servers open what one of
   * them seals, a secret is deployed in steps: `[null, first]`, `[first, null]`,
   * and `[first]` once `counters.resealed` no longer grows; a later one
   * `[old, new]`, `[new, old]`, `[new]`. A session that no entry opens is signed
   * out (event `"unopenable"`).
   *
   * Without `seal` they protect a rotation: a cookie whose secret was rotated
   * away leads to the new one with them alone.
   *
   * @default {[]} the key comes from the cookie alone
   */
  readonly secrets?: readonly (string | null)[] | undefined;
  /**
   * Whether what a request did is saved, by the answer of its handler, returned
   * or thrown. If not, no cookie leaves either. It is for `run` and `handler`;
   * `commit` does not ask.
   *
   * @default {(answer) => answer.status !== 0 && answer.status < 500}
   */
  readonly commitWhen?:
    | ((answer: { readonly status: number }) => boolean)
    | undefined;
  /**
   * Whether `X-Forwarded-Proto` tells if a request came over https. Only for
   * servers behind a proxy that always sets it: otherwise a client could.
   *
   * @default {false}
   */
  readonly trustProxy?: boolean | undefined;
  /**
   * How long an operation of the store may take, in milliseconds, and each step
   * of a listing; the wait for an exclusive lock has `lockTimeout`. More is a
   * `SessionStoreTimeoutError`: a commit may have been kept, or may be yet, and
   * is not tried again. `Infinity` bounds nothing. It does not end a hung disk
   * under the directory store or SQLite, whose calls are synchronous.
   *
   * @default {10000}
   */
  readonly storeTimeout?: number | undefined;
  /**
   * Is called with what `run` and `handler` cannot throw, after what the manager
   * does about it. It changes nothing: what it throws, or rejects with, goes to
   * `console.error`.
   *
   * @default {undefined} `"misconfigured"` goes to `console.warn`, the others
   * are not reported
   */
  readonly onEvent?: ((event: SessionEvent) => void) | undefined;
  /**
   * Tells the time, in whole ms since the epoch; a test passes its own.
   *
   * @default {Date.now}
   */
  readonly now?: (() => number) | undefined;
}

/** The options of a manager, checked and completed, and what it counts. */
export interface ManagerSettings {
  readonly store: ManagedStore;
  readonly transport: Transport;
  /** Of a new session. */
  readonly lifetime: SessionLifetime;
  readonly touchAfter: number;
  readonly rotateEvery: number;
  readonly rotateGrace: number;
  readonly endOnReuse: boolean;
  /** Missing where sessions are not bound to devices. */
  readonly device: DeviceSettings | undefined;
  /** The server's, one at least. */
  readonly secrets: readonly ServerSecret[];
  readonly recordFormat: RecordFormat;
  readonly types: TypesCodec | undefined;
  readonly onInvalid: "new" | "throw";
  /** Of a request that does not say otherwise. */
  readonly isolation: IsolationSettings;
  readonly counters: Counters;
  readonly commitWhen: (answer: { readonly status: number }) => boolean;
  /** Tells what operations come to, if anything listens. */
  readonly observe: Observe;
  /** Tells `onEvent`; never throws. */
  readonly report: (event: SessionEvent) => void;
  readonly now: () => number;
}

const ACT = "Cannot manage sessions:";
const MINUTE = 60_000;
const SHORTEST_SECRET = 32;
/** What a record holds beside the data: user, label, secrets, times; in bytes. */
const REST_OF_RECORD = 4 * 1024;

/**
 * Checks a manager's options and completes them.
 *
 * @param options The options.
 * @throws {TypeError} If an option is not of its type, browsers would refuse
 * such a cookie, or the store cannot isolate like that.
 * @throws {RangeError} If a number is out of bounds.
 */
export function resolveManagerOptions(
  options: SessionManagerOptions,
): ManagerSettings {
  const { store, cookie, transport = "cookie", trustProxy = false } = options;
  const { idleTimeout, absoluteTimeout, untilBrowserCloses } = options;
  const { rotateEvery = Infinity, rotateGrace = 30_000 } = options;
  const { endOnReuse = false, seal = false, secrets = [] } = options;
  const { types, onInvalid = "new", onEvent, now = Date.now } = options;
  const { deviceBound } = options;
  const { commitWhen = isSuccess, storeTimeout = 10_000 } = options;
  if (typeof store?.load !== "function") {
    throw new TypeError(`${ACT} the store is missing`);
  }
  const lifetime = { idleTimeout, absoluteTimeout, untilBrowserCloses };
  checkLifetime(lifetime, "manage sessions");
  const most = accuracyOf(idleTimeout);
  const { touchAfter = idleTimeout === undefined ? MINUTE : most } = options;
  checkNumber(touchAfter, `${ACT} touchAfter`, { most });
  checkNumber(rotateEvery, `${ACT} rotateEvery`, { least: 1 });
  checkNumber(rotateGrace, `${ACT} rotateGrace`, {
    most: Number.MAX_SAFE_INTEGER,
  });
  checkNumber(storeTimeout, `${ACT} storeTimeout`, { least: 1 });
  checkSecrets(secrets);
  if (typeof commitWhen !== "function") {
    throw new TypeError(`${ACT} commitWhen is not a function`);
  }
  const ours = secrets.length === 0 ? [null] : [...secrets];
  const sealing = { isOn: seal, secrets: ours };
  const { largestRecord = Infinity } = store;
  const room = largestRecord - REST_OF_RECORD;
  // What is sealed is encoded as base64.
  const data = resolveDataOptions(options, seal ? room * 3 / 4 : room);
  const report = reporterOf(onEvent);
  const bounded = boundStore(store, storeTimeout);
  const observe = observerOf(options);
  const resolved = resolveTransport(
    transport,
    cookie,
    trustProxy,
    (problem) => report({ type: "misconfigured", problem }),
  );
  return {
    store: observe ? new ObservedStore(bounded, observe) : bounded,
    transport: resolved,
    device: deviceBound && resolveDeviceBound(deviceBound, {
      transport: resolved,
      isPartitioned: cookie?.partitioned ?? false,
      isSealed: seal,
      isLimited: (idleTimeout ?? absoluteTimeout) !== undefined,
      rotateGrace,
    }),
    lifetime,
    touchAfter,
    rotateEvery,
    rotateGrace,
    endOnReuse,
    secrets: ours,
    recordFormat: new RecordFormat(data, sealing, now),
    types,
    onInvalid,
    isolation: resolveIsolation(store, options),
    counters: startCounting(),
    commitWhen,
    observe: observe ?? ((_name, act) => act()),
    report,
    now,
  };
}

/** A framework makes a response of the error of a handler. */
function isSuccess({ status }: { readonly status: number }): boolean {
  return status !== 0 && status < 500;
}

function checkSecrets(secrets: readonly unknown[]): void {
  const isList = Array.isArray(secrets) &&
    secrets.every((secret) =>
      secret === null ||
      typeof secret === "string" && secret.length >= SHORTEST_SECRET
    );
  if (isList) return;
  throw new TypeError(
    `${ACT} secrets is not a list of strings of at least ${SHORTEST_SECRET} characters, or null`,
  );
}
