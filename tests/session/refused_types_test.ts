/**
 * What the types of a session refuse, and that ordinary values pass: the compiler
 * verifies this file, and the tests that the session refuses the same.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { Session } from "../../src/session/session.ts";

/** Has no index signature, as few interfaces have. */
interface Profile {
  nick: string;
  kind?: "person" | "robot";
  place?: [x: number, y: number];
}

/** Declares its keys. */
interface Data {
  n: number;
  theme: "dark" | "light";
  place: [x: number, y: number];
  profile: Profile;
  profiles: Profile[];
  note: string | null;
  maybe?: number;
}

const later = Promise.resolve(1);

function assertRefused(act: () => void): void {
  assertThrows(act, TypeError, "it is a Promise; await it before");
}

Deno.test("the types refuse a promise as a value, whether keys are declared or not", () => {
  const typed = new Session<Data>();
  const untyped = new Session();
  // @ts-expect-error: a promise.
  assertRefused(() => typed.set("n", later));
  // @ts-expect-error: a promise.
  assertRefused(() => untyped.set("n", later));
  // @ts-expect-error: a promise.
  assertRefused(() => untyped.flash("n", later));
  const either = later as number | Promise<number>;
  // @ts-expect-error: it may be a promise.
  assertRefused(() => untyped.set("n", either));
  // @ts-expect-error: it may be a promise.
  assertRefused(() => untyped.flash("n", either));
});

Deno.test("the types refuse an asynchronous update, whether keys are declared or not", () => {
  const typed = new Session<Data>();
  const untyped = new Session();
  // @ts-expect-error: it returns a promise.
  assertRefused(() => typed.update("n", () => later));
  // @ts-expect-error: it returns a promise.
  assertRefused(() => untyped.update("n", () => later));
  const add = async (n: unknown) => await later + Number(n);
  // @ts-expect-error: it returns a promise.
  assertRefused(() => untyped.update("n", add));
  const either = () => later as number | Promise<number>;
  // @ts-expect-error: it may return a promise.
  assertRefused(() => untyped.update("n", either));
});

Deno.test("the types take what a declared key holds, and nothing else", () => {
  const session = new Session<Data>();
  const profile: Profile = { nick: "ann", kind: "person", place: [1, 2] };
  session.set("n", 1);
  session.set("theme", "dark");
  session.set("place", [1, 2]);
  session.set("profile", { nick: "ann", kind: "person", place: [1, 2] });
  session.set("note", null);
  session.update("n", (n = 0) => n + 1);
  session.update("theme", (theme) => theme === "dark" ? "light" : "dark");
  session.update("place", ([x, y] = [0, 0]) => [x + 1, y]);
  session.update("profile", (before) => ({ ...before, ...profile }));
  session.update("profiles", (all = []) => [
    ...all,
    { nick: "ben", kind: "robot", place: [1, 2] },
  ]);
  assertEquals(Object.fromEntries(session.entries()), {
    n: 2,
    theme: "light",
    place: [2, 2],
    profile,
    note: null,
    profiles: [{ ...profile, nick: "ben", kind: "robot" }],
  });
  // @ts-expect-error: there is no such key.
  session.set("other", 1);
  // @ts-expect-error: it is a number.
  session.set("n", "1");
  // @ts-expect-error: it is a number.
  session.update("n", () => "1");
  // @ts-expect-error: it has no such member.
  session.set("profile", { nick: "ann", other: 1 });
  // @ts-expect-error: a key is deleted by `delete`.
  assertThrows(() => session.set("maybe", undefined), TypeError);
  const set = <Key extends keyof Data>(
    key: Key,
    value: Exclude<Data[Key], undefined>,
  ) => session.set(key, value);
  set("n", 3);
  assertEquals(session.get("n"), 3);
});

Deno.test("the types take any value, also one that they do not know, where no keys are declared", () => {
  const session = new Session();
  const profile: Profile = { nick: "ann" };
  const unknown: unknown = 1;
  session.set("profile", profile);
  session.set("unknown", unknown);
  session.set("parsed", JSON.parse("[1]"));
  session.flash("profile", profile);
  session.flash("unknown", unknown);
  session.update("n", (n) => Number(n ?? 0) + 1);
  session.update("unknown", (value) => value ?? unknown);
  session.update("parsed", (list) => [...list as number[], JSON.parse("2")]);
  assertEquals(Object.fromEntries(session.entries()), {
    profile,
    unknown,
    parsed: [1, 2],
    n: 1,
  });
});
