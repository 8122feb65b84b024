import { median } from "../median.ts";
import type { Adapter, Runtime } from "./contestant.ts";
import type { Tally } from "./protocol.ts";

/** What is measured in one process, with what the tables call it. */
export const COLUMNS = [
  ["load", "load"],
  ["touch", "load + touch"],
  ["save", "save"],
  ["update", "update"],
  ["mixed", "mixed 90/10, 32 flows"],
] as const;

/** One of these. */
export type MeasuredColumn = typeof COLUMNS[number][0];

/** What one contestant did in one column. */
export interface Cell {
  /** Operations per second, round by round. */
  readonly rounds: readonly number[];
  /** The middle of them. */
  readonly median: number;
  /** The middle of the ratios to the floor of the same round. */
  readonly ratio?: number;
  /** How many reads were empty, torn or another's, all rounds together. */
  readonly corrupt: number;
  /** How many changes were refused, all rounds together. */
  readonly failed: number;
  /** The first thing that went wrong. */
  readonly trouble?: string;
}

/** What four processes of one contestant did. */
export interface RaceCell extends Cell {
  /** How many updates were acknowledged. */
  readonly updates: number;
  /** How many of these were not there at the end. */
  readonly lost: number;
  /** How many sessions could not be read at the end. */
  readonly ruined: number;
}

/** How the cleanups of one contestant went. */
export interface CleanupCell {
  /** How many sessions there were, each time; half of them over. */
  readonly sessions: number;
  /** How many of them it went through in a second, round by round. */
  readonly rounds: readonly number[];
  /** The middle of these. */
  readonly median: number;
  /** The middle of the ratios to the floor of the same round. */
  readonly ratio?: number;
  /** The longest pause of the event loop, in milliseconds, round by round. */
  readonly pauses: readonly number[];
  /** The middle of these. */
  readonly pause: number;
  /** How much of the time the deletions themselves took, if it tells. */
  readonly deleting?: number;
  /** How many stayed that were over, or went that were not. */
  readonly wrong: number;
}

/** How fast one contestant loads among few sessions, and among very many. */
export interface ManyCell {
  /** How many are many. */
  readonly sessions: number;
  readonly few: Cell;
  /** Its ratio is that to the few. */
  readonly many: Cell;
}

/** The most memory that a process ever had, in bytes. */
export interface MemoryCell {
  /** Before the store was opened. */
  readonly empty: number;
  /** After the columns of the first size. */
  readonly peak: number;
}

/** What one contestant did. */
export interface Result {
  readonly name: string;
  readonly runtime: Runtime;
  readonly kind: Adapter["kind"];
  readonly note: string;
  readonly packages: Readonly<Record<string, string>>;
  /** By the title of the size, and the column. */
  readonly cells: Record<string, Partial<Record<MeasuredColumn, Cell>>>;
  race?: RaceCell;
  cleanup?: CleanupCell;
  many?: ManyCell;
  memory?: MemoryCell;
}

/** All that is written down. */
export interface Results {
  readonly date: string;
  readonly machine: {
    readonly cores: number;
    readonly os: string;
    readonly fileSystem: string;
    /** Deno first. */
    readonly runtimes: readonly string[];
  };
  readonly rounds: number;
  /** When an earlier run measured what this one left out. */
  readonly kept?: string;
  readonly results: readonly Result[];
  /** Who did not run, and why. */
  readonly skipped: readonly {
    readonly name: string;
    readonly reason: string;
  }[];
}

/**
 * Sums up the rounds of one contestant.
 *
 * @param tallies Round by round.
 * @param floor The floor's operations per second in the same rounds.
 */
export function toCell(
  tallies: readonly Tally[],
  floor?: readonly number[],
): Cell {
  const rounds = tallies.map(({ ops, milliseconds }) =>
    1_000 * ops / milliseconds
  );
  const trouble = firstTrouble(tallies);
  return {
    rounds,
    median: median(rounds),
    ...(floor !== undefined && {
      ratio: median(rounds.map((each, round) => each / floor[round]!)),
    }),
    corrupt: sum(tallies.map(({ corrupt }) => corrupt)),
    failed: sum(tallies.map(({ failed }) => failed)),
    ...(trouble !== undefined && { trouble }),
  };
}

/** Returns the first thing that went wrong. */
export function firstTrouble(tallies: readonly Tally[]): string | undefined {
  return tallies.find(({ trouble }) => typeof trouble === "string")?.trouble ??
    undefined;
}

/** Adds. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
