import type { Adapter, Runtime } from "./contestant.ts";
import type { Column, Tally } from "./runner.ts";

/** What is measured in one process, with what the tables call it. */
export const COLUMNS: readonly (readonly [column: Column, title: string])[] = [
  ["load", "load"],
  ["touch", "load + touch"],
  ["save", "save"],
  ["update", "update"],
  ["mixed", "mixed 90/10, 32 flows"],
];

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

/** What one contestant did. */
export interface Result {
  readonly name: string;
  readonly runtime: Runtime;
  readonly kind: Adapter["kind"];
  readonly note: string;
  readonly packages: Readonly<Record<string, string>>;
  /** By the title of the size, and the column. */
  readonly cells: Record<string, Partial<Record<Column, Cell>>>;
  race?: RaceCell;
}

/** All that is written down. */
export interface Results {
  readonly date: string;
  readonly machine: {
    readonly cores: number;
    readonly os: string;
    readonly fileSystem: string;
    readonly deno: string;
    readonly node: string | null;
  };
  readonly rounds: number;
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
  const trouble = tallies.find((each) => each.trouble !== undefined)?.trouble;
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

/** Adds. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
