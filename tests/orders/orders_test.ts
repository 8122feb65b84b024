import fc from "npm:fast-check@4.11.0";
import { EFFORT } from "../effort.ts";
import { exploreAll, pairsWith, sampleAll } from "./all_orders.ts";
import type { OperationName, Play } from "./play.ts";
import { type Recycling, type Rotating, SESSION_OPERATIONS } from "./scenes.ts";
import { isPeopled, type Opening, OPENINGS } from "./world.ts";

/** Without exclusive requests, beside which no other may add: see exclusive_test.ts. */
const ALL_NAMES = (Object.keys(SESSION_OPERATIONS) as OperationName[])
  .filter((name) => name !== "exclusive");
const RECYCLING: readonly Recycling[] = [
  "update twice",
  "update and save another",
];
const ROTATING: readonly Rotating[] = ["rotate", "read"];
const NAMES = ALL_NAMES.filter((name) =>
  !RECYCLING.includes(name as Recycling) &&
  !ROTATING.includes(name as Rotating)
);
/** The operations on a sealed session: all but those of a store that write a record. */
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
const ALL = (Object.keys(OPENINGS) as Opening[])
  .filter((opening) => !isPeopled(opening));

function pairs(): [OperationName, OperationName][] {
  return NAMES.flatMap((one, i) =>
    NAMES.slice(i).map((other): [OperationName, OperationName] => [one, other])
  );
}

for (const opening of ["live", "missing", "expired"] as const) {
  Deno.test(`every order of every two operations on a session that is ${opening} keeps every promise`, () =>
    exploreAll(
      opening,
      pairs().map((operations) => ({ opening, operations })),
    ));
}

/** Each actor has a recycled file, which a cleanup may collect at any time. */
function recycle(one: Recycling, others: readonly OperationName[]): Play[] {
  return others.map((other) => ({
    opening: "live",
    operations: [one, other],
    recycledFiles: true,
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

Deno.test("every order of two operations, one of which writes over a file that was a session's, keeps every promise", () =>
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

Deno.test("every order of two operations, one of which writes over a file that was a session's, keeps every promise, also when one of them is killed", () =>
  exploreAll(
    "written over, killed",
    EFFORT > 1 ? RECYCLING.flatMap((one) => recycleAndKill(one, SHORT)) : [
      ...recycleAndKill("update and save another", ["load"]),
      ...recycleAndKill("update twice", ["load"]),
    ],
  ));

Deno.test("every order of a request that rotates the secret, or has the previous secret, and any other operation keeps every promise", () =>
  exploreAll(
    "rotated",
    (EFFORT > 1 ? ALL : ["live"] as const).flatMap((opening) =>
      pairsWith(ROTATING, [...NAMES, ...ROTATING])
        .map((operations) => ({ opening, operations }))
    ),
  ));

const SEALING: readonly OperationName[] = ["regenerate", "rotate", "commit"];

Deno.test("every order of two operations on a sealed session keeps every promise, and leaves it sealed for its cookie", () =>
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

Deno.test("every order of two operations, one of which changes the secret, keeps every promise, also when one of them is killed, sealed or not", () =>
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

/** Any play of this number of operations. */
function anyPlay(actors: number, kills: number): fc.Arbitrary<Play> {
  return fc.record({
    opening: fc.constantFrom(...ALL),
    operations: fc.array(fc.constantFrom(...ALL_NAMES), {
      minLength: actors,
      maxLength: actors,
    }),
    recycledFiles: fc.boolean(),
    isSealed: fc.boolean(),
  }).map(({ isSealed, ...play }) => ({
    ...play,
    kills,
    ticks: play.opening === "ageing" ? 2 : 0,
    isSealed: isSealed &&
      play.operations.every((name) => SEALABLE.includes(name)),
  }));
}

Deno.test("orders of two operations while the clock ticks keep every promise", () =>
  sampleAll("pairs", 1_500, anyPlay(2, 0)));

Deno.test("orders of three operations keep every promise", () =>
  sampleAll("triples", 3_000, anyPlay(3, 0)));

Deno.test("orders in which an actor is killed keep every promise", () =>
  sampleAll("killed", 3_000, anyPlay(3, 1)));
