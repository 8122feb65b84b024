import { bad, durationOf, type Finding, ok, Tally, warn } from "./finding.ts";
import { expiryOf, isExpired, type SessionRecord } from "./record.ts";
import { isRevocationId } from "./revocation.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Counts what an inspection sees of the records of a store. */
export class SessionCensus {
  readonly #now: number;
  /** Of what no record can be read. */
  readonly unreadable: Tally = new Tally();
  /** Of a later version. */
  readonly newer: Tally = new Tally();
  readonly #moving = new Tally();
  readonly #future = new Tally();
  #live = 0;
  #expired = 0;
  #longExpired = 0;
  #furthest = 0;

  /** @param now In ms since the epoch. */
  constructor(now: number) {
    this.#now = now;
  }

  /** Counts a record; `true` if it is of a live session. */
  add(id: string, record: SessionRecord, lastAccess: number): boolean {
    const ahead = Math.max(lastAccess, record.createdAt) - this.#now;
    if (ahead > MINUTE) {
      this.#future.add(id);
      this.#furthest = Math.max(this.#furthest, ahead);
    }
    if (isExpired(record, lastAccess, this.#now)) {
      this.#expired++;
      const expiry = expiryOf(record, lastAccess);
      if (expiry !== null && expiry < this.#now - DAY) this.#longExpired++;
      return false;
    }
    if (isRevocationId(id)) return false;
    this.#live++;
    if (record.isMoving) this.#moving.add(id);
    return true;
  }

  /** Says what was counted. */
  *findings(): Generator<Finding> {
    const expired = `${this.#live} live, ${this.#expired} expired`;
    yield this.#longExpired > 0
      ? warn(
        "sessions",
        `${expired}, ${this.#longExpired} of them over a day ago`,
        "no cleanup is at work: call `cleanup` each hour, as by cron",
      )
      : ok("sessions", expired);
    yield this.unreadable.count > 0
      ? bad(
        "records",
        this.unreadable.describe("is unreadable", "are unreadable"),
        "these visitors are signed out: look for a failing disk, and for other programs that write there",
      )
      : ok("records", "all can be read");
    if (this.newer.count > 0) {
      yield warn(
        "versions",
        this.newer.describe(
          "is of a later version",
          "are of a later version",
        ),
        "update this server, or wait for the end of a deploy",
      );
    }
    if (this.#future.count > 0) {
      const of = this.#future.describe(
        "was written in the future",
        "were written in the future",
      );
      yield warn(
        "times",
        `${of} (up to ${durationOf(this.#furthest)})`,
        "this clock is behind, or that of another server was ahead: set both",
      );
    }
    if (this.#moving.count > 0) {
      yield warn(
        "migration",
        this.#moving.describe(
          "is on its way to another store",
          "are on their way to another store",
        ),
        "call `migrate` again, with the same two stores",
      );
    }
  }
}
