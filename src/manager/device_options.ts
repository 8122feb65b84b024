import { checkNumber } from "../core/checks.ts";
import type { SessionRecord } from "../core/record.ts";
import { hashSecret } from "../core/token.ts";
import type { BoundCookie } from "../device/headers.ts";
import type { DeviceAlgorithm } from "../device/proof.ts";
import type { SessionRequest, Transport } from "../http/transport.ts";
import { cookieAge, instantAfter } from "../session/lifetime.ts";

/**
 * How sessions are bound to the device of the browser; see
 * {@linkcode SessionManagerOptions.deviceBound}.
 *
 * @experimental The specification is a draft, and may change in browsers.
 */
export interface DeviceBoundOptions {
  /**
   * Where browsers register a key and prove that they have it, as they see it. A
   * `POST` to this path, or to a session ID below it, is answered by the manager.
   * It lies within the path of the cookie.
   *
   * @default {"/device-session"}
   */
  readonly path?: string | undefined;
  /**
   * How long a cookie is good after a proof, in milliseconds, from 300000 up: a
   * browser begins to refresh two minutes before the end, and signs at most six
   * times in nine minutes.
   *
   * @default {600000}
   */
  readonly refreshEvery?: number | undefined;
  /**
   * How a browser may sign; it chooses one of them.
   *
   * @default {["ES256", "RS256"]}
   */
  readonly algorithms?: readonly ("ES256" | "RS256")[] | undefined;
}

/** {@linkcode DeviceBoundOptions}, checked and completed. */
export interface DeviceSettings {
  readonly path: string;
  readonly refreshEvery: number;
  readonly algorithms: readonly DeviceAlgorithm[];
  readonly cookie: BoundCookie;
  /** Tells whether a request came over https. */
  readonly isHttps: (request: SessionRequest) => boolean;
}

/** What else a manager has, if its sessions are to be bound. */
interface Surroundings {
  readonly transport: Transport;
  readonly isPartitioned: boolean;
  readonly isSealed: boolean;
  /** Whether sessions expire. */
  readonly isLimited: boolean;
  /** How long the secret before stays good, in milliseconds. */
  readonly rotateGrace: number;
}

const ACT = "Cannot bind sessions to devices:";
const PATH = /^(?:\/[\w.~-]+)+$/;
const ALGORITHMS: readonly DeviceAlgorithm[] = ["ES256", "RS256"];
const SHORTEST = 300_000;
/** A browser registers at once; a chip may take seconds to make a key. */
const OFFER_LASTS = 300_000;

/**
 * Checks how sessions are to be bound.
 *
 * @throws {TypeError} If an option is not of its type, or the others leave no
 * cookie that a browser could refresh.
 * @throws {RangeError} If `refreshEvery` is too short, or the grace longer.
 */
export function resolveDeviceBound(
  options: DeviceBoundOptions,
  surroundings: Surroundings,
): DeviceSettings {
  const { transport, isPartitioned, isSealed, isLimited } = surroundings;
  const { path = "/device-session", refreshEvery = 600_000 } = options;
  const { algorithms = ALGORITHMS } = options;
  const { cookie, isHttps } = transport;
  if (cookie === undefined || isHttps === undefined) {
    throw new TypeError(`${ACT} deviceBound needs the transport "cookie"`);
  }
  check(!isPartitioned, "browsers refresh no cookie that is partitioned");
  check(cookie.secure !== false, "browsers need https, and secure is false");
  check(!isSealed, "a proof replaces the cookie's secret, which seal needs");
  check(
    isLimited,
    "set idleTimeout or absoluteTimeout, so that the cookie has an age",
  );
  check(
    typeof path === "string" && PATH.test(path),
    'path is not of the form "/device-session"',
  );
  check(
    path.startsWith(cookie.path.replace(/\/?$/, "/")),
    "path is not within that of the cookie",
  );
  const isList = Array.isArray(algorithms) && algorithms.length > 0 &&
    algorithms.every((name) => ALGORITHMS.includes(name));
  check(isList, 'algorithms is not a list of "ES256" and "RS256"');
  checkNumber(refreshEvery, `${ACT} refreshEvery`, {
    least: SHORTEST,
    isWhole: true,
  });
  // A stolen cookie is good for the sum of both.
  checkNumber(surroundings.rotateGrace, `${ACT} rotateGrace`, {
    most: refreshEvery,
  });
  const { name, domain, path: cookiePath, attributes } = cookie;
  return {
    path,
    refreshEvery,
    algorithms: [...algorithms],
    cookie: {
      name,
      domain,
      path: cookiePath,
      attributes: `${attributes.replace("; ", "")}; Secure`,
    },
    isHttps,
  };
}

/**
 * Offers to the browser of a session to register a key, in the record.
 *
 * @param device Missing where sessions are not bound.
 * @param request The request that is answered.
 * @param record The record of a user who signs in.
 * @param secret The secret of the offer.
 * @param now In ms since the epoch.
 * @returns The same record where the browser could not refresh the cookie: over
 * plain http, or where it is to forget the cookie when it closes.
 */
export function offerDevice(
  device: DeviceSettings | undefined,
  request: SessionRequest,
  record: SessionRecord,
  secret: string,
  now: number,
): SessionRecord {
  const isPossible = device !== undefined && device.isHttps(request) &&
    cookieAge(record, now) !== undefined;
  if (!isPossible) return record;
  const until = instantAfter(now, OFFER_LASTS);
  return { ...record, deviceOffer: { hash: hashSecret(secret), until } };
}

function check(isValid: boolean, problem: string): void {
  if (!isValid) throw new TypeError(`${ACT} ${problem}`);
}
