/** Tells the middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Tells how fast one was in comparison with another: the middle of the rounds'
 * ratios, because in one round both had the same machine.
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
