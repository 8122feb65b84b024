import { assert, assertEquals } from "@std/assert";
import { shareOf } from "./share.ts";

const WORDS = Array.from({ length: 500 }, (_, n) => `commit ${n}`);

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

/** The different shares that words choose. */
function sharesOf(all: readonly number[]): readonly (readonly number[])[] {
  const shares = WORDS.map((word) => shareOf(all, word));
  return [...new Map(shares.map((share) => [share.join(), share])).values()];
}

Deno.test("shareOf() has each member in exactly one share, and leaves none out", () => {
  for (let count = 1; count <= 200; count++) {
    const all = numbers(count);
    const members = sharesOf(all).flat();
    assertEquals(members.toSorted((one, other) => one - other), all);
  }
});

Deno.test("shareOf() takes at least an eighth", () => {
  for (let count = 1; count <= 200; count++) {
    for (const share of sharesOf(numbers(count))) {
      assert(share.length >= count / 8, `${share.length} of ${count}`);
    }
  }
});

Deno.test("shareOf() takes an eighth where the number allows it", () => {
  for (const count of [8, 80, 800]) {
    const lengths = sharesOf(numbers(count)).map(({ length }) => length);
    assertEquals(lengths, Array(8).fill(count / 8));
  }
});

Deno.test("shareOf() takes neighbours into different shares", () => {
  for (const share of sharesOf(numbers(100))) {
    const gaps = share.slice(1).map((number, at) => number - share[at]!);
    assert(gaps.every((gap) => gap > 1), `${share}`);
  }
});

Deno.test("shareOf() takes the same share for the same word", () => {
  const all = numbers(55);
  assertEquals(shareOf(all, "a commit"), shareOf(all, "a commit"));
});

Deno.test("shareOf() of an empty list is empty", () => {
  assertEquals(shareOf([], "a commit"), []);
});
