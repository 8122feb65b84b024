/** One of those who take turns. */
export interface Side {
  /** How many operations a batch does. */
  readonly operations: number;
  /** Does some operations, and tells how many milliseconds they took. */
  batch(): number | Promise<number>;
}

/** How long {@linkcode alternate} goes on. */
export interface AlternateOptions {
  /** How many rounds count; one more warms up. */
  readonly rounds: number;
  /** How long one side is at work before the next one is, in milliseconds. */
  readonly turn: number;
}

/**
 * Makes a side that does one thing again and again.
 *
 * @param operate Does it once.
 * @param operations How often, between two looks at the clock.
 */
export function repeat(operate: () => unknown, operations = 20): Side {
  return {
    operations,
    batch: async () => {
      const start = performance.now();
      for (let n = 0; n < operations; n++) {
        const result = operate();
        // The bare calls give none, and shall not pay for one.
        if (result instanceof Promise) await result;
      }
      return performance.now() - start;
    },
  };
}

/**
 * Lets the sides take turns, A B A B: what slows the machine down for a while
 * then slows all of them down.
 *
 * @param sides Who takes part.
 * @param options See there.
 * @returns Of each side its operations per second, round by round.
 */
export async function alternate(
  sides: readonly Side[],
  { rounds, turn }: AlternateOptions,
): Promise<number[][]> {
  const speeds = sides.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [n, side] of sides.entries()) {
      const speed = await takeTurn(side, turn);
      if (round >= 0) speeds[n]!.push(speed);
    }
  }
  return speeds;
}

async function takeTurn(
  { operations, batch }: Side,
  turn: number,
): Promise<number> {
  let done = 0;
  let spent = 0;
  do {
    spent += await batch();
    done += operations;
  } while (spent < turn);
  return 1_000 * done / spent;
}
