/** A session as an engine has it. */
export interface EngineRow {
  /** The record, as `core/record.ts` writes it. */
  readonly json: string;
  /** When it was last accessed, in ms since the epoch. */
  readonly lastAccess: number;
  /**
   * Differs after each write, and is the same after a touch. The store only
   * hands it back, so it may hold whatever the engine needs of this row.
   */
  readonly revision: unknown;
}

/** What an engine marks when a session is accessed. */
export interface EngineAccess {
  /** When, in ms since the epoch. */
  readonly lastAccess: number;
  /** When the session is over if nobody does so again; `null` for never. */
  readonly expiry: number | null;
}

/** What an engine is given to keep. */
export interface NewEngineRow extends EngineAccess {
  /** The record as text. */
  readonly json: string;
  /** A number that no other row has had, from 0 up to 2 ** 53. */
  readonly revision: number;
  /** When the session is over in any case; `null` for never. */
  readonly expiresAt: number | null;
  /** The tag of its user, see `core/codec.ts`; `null` for nobody. */
  readonly tag: string | null;
}

/** Which sessions a cleaner is after. */
export interface OldSessions {
  /** Those that were over at this instant, in ms since the epoch. */
  readonly expiredAt: number;
  /** Of those that never end, who was not accessed since, in the same unit. */
  readonly unusedSince: number;
}

/**
 * What an engine does for an `EngineSessionStore`. Each call is one step that
 * nobody else cuts into, however many processes are connected; what comes
 * before and after it, and what a session is, is not the engine's business.
 *
 * `expected` is a row as `read` gave it: a step that is given one does nothing
 * when the engine by now has none, or one of another revision.
 *
 * A failure is thrown as it comes.
 */
export interface SessionEngine {
  /** Creates what is missing of tables and the like. Idempotent. */
  setup(): Promise<void> | void;

  /** Reads a row. */
  read(id: string): Promise<EngineRow | undefined> | EngineRow | undefined;

  /** Writes a row, whatever is there. */
  write(id: string, row: NewEngineRow): Promise<unknown> | void;

  /**
   * Writes a row in the place of another, or where there is none.
   *
   * @param expected What is replaced; `undefined`, there must be none.
   * @returns `false`, and nothing changed, when that is not what is there.
   */
  replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
  ): Promise<boolean> | boolean;

  /**
   * Marks a session accessed, at no cost that grows with what it holds.
   *
   * @param expected What was read, if nobody accessed it since either: one
   * access must not put back the other.
   * @returns `false`, and nothing changed, when that is not what is there.
   */
  touch(
    id: string,
    access: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> | boolean;

  /**
   * Removes a row.
   *
   * @param expected What to remove, if nobody accessed it since either;
   * without it, whatever is there.
   * @returns What was removed.
   */
  remove(
    id: string,
    expected?: EngineRow,
  ): Promise<EngineRow | undefined> | EngineRow | undefined;

  /**
   * Streams rows, a bounded number at a time, in no order.
   *
   * @param tag Those with this tag only, and by an index.
   */
  rows(
    tag: string | undefined,
  ): AsyncIterable<readonly [id: string, row: EngineRow]>;

  /**
   * Finds old sessions by an index. An engine without one leaves it out; it is
   * asked for all rows then, and to remove each that is old.
   */
  readonly cleaner?: EngineCleaner | undefined;
}

/** How an engine with an index deletes old sessions. */
export interface EngineCleaner {
  /** Counts all rows. */
  count(): Promise<number> | number;

  /** Counts those that are old. */
  countOld(old: OldSessions): Promise<number> | number;

  /** How many it deletes at a time at most: as many as are quickly done. */
  readonly atATime: number;

  /**
   * Deletes some of those that are old.
   *
   * @returns How many; fewer than `atATime` when there are no more.
   */
  deleteSome(old: OldSessions): Promise<number> | number;
}

/** For a clock of the engine, or of another machine, that differs. */
const SLACK = 60 * 60 * 1000;
/** No engine minds a century; a `Deno.Kv` minds three hundred millennia. */
const LONGEST = 100 * 365 * 24 * 60 * 60 * 1000;

/**
 * Tells how long an engine is to keep a row that it deletes by itself. That
 * only makes room: whether a session is over is decided when it is read, so an
 * hour more does no harm.
 *
 * @param expiry When the session is over, in ms since the epoch; `null`, never.
 * @returns In whole milliseconds from now, or `undefined` for ever.
 */
export function expireIn(expiry: number | null): number | undefined {
  if (expiry === null) return undefined;
  const life = Math.max(expiry - Date.now(), 0);
  return life > LONGEST ? undefined : Math.ceil(life) + SLACK;
}
