/**
 * Returns the number below which a share of the numbers lies, interpolated
 * between two of them.
 *
 * @param numbers At least one, in any order.
 * @param share From 0 to 1; 1 for the largest.
 */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = Float64Array.from(numbers).sort();
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (sorted[Math.ceil(at)]! - below) * (at % 1);
}

/** Returns the middle of some numbers. */
export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/**
 * Compares two speeds: the middle of the rounds' ratios, because in one round
 * both had the same machine.
 *
 * @param ours Operations per second, round by round.
 * @param floor The other's in the same rounds.
 */
export function medianRatio(
  ours: readonly number[],
  floor: readonly number[],
): number {
  return median(ours.map((speed, round) => speed / floor[round]!));
}

/** Adds. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** How long something took or waited, in milliseconds. */
export interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Returns the quantiles of some delays. */
export function delaysOf(delays: readonly number[]): Delays {
  const at = (share: number) => quantile(delays, share);
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}
