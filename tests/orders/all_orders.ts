import { Random } from "../random.ts";
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

/** Performs plays at random, and prints how many. */
export async function sampleAll(
  title: string,
  count: number,
  choose: (random: Random) => Play,
): Promise<void> {
  using directory = new TemporaryDirectory();
  using stage = new Stage(directory.path);
  const stores: Stores = new Map();
  const random = new Random(count);
  for (let i = 0; i < count; i++) {
    await sample(stage, choose(random), stores, random);
  }
  console.log(`${title}: ${count} orders`);
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
