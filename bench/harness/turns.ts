/** How long a comparison goes on. */
export interface TurnOptions {
  /** How many rounds count; one more warms up. */
  readonly rounds: number;
  /** How long one side works before the next one does, in milliseconds. */
  readonly turn: number;
}

/** One side of a comparison within this process. */
export interface Side {
  /** How many operations a batch does. */
  readonly operations: number;
  /** Does them, and returns how many milliseconds they took. */
  batch(): number | Promise<number>;
}

/**
 * Lets sides take turns, A B C A B C: what slows the machine down for a while
 * then slows all of them down.
 *
 * @param rounds How many turns each side has, with the one that warms up.
 * @param takeTurn What one side does in one round, from 0.
 * @param skip Receives a side that failed and takes no more turns; without it
 * the first failure ends all.
 * @returns What each side that is left returned, round by round.
 */
export async function takeTurns<S, T>(
  sides: readonly S[],
  rounds: number,
  takeTurn: (side: S, round: number) => Promise<T>,
  skip?: (side: S, error: unknown) => void,
): Promise<Map<S, T[]>> {
  const all = new Map(sides.map((side): [S, T[]] => [side, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [side, results] of all) {
      try {
        results.push(await takeTurn(side, round));
      } catch (error) {
        if (skip === undefined) throw error;
        all.delete(side);
        skip(side, error);
      }
    }
  }
  return all;
}

/** Returns the operations per second of each side, round by round. */
export async function measureSpeeds(
  sides: readonly Side[],
  { rounds, turn }: TurnOptions,
): Promise<number[][]> {
  const speeds = await takeTurns(sides, rounds + 1, async (side) => {
    let done = 0;
    let spent = 0;
    do {
      spent += await side.batch();
      done += side.operations;
    } while (spent < turn);
    return 1_000 * done / spent;
  });
  return [...speeds.values()].map((each) => each.slice(1));
}

/** An operation, and what is done before and after it outside of its time. */
export interface Step {
  run(): unknown;
  before?(): unknown;
  after?(): unknown;
}

/** Makes a side that does one thing again and again, 20 times in a batch. */
export function repeat(step: Step | (() => unknown)): Side {
  const operations = 20;
  const { run, before, after }: Step = "run" in step ? step : { run: step };
  // The bare calls return no promise, and must not pay for one.
  const all = async (step: () => unknown): Promise<void> => {
    for (let n = 0; n < operations; n++) {
      const result = step();
      if (result instanceof Promise) await result;
    }
  };
  return {
    operations,
    batch: async () => {
      if (before !== undefined) await all(before);
      const start = performance.now();
      await all(run);
      const spent = performance.now() - start;
      if (after !== undefined) await all(after);
      return spent;
    },
  };
}

/** Runs some numbers of one sequence through flows that work at once. */
export async function inFlows(
  flows: number,
  count: number,
  act: (n: number) => unknown,
): Promise<void> {
  const numbers = Array(count).keys();
  await Promise.all(Array.from({ length: flows }, async () => {
    for (const n of numbers) await act(n);
  }));
}
