/**
 * How often what happened to the sessions of a manager since it was made. A
 * commit is what changes a session; a rotation of its secret alone is none.
 */
export interface SessionCounters {
  /** Commits that the store acknowledged. */
  readonly commits: number;
  /**
   * Those of them that changed a session which another request had changed
   * since theirs opened it. Both changes are in it.
   */
  readonly merged: number;
  /** Commits that were refused, because the session was gone. */
  readonly refused: number;
  /** Commits under the isolation `strict` that failed with a conflict. */
  readonly conflicts: number;
  /** Requests under the isolation `exclusive` that had to wait for another. */
  readonly lockWaits: number;
}

/** {@linkcode SessionCounters}, for who counts. */
export type Counters = { -readonly [Name in keyof SessionCounters]: number };

/** Begins with nothing. */
export function startCounting(): Counters {
  return { commits: 0, merged: 0, refused: 0, conflicts: 0, lockWaits: 0 };
}
