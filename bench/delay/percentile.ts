/**
 * Tells below which number a share of the numbers lies.
 *
 * @param numbers At least one, in any order.
 * @param share From 0 to 1; 1 for the largest.
 */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = Float64Array.from(numbers).sort();
  const at = Math.ceil(share * sorted.length) - 1;
  return sorted[Math.max(0, at)]!;
}
