import { EFFORT } from "../effort.ts";
import { Random } from "../random.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { explore, type Play, sample, type Stores } from "./explore.ts";
import {
  type Opening,
  OPENINGS,
  type OperationName,
  OPERATIONS,
  type Recycling,
  type Rotating,
} from "./scenes.ts";
import { Stage } from "./stage.ts";

const ALL_NAMES = Object.keys(OPERATIONS) as OperationName[];
const RECYCLING: readonly Recycling[] = [
  "update twice",
  "update and save another",
];
const ROTATING: readonly Rotating[] = ["rotate", "read"];
const NAMES = ALL_NAMES.filter((name) =>
  !RECYCLING.includes(name as Recycling) &&
  !ROTATING.includes(name as Rotating)
);
/** What can be done to a sealed session, by a store that cannot open it. */
const SEALABLE: readonly OperationName[] = [
  "load",
  "load+touch",
  "touch",
  "delete",
  "cleanup",
  "commit",
  "regenerate",
  ...ROTATING,
];
const SHORT: readonly OperationName[] = [
  "load",
  "load+touch",
  "update",
  "delete",
  "cleanup",
];
const ALL = Object.keys(OPENINGS) as Opening[];

function pairs(): [OperationName, OperationName][] {
  return NAMES.flatMap((one, i) =>
    NAMES.slice(i).map((other): [OperationName, OperationName] => [one, other])
  );
}

async function exploreAll(
  title: string,
  plays: readonly Play[],
): Promise<void> {
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
    `${title}: ${plays.length} plays, ${orders} orders through ${states} states`,
  );
}

async function sampleAll(
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

for (const opening of ["live", "missing", "expired"] as const) {
  Deno.test(`every order of every two operations on a session that is ${opening} keeps every promise`, () =>
    exploreAll(
      opening,
      pairs().map((operations) => ({ opening, operations })),
    ));
}

/** With a spare at hand, which a cleaner may collect at any time. */
function recycle(one: Recycling, others: readonly OperationName[]): Play[] {
  return others.map((other) => ({
    opening: "live",
    operations: [one, other],
    spares: true,
  }));
}

function recycleAndKill(
  one: Recycling,
  others: readonly OperationName[],
): Play[] {
  return others.map((other) => ({
    opening: "live",
    operations: [one, other],
    kills: 1,
  }));
}

Deno.test("every order of two operations, one of which writes over what was a session's file, keeps every promise", () =>
  exploreAll(
    "written over",
    EFFORT > 1 ? RECYCLING.flatMap((one) => recycle(one, ALL_NAMES)) : [
      ...recycle("update and save another", [
        "load",
        "update",
        "delete",
        "cleanup",
      ]),
      ...recycle("update twice", ["load", "delete"]),
    ],
  ));

Deno.test("every order and every death of two operations, one of which writes over what was a session's file, keeps every promise", () =>
  exploreAll(
    "written over, killed",
    EFFORT > 1 ? RECYCLING.flatMap((one) => recycleAndKill(one, SHORT)) : [
      ...recycleAndKill("update and save another", ["load"]),
      ...recycleAndKill("update twice", ["load"]),
    ],
  ));

/** Each of the first with each of the others, once. */
function pairsWith(
  firsts: readonly OperationName[],
  others: readonly OperationName[],
): [OperationName, OperationName][] {
  return firsts.flatMap((one, i) =>
    others.filter((other) => !firsts.slice(0, i).includes(other))
      .map((other): [OperationName, OperationName] => [one, other])
  );
}

Deno.test("every order of a request that rotates the secret, or comes with the one before, and any other operation keeps every promise", () =>
  exploreAll(
    "rotated",
    (EFFORT > 1 ? ALL : ["live"] as const).flatMap((opening) =>
      pairsWith(ROTATING, [...NAMES, ...ROTATING])
        .map((operations) => ({ opening, operations }))
    ),
  ));

const SEALING: readonly OperationName[] = ["regenerate", "rotate", "commit"];

Deno.test("every order of two operations on a sealed session keeps every promise, and leaves it sealed for who has its cookie", () =>
  exploreAll(
    "sealed",
    pairsWith(
      SEALING,
      EFFORT > 1 ? SEALABLE : [...SEALING, "delete", "load+touch"],
    ).map((operations) => ({ opening: "live", operations, isSealed: true })),
  ));

function dieChangingSecret(isSealed: boolean): Play[] {
  const others = EFFORT > 1
    ? [...SHORT.filter((name) => name !== "update"), ...SEALING]
    : ["read"] as const;
  return pairsWith(["rotate", "regenerate"], others).map((operations) => ({
    opening: "live",
    operations,
    kills: 1,
    isSealed,
  }));
}

Deno.test("every order and every death of two operations, one of which changes the secret, keeps every promise, sealed or not", () =>
  exploreAll(
    "secrets, killed",
    [false, true].flatMap(dieChangingSecret),
  ));

if (EFFORT > 1) {
  Deno.test("every order of every two operations on a session that is unused keeps every promise", () =>
    exploreAll(
      "unused",
      pairs().map((operations) => ({ opening: "unused", operations })),
    ));
}

function choosePlay(random: Random, actors: number, kills: number): Play {
  const opening = random.pick(ALL);
  const operations = Array.from(
    { length: actors },
    () => random.pick(ALL_NAMES),
  );
  const spares = random.below(2) === 0;
  const ticks = opening === "ageing" ? 2 : 0;
  const isSealed = operations.every((name) => SEALABLE.includes(name)) &&
    random.below(2) === 0;
  return { opening, operations, kills, ticks, spares, isSealed };
}

Deno.test("orders of two operations while the clock ticks keep every promise", () =>
  sampleAll("pairs", 1_500 * EFFORT, (random) => choosePlay(random, 2, 0)));

Deno.test("orders of three operations keep every promise", () =>
  sampleAll("triples", 3_000 * EFFORT, (random) => choosePlay(random, 3, 0)));

Deno.test("orders in which somebody is killed keep every promise", () =>
  sampleAll("killed", 3_000 * EFFORT, (random) => choosePlay(random, 3, 1)));
