import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Random } from "../random.ts";
import { riseOf } from "./trend.ts";

Deno.test("riseOf() is 0 for a series that rose before its middle", () => {
  assertEquals(riseOf([0, 20, 40, 60, 60, 60, 60, 60]), 0);
});

Deno.test("riseOf() is how much a steady series rises in its second half", () => {
  const values = Array.from({ length: 60 }, (_, n) => 100 + 2 * n);
  assertAlmostEquals(riseOf(values), 2 * 29);
});

Deno.test("riseOf() ignores single values, however large", () => {
  const values = Array.from({ length: 60 }, () => 100);
  values[35] = values[59] = 100_000;
  assertEquals(riseOf(values), 0);
});

Deno.test("riseOf() finds a small rise in noise", () => {
  const random = new Random(1);
  const noisy = (slope: number) =>
    riseOf(
      Array.from({ length: 60 }, (_, n) => slope * n + random.below(20)),
    );
  assert(Math.abs(noisy(0)) < 10);
  assert(noisy(1) > 20);
});

Deno.test("riseOf() is 0 for one value, or none", () => {
  assertEquals([riseOf([]), riseOf([5])], [0, 0]);
});
