/** A generator of random numbers with a seed (mulberry32). */
export class Random {
  #state: number;

  /** @param seed The same seed gives the same numbers. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Draws a whole number from 0 up, below `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * end);
  }

  /** Draws `true` once in this number of times. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** Draws one of a list. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
