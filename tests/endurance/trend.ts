import { median } from "../../bench/harness/statistics.ts";

/**
 * Estimates how much a series rises in its second half, whatever single values
 * do: the median of the slopes between any two samples (Theil and Sen), times
 * the length of that half.
 *
 * @param values Samples at even distances.
 */
export function riseOf(values: readonly number[]): number {
  const half = values.slice(Math.floor(values.length / 2));
  const slopes = half.flatMap((from, n) =>
    half.slice(n + 1).map((to, m) => (to - from) / (m + 1))
  );
  return slopes.length === 0 ? 0 : median(slopes) * (half.length - 1);
}
