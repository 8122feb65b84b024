/*
 * The end of all sessions of a user, in every order. The top of users.ts says
 * what must hold. A revocation is two things: a record that is written, and
 * a listing, whose sessions are deleted. Plays in which the listing finds
 * nothing show what that record does by itself; they are short, so there can be
 * many of them, also with a tick of the clock and with an actor killed.
 */
import fc from "npm:fast-check@4.11.0";
import { EFFORT } from "../effort.ts";
import { exploreAll, pairsWith, sampleAll } from "./all_orders.ts";
import type { OperationName, Play } from "./play.ts";
import type { Peopled } from "./world.ts";

const REVOKING: readonly OperationName[] = ["revoke", "revoke all but it"];
const REQUESTS: readonly OperationName[] = [
  "login",
  "logout",
  "sign up",
  "commit",
  "regenerate",
  "rotate",
  "read",
];
const BY_ID: readonly OperationName[] = [
  "load",
  "load+touch",
  "touch",
  "save",
  "create",
  "update",
  "delete",
];
const LISTING: readonly OperationName[] = ["list", "cleanup"];
const ALL = [...REVOKING, ...REQUESTS, ...BY_ID, ...LISTING];
/** The operations on a sealed session: all but those of a store that write a record. */
const SEALABLE = ALL.filter((name) =>
  !["save", "create", "update"].includes(name)
);
const PEOPLED: readonly Peopled[] = [
  "signed in",
  "not signed in",
  "in company",
];

type Pairs = readonly (readonly OperationName[])[];

/** Plays that differ in their operations only. */
function plays(
  opening: Peopled,
  pairs: Pairs,
  more: Omit<Play, "opening" | "operations"> = {},
): Play[] {
  return pairs.map((operations) => ({ opening, operations, ...more }));
}

Deno.test("every order of a revocation and any other operation keeps every promise", () =>
  exploreAll(
    "revoked",
    EFFORT > 1
      ? PEOPLED.slice(0, 2).flatMap((opening) =>
        plays(opening, pairsWith([...REVOKING, "login", "list"], ALL))
      )
      : [
        ...plays(
          "signed in",
          pairsWith(["revoke"], [
            "logout",
            "read",
            "update",
            "delete",
            ...LISTING,
          ]),
        ),
        ...plays("signed in", [["revoke all but it", "login"]]),
      ],
  ));

Deno.test("every order of a login or a list of the sessions and another operation keeps every promise", () =>
  exploreAll(
    "logged in and listed",
    plays("signed in", [
      ["list", "login"],
      ["list", "update"],
      ["list", "delete"],
      ["list", "sign up"],
      ["logout", "read"],
    ]),
  ));

const MISSED = pairsWith(REVOKING, [...REVOKING, ...REQUESTS, ...BY_ID]);

const LOGGING_IN = pairsWith([...REVOKING, "revoke twice"], [
  "login",
  "sign up",
]);

Deno.test("every order of another operation and a revocation whose listing misses all sessions opens no ended session", () =>
  exploreAll(
    "missed",
    EFFORT > 1
      ? PEOPLED.flatMap((opening) => plays(opening, MISSED, { isBlind: true }))
      : [
        ...plays("signed in", MISSED, { isBlind: true }),
        ...plays("not signed in", LOGGING_IN, { isBlind: true }),
      ],
  ));

Deno.test("every order of another operation and a revocation whose listing misses all sessions, while the clock ticks, opens no ended session", () =>
  exploreAll(
    "missed, ticking",
    plays(
      "signed in",
      EFFORT > 1 ? MISSED : [["revoke", "sign up"]],
      { isBlind: true, ticks: 1 },
    ),
  ));

Deno.test("every order of another operation and a revocation whose listing misses all sessions, one of which is killed, opens no ended session", () =>
  exploreAll(
    "missed, killed",
    plays(
      "signed in",
      EFFORT > 1 ? MISSED : [
        ["revoke", "revoke all but it"],
        ["revoke", "commit"],
        ["revoke all but it", "login"],
        ["revoke", "sign up"],
      ],
      { isBlind: true, kills: 1 },
    ),
  ));

if (EFFORT > 1) {
  Deno.test("every order of a request and two revocations whose listings miss all sessions opens no ended session", () =>
    exploreAll(
      "missed, three",
      plays(
        "signed in",
        (["revoke", "login", "commit", "sign up"] as const)
          .map((name) => [...REVOKING, name]),
        { isBlind: true },
      ),
    ));
}

Deno.test("a revocation that is killed at any call has ended all sessions or none", () =>
  exploreAll("revocation killed", [
    ...plays("in company", REVOKING.map((name) => [name]), { kills: 1 }),
    ...plays(
      "signed in",
      EFFORT > 1
        ? pairsWith(REVOKING, [...REQUESTS, "load", "update", "delete"])
        : [["revoke", "load"], ["revoke all but it", "read"]],
      { kills: 1 },
    ),
  ]));

/** Any play of this number of operations, the first of which is about a user. */
function anyPlay(actors: number, kills: number): fc.Arbitrary<Play> {
  return fc.record({
    opening: fc.constantFrom(...PEOPLED),
    first: fc.constantFrom(...REVOKING, "login" as const, "list" as const),
    others: fc.array(fc.constantFrom(...ALL), {
      minLength: actors - 1,
      maxLength: actors - 1,
    }),
    ticks: fc.nat(2),
    recycledFiles: fc.boolean(),
    isSealed: fc.boolean(),
  }).map(({ first, others, isSealed, ...play }) => {
    const operations = [first, ...others];
    return {
      ...play,
      operations,
      kills,
      isSealed: isSealed && operations.every((name) => SEALABLE.includes(name)),
    };
  });
}

Deno.test("orders of two operations on a user's sessions while the clock ticks keep every promise", () =>
  sampleAll("pairs of a user", 200, anyPlay(2, 0)));

Deno.test("orders of three operations on a user's sessions keep every promise", () =>
  sampleAll("triples of a user", 300, anyPlay(3, 0)));

Deno.test("orders of three operations on a user's sessions, in which an actor is killed, keep every promise", () =>
  sampleAll("killed, of a user", 300, anyPlay(3, 1)));
