import { checkNumber } from "./checks.ts";

/** A value that JSON holds without loss. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | JsonObject;

/** An object whose values JSON holds without loss. */
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * What a store keeps for a session ID: plain, readonly JSON. A store on its
 * own works with `data` and `createdAt` alone; the rest is the manager's, kept
 * beside `data` so that no key of the application can collide with it.
 *
 * The last access is not here: the store keeps it outside the record, so that
 * touching a session never rewrites it.
 */
export interface SessionRecord {
  /** What the application keeps. */
  readonly data: JsonObject;
  /** When the session began, in whole milliseconds since the epoch. */
  readonly createdAt: number;
  /** When it ends at the latest, in whole milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** How long after the last access it ends, in whole milliseconds. */
  readonly idleTimeout?: number;
  /** The SHA-256 of the cookie's secret, hex. */
  readonly secretHash?: string;
  /** When it got this secret, where it gets another from time to time. */
  readonly rotatedAt?: number;
  /** The secret before, for requests that still carry it. */
  readonly previous?: PreviousSecret;
  /** `data`, `flash` and `formTokens`, encrypted; they are empty then. */
  readonly sealed?: string;
  /** Who is logged in. */
  readonly user?: string;
  /** Since which revocation of that user's sessions; see `core/revocation.ts`. */
  readonly userGeneration?: number;
  /** What a list of the user's sessions calls this one. */
  readonly label?: string;
  /** Whether the browser is to forget the cookie when it closes. */
  readonly untilBrowserCloses?: boolean;
  /** When the browser was last sent its cookie, in whole ms since the epoch. */
  readonly cookieSentAt?: number;
  /** How many commits have changed it since it began, where any has. */
  readonly commits?: number;
  /** What one request leaves for the next to read once. */
  readonly flash?: JsonObject;
  /** Form tokens handed out and not yet used, oldest first. */
  readonly formTokens?: readonly string[];
  /** The keys of `data` whose value is a text of the codec for other types. */
  readonly typed?: readonly string[];
  /** The keys of `flash` whose value is one. */
  readonly typedFlash?: readonly string[];
  /** When keys of `data` end, in whole milliseconds since the epoch. */
  readonly keyExpiry?: { readonly [key: string]: number };
  /** The version of the application's `data`, from 1; `undefined` for none. */
  readonly dataVersion?: number;
}

/** A secret that was replaced, and the way from it to the new one. */
export interface PreviousSecret {
  /** Its SHA-256, hex. */
  readonly hash: string;
  /** Until when it is good, in whole milliseconds since the epoch. */
  readonly until: number;
  /** The new secret, encrypted under a key that comes from this one. */
  readonly sealed: string;
}

/** The part of a record that decides how long it lives. */
export type Lifetime = Pick<SessionRecord, "expiresAt" | "idleTimeout">;

/**
 * Tells whether a session is over: its absolute end has come, or nobody
 * accessed it for its idle timeout. At the very instant it is over. A last
 * access in the future, as a clock that was set back leaves, counts as live.
 *
 * @param lifetime The record, or the part of it that matters here.
 * @param lastAccess When it was last accessed, in ms since the epoch.
 * @param now The instant to judge for, in ms since the epoch.
 * @returns `true` when the session is over.
 */
export function isExpired(
  lifetime: Lifetime,
  lastAccess: number,
  now: number,
): boolean {
  const { expiresAt, idleTimeout } = lifetime;
  return (expiresAt !== undefined && now >= expiresAt) ||
    (idleTimeout !== undefined && now >= lastAccess + idleTimeout);
}

/**
 * Tells when a session is over if nobody accesses it again, in ms since the
 * epoch: the instant from which {@linkcode isExpired} says so.
 *
 * @param lifetime The record, or the part of it that matters here.
 * @param lastAccess When it was last accessed, in ms since the epoch.
 * @returns `null` when it is never over by itself.
 */
export function expiryOf(
  lifetime: Lifetime,
  lastAccess: number,
): number | null {
  const { expiresAt = Infinity, idleTimeout = Infinity } = lifetime;
  const end = Math.min(expiresAt, lastAccess + idleTimeout);
  return end > Number.MAX_SAFE_INTEGER ? null : end;
}

/**
 * Refuses what a store cannot take for a last access.
 *
 * @param lastAccess Any value at all; `undefined` stands for now.
 * @throws {TypeError | RangeError} If it is not a whole number from 0 up.
 */
export function checkLastAccess(lastAccess: unknown): void {
  if (lastAccess === undefined) return;
  checkNumber(lastAccess, "Cannot keep a session: lastAccess", {
    isWhole: true,
  });
}

/** Tells whether a cleanup deletes a session. */
export type CleanupRule = (
  lifetime: Lifetime,
  lastAccess: number,
  now: number,
) => boolean;

const MINUTE = 60 * 1000;

/**
 * Makes the rule of a cleanup: a session with a lifetime of its own goes when
 * it has expired, another when it was not accessed for `minutes`.
 *
 * @param minutes How long a session without a lifetime may lie unused.
 * @param grace How much longer than its time each is kept, in milliseconds.
 * @throws {TypeError | RangeError} If either is not a number from 0 up.
 */
export function cleanupRule(minutes: number, grace: number): CleanupRule {
  checkNumber(minutes, "Cannot clean up: minutes");
  checkNumber(grace, "Cannot clean up: grace");
  return (lifetime, lastAccess, now) => {
    const hasOwn = lifetime.expiresAt !== undefined ||
      lifetime.idleTimeout !== undefined;
    return hasOwn
      ? isExpired(lifetime, lastAccess, now - grace)
      : now - grace - lastAccess >= minutes * MINUTE;
  };
}
