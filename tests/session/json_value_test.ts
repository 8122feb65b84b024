import { assertEquals, assertThrows } from "@std/assert";
import { checkJson, nameKey } from "../../src/session/json_value.ts";

function writeJson(value: unknown, what: string): string {
  checkJson(value, what);
  return JSON.stringify(value);
}

/** Wraps `null` into so many arrays. */
function nest(levels: number): unknown {
  return levels === 0 ? null : [nest(levels - 1)];
}

function cycle(): unknown {
  const object: Record<string, unknown> = { a: [1] };
  object["b"] = { c: object };
  return object;
}

/** An instance whose class runs code when it is looked at. */
function hostile(): object {
  const fail = (): never => {
    throw new Error("code of the value ran");
  };
  class Hostile {
    static get name(): never {
      return fail();
    }
  }
  return Object.create(
    Object.defineProperty({}, "constructor", { value: Hostile }),
  );
}

const REFUSED: [what: string, value: unknown, message: string][] = [
  ["undefined", undefined, "it is undefined; delete it, or use null"],
  ["a function", () => 0, "it is a function"],
  ["a symbol", Symbol("s"), "it is a symbol"],
  ["a bigint", 1n, "it is a bigint; keep a string, or set the option types"],
  ["NaN", NaN, "it is NaN or infinite"],
  ["Infinity", { a: -Infinity }, ".a is NaN or infinite"],
  ["a Date", [new Date(0)], "[0] is an instance of Date; keep a plain"],
  ["a Map", new Map(), "it is an instance of Map; keep a plain"],
  ["a boxed number", Object(1), "it is an instance of Number; keep"],
  [
    "an array of a class",
    new (class extends Array {})(),
    "an instance of a class; keep",
  ],
  ["bytes", new Uint8Array(2), "it is an instance of Uint8Array; keep"],
  ["a hole", { list: new Array(2) }, ".list is an array with holes"],
  ["a named element", Object.assign([1], { x: 1 }), "with holes or names"],
  ["a symbol key", { [Symbol("s")]: 1 }, "an object with symbol keys"],
  ["toJSON", { a: { toJSON: () => 1 } }, ".a.toJSON is a function"],
  [
    "an undefined field",
    { a: [{ b: undefined }] },
    ".a[0].b is undefined; delete it, or use null",
  ],
  ["a Promise", { a: Promise.resolve(1) }, ".a is a Promise; await it before"],
  ["a class with a hostile name", hostile(), "it is an instance of a class;"],
  ["a cycle", cycle(), ".b.c is a cycle"],
  ["101 levels", nest(101), "… is below 100 levels"],
  ["a value under an odd key", { "a b": 1n }, '["a b"] is a bigint'],
  ["an escaped key", { "a\n": 1 }, '["a\\n"] is under a key that JSON'],
];

for (const [what, value, message] of REFUSED) {
  Deno.test(`checkJson() refuses ${what}`, () => {
    assertThrows(() => checkJson(value, '"key"'), TypeError, message);
  });
}

Deno.test("checkJson() never shows the value", () => {
  const error = assertThrows(
    () => checkJson({ card: { number: "4711", x: 1n } }, '"key"'),
    TypeError,
  );
  assertEquals(
    error.message,
    'Cannot keep "key" in a session: .card.x is a bigint; keep a string, or set the option types',
  );
});

Deno.test("checkJson() accepts what JSON restores as it was", () => {
  const shared = { x: 1 };
  for (
    const value of [
      null,
      true,
      "",
      "\ud800",
      0,
      1e300,
      [],
      {},
      [[], {}, [null]],
      { a: [{ b: "c" }], constructor: 1, length: 2 },
      [shared, shared],
      nest(100),
      JSON.parse('{"__proto__": {"a": 1}}'),
      Object.assign(Object.create(null), { a: 1 }),
    ]
  ) {
    const text = writeJson(value, "it");
    assertEquals(JSON.stringify(JSON.parse(text)), text);
  }
  assertEquals(
    writeJson(JSON.parse('{"__proto__":1}'), "it"),
    '{"__proto__":1}',
  );
});

Deno.test("checkJson() accepts -0 as 0", () => {
  assertEquals(writeJson([-0], "it"), "[0]");
});

Deno.test("nameKey() escapes and shortens", () => {
  assertEquals(nameKey('a"\n'), String.raw`"a\"\n"`);
  assertEquals(nameKey("x".repeat(50)).length, 43);
});
