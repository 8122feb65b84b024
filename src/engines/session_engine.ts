import type { StoreWarning } from "../core/store.ts";

/** A session as an engine has it. */
export interface EngineRow {
  /** The record, as the store wrote it. */
  readonly json: string;
  /** When it was last accessed, in ms since the epoch. */
  readonly lastAccess: number;
  /**
   * Differs after each write, and is the same after a touch. The store only
   * hands it back, so it may hold whatever the engine needs of this row.
   */
  readonly revision: unknown;
}

/** What an engine changes when a session is accessed. */
export interface EngineAccess {
  /** When, in ms since the epoch. */
  readonly lastAccess: number;
  /**
   * When the session expires unless it is accessed again, in ms since the
   * epoch; `null` for never.
   */
  readonly expiry: number | null;
}

/** What an engine is given to keep. */
export interface NewEngineRow extends EngineAccess {
  /** The record as text. */
  readonly json: string;
  /** The number of this write, see {@linkcode SessionEngine}. */
  readonly revision: number;
  /**
   * When the session expires even if it is accessed, in ms since the epoch;
   * `null` for never.
   */
  readonly expiresAt: number | null;
  /** A short hash of its user, by which an index finds it; `null` for no user. */
  readonly tag: string | null;
}

/** Which sessions a cleanup deletes. */
export interface OldSessions {
  /** Those that had expired at this instant, in ms since the epoch. */
  readonly expiredAt: number;
  /** Of those that never expire, the ones not accessed since, in the same unit. */
  readonly unusedSince: number;
}

/**
 * What an engine does for an {@linkcode EngineSessionStore}. Each call is one
 * step that nothing else cuts into, however many processes are connected. What
 * a session is, and what comes before and after a call, is the store's concern.
 *
 * `expected` is a row as `read` returned it: a call that is given one does
 * nothing when the engine has no row by now, or one of another revision.
 *
 * Each try to write or to remove has a number: random, whole, from 0 up to
 * 2 ** 53. No other has had it. A client that lost its connection may send a
 * command again that was carried out; an engine with such clients knows it by
 * that, and answers as it did the first time.
 *
 * A failure is thrown as it comes. An engine in this process may answer without
 * a promise; the operations of the store then do not wait for each other.
 */
export interface SessionEngine {
  /**
   * Creates what is missing of tables and the like. Idempotent; the store calls
   * it before anything else.
   *
   * @param warn Takes problems that fail no answer, now and later: an index
   * that could not be written when the session was.
   */
  setup(warn: (warning: StoreWarning) => void): Promise<void> | void;

  /**
   * Whether a change would have to wait just now, for the application that uses
   * the same handle. A read then goes on without the changes that it can do
   * without.
   */
  readonly isBusy?: boolean | undefined;

  /** Reads a row. */
  read(id: string): Promise<EngineRow | undefined> | EngineRow | undefined;

  /**
   * Writes a row in the place of another, or where there is none.
   *
   * @param expected What is replaced; `undefined` when there must be none.
   * @param isUntouched Whether it must not have been accessed since either.
   * @returns `false`, and nothing changed, when that is not what is there.
   */
  replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
    isUntouched?: boolean,
  ): Promise<boolean> | boolean;

  /**
   * Marks a session accessed, at no cost that grows with what it holds. A touch
   * that is late must not move the last access back: it raises that of this
   * revision, and lowers only the one that was read, which then lies in the
   * future. It prolongs nothing once the end that was read has passed.
   *
   * @param expected What was read.
   * @returns `false`, and nothing changed, when that is not what is there or has
   * ended. An engine may also refuse a session that was accessed since.
   */
  touch(
    id: string,
    access: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> | boolean;

  /**
   * Removes a row.
   *
   * @param expected What to remove, if it was not accessed since either;
   * without it, whatever is there.
   * @param number The number of this removal.
   * @returns What was removed.
   */
  remove(
    id: string,
    expected: EngineRow | undefined,
    number: number,
  ): Promise<EngineRow | undefined> | EngineRow | undefined;

  /**
   * Streams rows, a bounded number at a time, in no order.
   *
   * @param tag Streams the rows with this tag only, which an index finds.
   */
  rows(
    tag: string | undefined,
  ): AsyncIterable<readonly [id: string, row: EngineRow]>;

  /**
   * Finds old sessions by an index. An engine without one leaves it out; the
   * store then reads all rows, and removes each that is old.
   */
  readonly cleaner?: EngineCleaner | undefined;
}

/** How an engine with an index deletes old sessions. */
export interface EngineCleaner {
  /** Counts all rows. */
  count(): Promise<number> | number;

  /** Counts the rows that are old. */
  countOld(old: OldSessions): Promise<number> | number;

  /** The most rows it deletes at a time: as many as are deleted quickly. */
  readonly atATime: number;

  /**
   * Deletes some of the rows that are old, but none whose JSON begins with a
   * `format`: a later version wrote it; nor the unreadable mark of a revocation,
   * a row whose ID begins with `user-`: it keeps a user's sessions shut.
   *
   * @param most How many at most, up to `atATime`.
   * @returns How many; fewer than `most` when there are no more.
   */
  deleteSome(old: OldSessions, most: number): Promise<number> | number;

  /** Gives room back, once a cleanup has deleted what it was to. */
  finish?(): Promise<void> | void;
}

const NUMBERS = 2 ** 53;

/** Makes the number of a write or of a removal. */
export function makeNumber(): number {
  return Math.floor(Math.random() * NUMBERS);
}

/** How much longer than its life a row is kept, for clocks that differ, in ms. */
export const SLACK: number = 60 * 60 * 1000;
/** A century: any engine can keep a row as long. */
const LONGEST_LIFE = 100 * 365 * 24 * 60 * 60 * 1000;

/**
 * Tells how long an engine is to keep a row that it deletes by itself. That
 * only makes room: whether a session has expired is decided when it is read, so
 * an hour more does no harm.
 *
 * @param expiry When the session expires, in ms since the epoch; `null`, never.
 * @returns Whole milliseconds from now; `undefined`, for ever.
 */
export function expireIn(expiry: number | null): number | undefined {
  if (expiry === null) return undefined;
  const life = Math.max(expiry - Date.now(), 0);
  return life > LONGEST_LIFE ? undefined : Math.ceil(life) + SLACK;
}
