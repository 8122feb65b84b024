import type { SessionRecord } from "../core/record.ts";

/**
 * How long a session lives, and how long the browser keeps its cookie. The
 * record carries it: what a manager is given is for the sessions that begin
 * later, what `setLifetime` is given for one session from then on.
 */
export interface SessionLifetime {
  /**
   * How long after its last access it ends, in milliseconds.
   *
   * @default {undefined} never, or when somebody deletes old sessions
   */
  readonly idleTimeout?: number | undefined;
  /**
   * How long from its beginning, or from `setLifetime`, it ends, however busy
   * it is, in milliseconds.
   *
   * @default {undefined} never
   */
  readonly absoluteTimeout?: number | undefined;
  /**
   * Whether the browser forgets the cookie when it closes. Otherwise it keeps
   * it as long as the session can live: the `Max-Age` is what is left, and sent
   * again when a tenth of the idle timeout is over.
   *
   * @default {false} forgotten only where neither timeout is set
   */
  readonly untilBrowserCloses?: boolean | undefined;
}

/** The members of a record that a lifetime decides. */
type Life = Pick<
  SessionRecord,
  "expiresAt" | "idleTimeout" | "untilBrowserCloses"
>;

/** An idle timeout in tenths: how exact a last access and a cookie's age are. */
export const TENTHS = 10;

/**
 * Checks a lifetime.
 *
 * @param lifetime What was asked for.
 * @param act What it is for, for the message: `Cannot <act>: …`.
 * @throws {TypeError} If a duration is no number, or `untilBrowserCloses` is
 * neither `true` nor `false`.
 * @throws {RangeError} If a duration is not whole milliseconds above 0.
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

/**
 * Checks a duration.
 *
 * @param value Any value at all; `undefined` is none, and fine.
 * @param what What it is, for the message.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is not whole milliseconds above 0.
 */
export function checkDuration(value: unknown, what: string): void {
  if (value === undefined) return;
  if (typeof value !== "number") {
    throw new TypeError(`${what} is not a number of milliseconds`);
  }
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${what} is not whole milliseconds above 0`);
  }
}

/**
 * Tells when a duration is over, as a record can keep it.
 *
 * @param from In ms since the epoch.
 * @param duration In milliseconds, from 0 up; it may be huge, or a fraction.
 */
export function instantAfter(from: number, duration: number): number {
  return Math.min(Math.ceil(from + duration), Number.MAX_SAFE_INTEGER);
}

/**
 * Makes of a lifetime what a record keeps.
 *
 * @param lifetime How long it lives.
 * @param from When that begins, in ms since the epoch.
 */
export function beginLife(lifetime: SessionLifetime, from: number): Life {
  const { idleTimeout, absoluteTimeout, untilBrowserCloses } = lifetime;
  return {
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(absoluteTimeout !== undefined &&
      { expiresAt: instantAfter(from, absoluteTimeout) }),
    ...(untilBrowserCloses === true && { untilBrowserCloses }),
  };
}

/**
 * Gives a record another lifetime.
 *
 * @param record The record.
 * @param life What a record keeps of it.
 */
export function changeLife(record: SessionRecord, life: Life): SessionRecord {
  const {
    expiresAt: _expiresAt,
    idleTimeout: _idleTimeout,
    untilBrowserCloses: _untilBrowserCloses,
    ...rest
  } = record;
  return { ...rest, ...life };
}

/**
 * Tells how long the browser is to keep the cookie of a session that is
 * accessed now: as long as it can live.
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
  return record.untilBrowserCloses || age === Infinity ? undefined : age;
}

/**
 * Tells whether the browser would forget the cookie too early: it was sent so
 * long ago that a tenth of the idle timeout is over, and it may live longer.
 *
 * @param record The record.
 * @param sentAt When, at the latest, the cookie was sent, in ms since the epoch.
 * @param now In ms since the epoch.
 */
export function isCookieStale(
  record: SessionRecord,
  sentAt: number,
  now: number,
): boolean {
  const { idleTimeout, expiresAt = Infinity, untilBrowserCloses } = record;
  if (idleTimeout === undefined || untilBrowserCloses) return false;
  // Below 0 the clock was set back.
  const age = now - sentAt;
  const isDue = age < 0 || age >= idleTimeout / TENTHS;
  return isDue && sentAt + idleTimeout < expiresAt;
}
