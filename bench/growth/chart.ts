import type { LinePanel } from "../harness/plot.ts";
import type { Results } from "../harness/benchmark.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import {
  measureSpeeds,
  repeat,
  type Side,
  type TurnOptions,
} from "../harness/turns.ts";

/** One thing that was measured, over what it may grow with. */
export interface Chart extends LinePanel {
  readonly points: ChartPoint[];
}

/** What it cost at one place: the middle of the rounds. */
export interface ChartPoint {
  readonly x: number;
  readonly ours: number;
  /** What the bare system calls took; `null` where they were not measured. */
  readonly floor: number | null;
  /** Our speed in units of theirs: the middle of the rounds' ratios. */
  readonly ratio: number | null;
  readonly rounds: number;
}

/** All that is written down. */
export interface Growth extends Results {
  /** The file system of the chapter about files. */
  readonly filesOn: string;
  readonly size: readonly Chart[];
  readonly files: readonly Chart[];
  readonly flows: readonly Chart[];
  readonly memory: readonly MemoryPoint[];
}

/** How much memory a walk over a directory took. */
export interface MemoryPoint {
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

/** Measures the microseconds per operation at one place of a chart. */
export async function measurePoint(
  { points }: Chart,
  x: number,
  ours: Side | (() => unknown),
  floor: (() => unknown) | undefined,
  options: TurnOptions,
): Promise<void> {
  const own = "batch" in ours ? ours : repeat(ours);
  const sides = floor === undefined ? [own] : [own, repeat(floor)];
  const [speeds, bare] = await measureSpeeds(sides, options);
  points.push(toPoint(x, speeds!, bare));
}

/** Sums up operations per second as microseconds per operation. */
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
