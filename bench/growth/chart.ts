import type { Machine } from "../machine.ts";
import { median, medianRatio } from "../median.ts";

/** One thing that was measured, over what it may grow with. */
export interface Chart {
  /** What was measured. */
  readonly title: string;
  /** What grows, with its unit. */
  readonly xTitle: string;
  /** What it costs, with its unit. */
  readonly yTitle: string;
  /** From the smallest to the largest. */
  readonly points: ChartPoint[];
}

/** What it cost at one place. */
export interface ChartPoint {
  /** How much there was. */
  readonly x: number;
  /** What our store took: the middle of the rounds. */
  readonly ours: number;
  /** What the bare system calls took; `null` where they were not measured. */
  readonly floor: number | null;
  /** Our speed in units of theirs: the middle of the rounds' ratios. */
  readonly ratio: number | null;
  /** How many rounds. */
  readonly rounds: number;
}

/** All that is written down. */
export interface Growth {
  readonly date: string;
  readonly machine: Machine;
  /** The file system of the chapter about files. */
  readonly filesOn: string;
  readonly size: readonly Chart[];
  readonly files: readonly Chart[];
  readonly flows: readonly Chart[];
  readonly memory: readonly MemoryPoint[];
}

/** How much memory a walk over a directory took. */
export interface MemoryPoint {
  /** What walked. */
  readonly act: "entries" | "deleteOldSessions";
  /** How many sessions there were. */
  readonly files: number;
  /** The process's resident memory before, in MiB. */
  readonly before: number;
  /** How much more it was at the most, in MiB. */
  readonly growth: number;
  /** The longest time that the event loop stood still, in milliseconds. */
  readonly longestPause: number;
}

const MICROSECONDS = 1_000_000;

/**
 * Sums up the rounds of one place as microseconds per operation.
 *
 * @param x How much there was.
 * @param ours Our operations per second, round by round.
 * @param floor The bare calls' in the same rounds.
 */
export function toPoint(
  x: number,
  ours: readonly number[],
  floor: readonly number[] | undefined,
): ChartPoint {
  return {
    x,
    ours: MICROSECONDS / median(ours),
    floor: floor === undefined ? null : MICROSECONDS / median(floor),
    ratio: floor === undefined ? null : medianRatio(ours, floor),
    rounds: ours.length,
  };
}
