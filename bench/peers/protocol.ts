/*
 * What the processes of the contestants are asked, and what they answer. There
 * is one runner for each language: runner.ts (Deno and Node), runner.php,
 * runner.py. Requests come on stdin, a line of JSON each, answers go to stdout,
 * see Child. The first answer, to no request, says that the runner is ready; it
 * ends with its stdin.
 *
 *   runner.ts MODULE NAME WORKLOAD     an adapter's module and its name; a
 *                                      `Workload` in a file
 *
 * The rules are the same in each language:
 *
 *   walk     operation s of a run is on session steps[s % steps.length] %
 *            sessions; s begins at 1009 × turn. In "many" it is on session
 *            (s × 0x9e3779b1 mod 2³²) % sessions, which leaves none out
 *   choice   loads are chance(90) of "mixed" and chance(50) of "race", where
 *            chance is steps[c++ % steps.length] % 100 < percent, and c begins
 *            at 1013 × turn + 7919
 *   value    as `valueOf` makes it, which cuts changes × 5 mod 8 characters off
 *            the note; save number k of a run writes turn + k changes
 *   whole    as `isWhole` judges it, after every read
 *   IDs      those of the workload, or `nameOf(n)` where there are many
 *   time     a run ends with the first operation that ends after
 *            `milliseconds`, and begins at `at`, if that is given
 */

/** What can be measured; "many" are loads among very many sessions. */
export type Column =
  | "load"
  | "touch"
  | "save"
  | "update"
  | "mixed"
  | "race"
  | "clean"
  | "many";

/** A request. `size` is the number of one of the values. */
export type Request =
  /** Opens a directory and saves so many sessions; answers `Column[]`. */
  | {
    readonly act: "open";
    readonly size: number;
    readonly directory: string;
    readonly sessions: number;
  }
  /** Works for so long on so many sessions; answers a `Tally`. */
  | {
    readonly act: "run";
    readonly column: Exclude<Column, "clean">;
    readonly size: number;
    readonly sessions: number;
    readonly turn: number;
    readonly milliseconds: number;
    /** In milliseconds since the epoch. */
    readonly at?: number;
  }
  /** Reads how often each was changed; `null` for one that is not whole. */
  | {
    readonly act: "count";
    readonly size: number;
    readonly sessions: number;
  }
  /** Makes the sessions from `nameOf(from)` to before `nameOf(to)`. */
  | {
    readonly act: "fill";
    readonly size: number;
    readonly from: number;
    readonly to: number;
    readonly isExpired: boolean;
  }
  /** Deletes those that are expired; answers a `Cleanup`. */
  | { readonly act: "clean"; readonly size: number };

/** What was done in a run. */
export interface Tally {
  /** How many operations succeeded. */
  ops: number;
  /** How long they took, in milliseconds. */
  milliseconds: number;
  /** How many reads gave nothing, or not the whole value of its owner. */
  corrupt: number;
  /** How many changes were refused. */
  failed: number;
  /** The first thing that went wrong. */
  trouble?: string | null;
  /** For each session how many updates succeeded; in a race only. */
  updates?: number[];
}

/** How a cleanup went. */
export interface Cleanup {
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
  /** The longest time in which nothing else could run, in milliseconds. */
  readonly pause: number;
  /** How much of it the deletions themselves took, if known. */
  readonly deleting?: number | null;
  /** How many are left, where that is not the number of files. */
  readonly left?: number | null;
}
