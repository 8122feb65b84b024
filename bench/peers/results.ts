import type { Profile, Results } from "../harness/benchmark.ts";
import { median, medianRatio, sum } from "../harness/statistics.ts";
import type { Runtime } from "./contestant.ts";
import type { Tally } from "./protocol.ts";

/** What is measured in one process, with what the tables call it. */
export const COLUMNS = [
  ["load", "load"],
  ["touch", "load + touch"],
  ["save", "save"],
  ["update", "update"],
  ["mixed", "mixed 90/10, 32 flows"],
] as const;

/** The unit of memory in tables and plots, in bytes. */
export const MEBIBYTE: number = 1_024 * 1_024;

/** One of these. */
export type MeasuredColumn = typeof COLUMNS[number][0];

/** Speeds of one contestant. */
interface Speeds {
  /** Operations per second, round by round. */
  readonly rounds: readonly number[];
  readonly median: number;
  /** The middle of the ratios to the floor of the same round. */
  readonly ratio?: number;
}

/** What one contestant did in one column, all rounds together. */
export interface Cell extends Speeds {
  /** How many reads were empty, torn or another's. */
  readonly corrupt: number;
  /** How many changes were refused. */
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

/** How the cleanups of one contestant went; its rounds are sessions per second. */
export interface CleanupCell extends Speeds {
  /** How many sessions there were, each time; half of them expired. */
  readonly sessions: number;
  /** The longest pause of the event loop, in milliseconds, round by round. */
  readonly pauses: readonly number[];
  /** The middle of these. */
  readonly pause: number;
  /** The share of the time that the deletions themselves took, if known. */
  readonly deleting?: number;
  /** How many stayed that were expired, or went that were not. */
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
export interface Result extends Profile {
  readonly runtime: Runtime;
  /** By the title of the size, and the column. */
  readonly cells: Record<string, Partial<Record<MeasuredColumn, Cell>>>;
  race?: RaceCell;
  cleanup?: CleanupCell;
  many?: ManyCell;
  memory?: MemoryCell;
}

/** All that is written down. */
export interface PeersResults extends Results {
  readonly rounds: number;
  /** When an earlier run measured what this one left out. */
  readonly kept?: string;
  readonly results: readonly Result[];
}

/** Sums up speeds, and compares them to the floor's in the same rounds. */
export function toSpeeds(
  rounds: readonly number[],
  floor: readonly number[] | undefined,
): Speeds {
  return {
    rounds,
    median: median(rounds),
    ...(floor !== undefined && { ratio: medianRatio(rounds, floor) }),
  };
}

/** Returns the operations per second of each round. */
export function speedsOf(tallies: readonly Tally[]): number[] {
  return tallies.map(({ ops, milliseconds }) => 1_000 * ops / milliseconds);
}

/** Sums up the rounds of one contestant. */
export function toCell(
  tallies: readonly Tally[],
  floor: readonly number[] | undefined,
): Cell {
  const trouble = troubleIn(tallies);
  return {
    ...toSpeeds(speedsOf(tallies), floor),
    corrupt: sum(tallies.map(({ corrupt }) => corrupt)),
    failed: sum(tallies.map(({ failed }) => failed)),
    ...(trouble !== undefined && { trouble }),
  };
}

/** Returns the first thing that went wrong. */
export function troubleIn(tallies: readonly Tally[]): string | undefined {
  return tallies.find(({ trouble }) => typeof trouble === "string")?.trouble ??
    undefined;
}

/** Names a contestant, with its runtime where it has several. */
export function labelOf({ kind, name, runtime }: Result): string {
  return kind === "ours" ? name : `${name}, ${runtime}`;
}

/** Returns whether all was read, kept, accepted and cleaned up rightly. */
export function isSound({ cells, race, cleanup }: Result): boolean {
  const all = Object.values(cells).flatMap((each) => Object.values(each));
  return [...all, ...(race === undefined ? [] : [race])]
    .every(({ corrupt, failed }) => corrupt + failed === 0) &&
    (race === undefined || race.lost + race.ruined === 0) &&
    (cleanup === undefined || cleanup.wrong === 0);
}

/** Returns the result with the greatest figure, among those that have it. */
export function fastest(
  results: readonly Result[],
  figure: (result: Result) => number | undefined,
): { readonly result: Result; readonly value: number } | undefined {
  return results.flatMap((result) => {
    const value = figure(result);
    return value === undefined ? [] : [{ result, value }];
  }).sort((a, b) => b.value - a.value)[0];
}
