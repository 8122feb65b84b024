import type { SessionRecord } from "../core/record.ts";
import { checkDuration, instantAfter } from "./lifetime.ts";

/** What `set` of a session takes. */
export interface SetOptions {
  /**
   * How long the key lives, in milliseconds. After it the key reads as absent,
   * and the next commit drops it.
   *
   * @default {undefined} as long as the session
   */
  readonly ttl?: number | undefined;
}

/**
 * Tells when a key that is set now ends.
 *
 * @param options What was asked for.
 * @param now In ms since the epoch.
 * @returns In ms since the epoch; `undefined` for never.
 * @throws {TypeError} If the time to live is no number.
 * @throws {RangeError} If it is not whole milliseconds above 0.
 */
export function expiryAfter(
  { ttl }: SetOptions,
  now: number,
): number | undefined {
  checkDuration(ttl, "Cannot set a key: ttl");
  return ttl && instantAfter(now, ttl);
}

/**
 * Takes the keys that are over out of a record, and the ends of keys that it
 * does not hold.
 *
 * @param record The record, in clear.
 * @param now In ms since the epoch.
 */
export function dropExpired(record: SessionRecord, now: number): SessionRecord {
  if (record.keyExpiry === undefined) return record;
  const { keyExpiry, ...rest } = record;
  const ends = Object.entries(keyExpiry)
    .filter(([key]) => Object.hasOwn(rest.data, key));
  const left = ends.filter(([, end]) => now < end);
  const over = new Set(
    ends.filter(([, end]) => now >= end).map(([key]) => key),
  );
  const data = over.size === 0 ? rest.data : Object.fromEntries(
    Object.entries(rest.data).filter(([key]) => !over.has(key)),
  );
  return {
    ...rest,
    data,
    ...(left.length > 0 && { keyExpiry: Object.fromEntries(left) }),
  };
}
