/*
 * How long a session lives, how long the browser keeps its cookie, and how long
 * a key lives.
 */
import { checkNumber } from "../core/checks.ts";
import type { SessionRecord } from "../core/record.ts";

/**
 * How long a session lives, and how long the browser keeps its cookie. The
 * record carries it: the manager's lifetime is for sessions that begin later,
 * that of `setLifetime` for one session from then on.
 */
export interface SessionLifetime {
  /**
   * How long after its last access a session expires, in milliseconds.
   *
   * @default {undefined} never; a cleanup of old sessions may delete it
   */
  readonly idleTimeout?: number | undefined;
  /**
   * How long after its beginning, `setLifetime` or the last `setUser` a session
   * expires, however often it is accessed, in milliseconds.
   *
   * @default {undefined} never
   */
  readonly absoluteTimeout?: number | undefined;
  /**
   * Whether the browser forgets the cookie when it closes. Otherwise it keeps
   * the cookie as long as the session can live: `Max-Age` is the rest of that
   * time, 400 days at most, and is sent again when a tenth of the idle timeout,
   * or of 400 days, has passed.
   *
   * @default {false} forgotten only where neither timeout is set
   */
  readonly untilBrowserCloses?: boolean | undefined;
}

/** What `set` of a session takes. */
export interface SetOptions {
  /**
   * How long the key lives, in milliseconds. After it the key reads as missing,
   * and the next commit removes it.
   *
   * @default {undefined} as long as the session
   */
  readonly ttl?: number | undefined;
}

/**
 * Checks a lifetime.
 *
 * @param lifetime The lifetime.
 * @param act What it is for, for the message: `Cannot <act>: …`.
 * @throws {TypeError} If a member is not of its type.
 * @throws {RangeError} If a duration is not a whole number from 1 up.
 */
export function checkLifetime(lifetime: SessionLifetime, act: string): void {
  const { idleTimeout, absoluteTimeout, untilBrowserCloses } = lifetime;
  checkDuration(idleTimeout, `Cannot ${act}: idleTimeout`);
  checkDuration(absoluteTimeout, `Cannot ${act}: absoluteTimeout`);
  if (!["boolean", "undefined"].includes(typeof untilBrowserCloses)) {
    throw new TypeError(
      `Cannot ${act}: untilBrowserCloses is neither true nor false`,
    );
  }
}

function checkDuration(value: unknown, what: string): void {
  if (value !== undefined) {
    checkNumber(value, what, { least: 1, isWhole: true });
  }
}

/**
 * Adds a duration to an instant, as a record can keep it.
 *
 * @param from In ms since the epoch.
 * @param duration In milliseconds, from 0 up; it may be huge, or a fraction.
 */
export function instantAfter(from: number, duration: number): number {
  return Math.min(Math.ceil(from + duration), Number.MAX_SAFE_INTEGER);
}

/**
 * Makes what gives a record a lifetime, in place of the one it has.
 *
 * @param lifetime How long the session lives.
 * @param from When that begins, in ms since the epoch.
 */
export function changeLifetime(
  lifetime: SessionLifetime,
  from: number,
): (record: SessionRecord) => SessionRecord {
  checkLifetime(lifetime, "set the lifetime");
  const { idleTimeout, absoluteTimeout, untilBrowserCloses } = lifetime;
  const members = {
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(absoluteTimeout !== undefined &&
      { absoluteTimeout, expiresAt: instantAfter(from, absoluteTimeout) }),
    ...(untilBrowserCloses === true && { untilBrowserCloses }),
  };
  return (record) => {
    const {
      absoluteTimeout: _absoluteTimeout,
      expiresAt: _expiresAt,
      idleTimeout: _idleTimeout,
      untilBrowserCloses: _untilBrowserCloses,
      ...rest
    } = record;
    return { ...rest, ...members };
  };
}

/** Lets the absolute timeout of a record begin anew. */
export function restartLifetime(
  record: SessionRecord,
  from: number,
): SessionRecord {
  const { absoluteTimeout } = record;
  return absoluteTimeout === undefined
    ? record
    : { ...record, expiresAt: instantAfter(from, absoluteTimeout) };
}

/**
 * Tells how exact a last access and the age of a cookie are: a tenth of the
 * idle timeout.
 */
export function accuracyOf(idleTimeout: number = Infinity): number {
  return idleTimeout / 10;
}

/** Tells whether a time has passed, also when the clock was set back meanwhile. */
function hasPassed(
  duration: number,
  since: number,
  now: number,
): boolean {
  return now < since || now - since >= duration;
}

/**
 * Tells whether a session is to be marked accessed again.
 *
 * @param touchAfter How old the last access must be at least, in milliseconds;
 * a tenth of the record's idle timeout is always enough.
 * @param record Its record.
 * @param lastAccess When it was last accessed, in ms since the epoch.
 * @param now In ms since the epoch.
 */
export function isTouchDue(
  touchAfter: number,
  { idleTimeout }: SessionRecord,
  lastAccess: number,
  now: number,
): boolean {
  const due = Math.min(touchAfter, accuracyOf(idleTimeout));
  return hasPassed(due, lastAccess, now);
}

/** When the cookie was sent, where it could not be. */
const NEVER = 0;
/** What browsers make of a longer `Max-Age` (RFC 6265bis, 5.5). */
const LONGEST_COOKIE = 400 * 24 * 60 * 60 * 1000;

/**
 * Tells how long the browser is to keep the cookie of a session that is
 * accessed now: as long as the session can live and browsers keep one.
 *
 * @param record The record.
 * @param now In ms since the epoch.
 * @returns Milliseconds; `undefined` for until the browser closes.
 */
export function cookieAge(
  record: SessionRecord,
  now: number,
): number | undefined {
  const { expiresAt = Infinity, idleTimeout = Infinity } = record;
  const age = Math.min(expiresAt - now, idleTimeout);
  return record.untilBrowserCloses || age === Infinity
    ? undefined
    : Math.min(age, LONGEST_COOKIE);
}

/**
 * Tells whether the browser would forget the cookie too early: it was sent a
 * tenth of its age ago, and the session may live longer than it.
 *
 * @param record The record.
 * @param now In ms since the epoch.
 */
export function isCookieStale(record: SessionRecord, now: number): boolean {
  const { idleTimeout = Infinity, expiresAt = Infinity } = record;
  const { cookieSentAt = record.createdAt } = record;
  if (cookieSentAt === NEVER) return true;
  if (cookieAge(record, now) === undefined) return false;
  const age = Math.min(idleTimeout, LONGEST_COOKIE);
  return hasPassed(accuracyOf(age), cookieSentAt, now) &&
    cookieSentAt + age < expiresAt;
}

/** Notes in a record that the cookie is sent now, where it has a `Max-Age`. */
export function noteCookie(record: SessionRecord, now: number): SessionRecord {
  if (cookieAge(record, now) !== undefined) {
    return { ...record, cookieSentAt: now };
  }
  if (record.cookieSentAt !== NEVER) return record;
  const { cookieSentAt: _, ...rest } = record;
  return rest;
}

/**
 * Notes in a record that the browser does not have the cookie of its lifetime:
 * the next request that can sends it.
 */
export function oweCookie(record: SessionRecord): SessionRecord {
  return { ...record, cookieSentAt: NEVER };
}

/**
 * Tells when a key that is set now expires.
 *
 * @param options How long it lives.
 * @param now In ms since the epoch.
 * @returns In ms since the epoch; `undefined` for never.
 * @throws {TypeError} If the time to live is not a number.
 * @throws {RangeError} If it is not a whole number from 1 up.
 */
export function keyExpiryOf(
  { ttl }: SetOptions,
  now: number,
): number | undefined {
  if (ttl === undefined) return undefined;
  checkDuration(ttl, "Cannot set a key: ttl");
  return instantAfter(now, ttl);
}

/**
 * Removes the keys of a record that have expired, and the expiry of keys that
 * it does not hold.
 *
 * @param record The record, in clear.
 * @param now In ms since the epoch.
 */
export function dropExpired(record: SessionRecord, now: number): SessionRecord {
  if (record.keyExpiry === undefined) return record;
  const { keyExpiry: before, ...rest } = record;
  const isLive = (key: string): boolean =>
    !Object.hasOwn(before, key) || now < before[key]!;
  const data = Object.fromEntries(
    Object.entries(rest.data).filter(([key]) => isLive(key)),
  );
  const keyExpiry = Object.fromEntries(
    Object.entries(before).filter(([key]) => Object.hasOwn(data, key)),
  );
  const isAny = Object.keys(keyExpiry).length > 0;
  return { ...rest, data, ...(isAny && { keyExpiry }) };
}
