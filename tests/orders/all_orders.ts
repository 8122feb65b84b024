import fc from "npm:fast-check@4.11.0";
import { searchSlowly } from "../search.ts";
import { takeShare } from "../share.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  explore,
  type OperationName,
  type Play,
  sample,
  type Stores,
} from "./explore.ts";
import { Stage } from "./stage.ts";

/** Explores all orders of plays, or of a share, and prints how many there are. */
export async function exploreAll(
  title: string,
  all: readonly Play[],
): Promise<void> {
  const plays = takeShare(all);
  using directory = new TemporaryDirectory();
  using stage = new Stage(directory.path);
  const stores: Stores = new Map();
  let orders = 0n;
  let states = 0;
  for (const play of plays) {
    const explored = await explore(stage, play, stores);
    orders += explored.orders;
    states += explored.states;
  }
  console.log(
    `${title}: ${plays.length} of ${all.length} plays, ${orders} orders through ${states} states`,
  );
}

/** Which of what can happen next happens: as many choices as an order has. */
export const anyChoices: fc.Arbitrary<number[]> = fc.array(
  // Divisible by each number of choices that there can be.
  fc.noBias(fc.nat(419)),
  { minLength: 120, maxLength: 120 },
);

/** Performs plays at random, and prints how many. */
export async function sampleAll(
  title: string,
  count: number,
  plays: fc.Arbitrary<Play>,
): Promise<void> {
  using directory = new TemporaryDirectory();
  using stage = new Stage(directory.path);
  const stores: Stores = new Map();
  const inputs = fc.tuple(plays, anyChoices);
  await searchSlowly(
    title,
    count,
    inputs,
    ([play, choices]) => sample(stage, play, stores, choices),
  );
}

/** Each of the first with each of the others, once. */
export function pairsWith(
  firsts: readonly OperationName[],
  others: readonly OperationName[],
): [OperationName, OperationName][] {
  return firsts.flatMap((one, i) =>
    others.filter((other) => !firsts.slice(0, i).includes(other))
      .map((other): [OperationName, OperationName] => [one, other])
  );
}
