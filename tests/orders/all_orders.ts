import fc from "npm:fast-check@4.11.0";
import { searchSlowly } from "../search.ts";
import { takeShare, takeShareOf } from "../share.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { explore, type Performance, sample } from "./explore.ts";
import {
  type OperationName,
  type Play,
  SessionPerformance,
  type Stores,
} from "./play.ts";
import { Stage } from "./stage.ts";

/** Where plays are performed, one at a time. */
export interface House<Play> extends Disposable {
  begin(play: Play): Promise<Performance>;
}

/** Where plays of sessions are performed. */
class SessionHouse implements House<Play> {
  readonly #directory = new TemporaryDirectory();
  readonly #stage = new Stage(this.#directory.path);
  readonly #stores: Stores = new Map();

  begin(play: Play): Promise<Performance> {
    return SessionPerformance.begin(this.#stage, play, this.#stores);
  }

  [Symbol.dispose](): void {
    this.#stage[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }
}

/** Explores all orders of plays, or of a share, and prints how many there are. */
export async function exploreIn<Play>(
  house: House<Play>,
  title: string,
  all: readonly Play[],
): Promise<void> {
  const plays = takeShare(all);
  let orders = 0n;
  let states = 0;
  for (const play of plays) {
    const explored = await explore(() => house.begin(play));
    orders += explored.orders;
    states += explored.states;
  }
  console.log(
    `${title}: ${plays.length} of ${all.length} plays, ${orders} orders through ${states} states`,
  );
}

/** Performs plays at random, or the first of them, and prints how many. */
export async function sampleIn<Play>(
  house: House<Play>,
  title: string,
  count: number,
  plays: fc.Arbitrary<Play>,
): Promise<void> {
  // Divisible by each number of choices that there can be.
  const number = fc.noBias(fc.nat(419));
  const numbers = fc.array(number, { minLength: 120, maxLength: 120 });
  const inputs = fc.tuple(plays, numbers);
  await searchSlowly(
    title,
    takeShareOf(count),
    inputs,
    async ([play, numbers]) => {
      await sample(() => house.begin(play), numbers);
    },
  );
}

/** Explores plays of sessions. */
export async function exploreAll(
  title: string,
  all: readonly Play[],
): Promise<void> {
  using house = new SessionHouse();
  await exploreIn(house, title, all);
}

/** Performs plays of sessions at random. */
export async function sampleAll(
  title: string,
  count: number,
  plays: fc.Arbitrary<Play>,
): Promise<void> {
  using house = new SessionHouse();
  await sampleIn(house, title, count, plays);
}

/** Each pair of one of the first and one of the others, once. */
export function pairsWith(
  firsts: readonly OperationName[],
  others: readonly OperationName[],
): [OperationName, OperationName][] {
  return firsts.flatMap((one, i) =>
    others.filter((other) => !firsts.slice(0, i).includes(other))
      .map((other): [OperationName, OperationName] => [one, other])
  );
}
