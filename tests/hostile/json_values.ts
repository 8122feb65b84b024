/** Unusual values and texts of JSON, and some that JSON does not allow. */

import fc from "npm:fast-check@4.11.0";
import {
  isSafeKey,
  type JsonObject,
  type JsonValue,
} from "../../src/core/record.ts";

const KEYS = [
  "a",
  "b",
  "",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "toJSON",
  "hasOwnProperty",
  "then",
  "length",
  "0",
  "1",
  "-1",
  "4294967295",
  "data",
  "createdAt",
  "expiresAt",
  "user",
  "\ud800",
  "\udfff\ud800",
  "\u0000",
  "\ufeff",
  "\u2028",
  "ä",
  "🍪",
  '"',
  "\n",
  "k".repeat(300),
];

const TEXTS = [
  ...KEYS,
  "\\",
  "\\u0041\\",
  "text",
  "[object Object]",
  "</script>",
  "\ud83c",
  "\ud83c\udf6a\ud83c",
  "\ufffd\ufffe\uffff",
  "\u0001\u001f\u007f\u0080",
  "é".repeat(100),
];

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.1,
  1e21,
  -1e-7,
  5e-324,
  2.2250738585072014e-308,
  1.7976931348623157e308,
  -1.7976931348623157e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  Number.MAX_SAFE_INTEGER,
  Number.EPSILON,
  123456789012345680000,
];

/** Any code units, fewer than this number. */
export function anyUnits(end: number, most = 0xffff): fc.Arbitrary<string> {
  const unit = fc.integer({ min: 0, max: most })
    .map((unit) => String.fromCharCode(unit));
  return fc.string({ unit, maxLength: end - 1, size: "max" });
}

/** A text, mostly an odd one. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: anyUnits(12) },
);

/** A key of an object, one that JSON need not escape. */
export const anyKey: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...KEYS) },
  { weight: 1, arbitrary: anyText },
).map((key) => [...key].map((part) => isSafeKey(part) ? part : "/").join(""));

const anyNumber: fc.Arbitrary<number> = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...NUMBERS) },
  {
    weight: 1,
    arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }),
  },
);

/** Any value that JSON holds, at most this number of levels deep. */
export const anyValue: fc.Memo<JsonValue> = fc.memo((levels) =>
  fc.oneof<fc.WeightedArbitrary<JsonValue>[]>(
    { weight: 1, arbitrary: fc.constantFrom(null, true, false) },
    { weight: 1, arbitrary: anyNumber },
    { weight: 2, arbitrary: anyText },
    ...levels > 1
      ? [
        { weight: 2, arbitrary: fc.array(anyValue(), { maxLength: 4 }) },
        { weight: 2, arbitrary: anyObject(levels) },
      ]
      : [],
  )
);

/** Any object; its keys are its own, `__proto__` among them. */
export function anyObject(levels: number): fc.Arbitrary<JsonObject> {
  const entry = fc.tuple(anyKey, anyValue(levels - 1));
  return fc.array(entry, { maxLength: 5 }).map(Object.fromEntries);
}

const ODD_JSON = [
  "",
  " ",
  "null",
  "[]",
  "{}",
  "{",
  "]",
  "undefined",
  "NaN",
  "-",
  "01",
  "1e999",
  "-1e999",
  "1e-999",
  '"\\ud800"',
  '"\\u"',
  '"\n"',
  "'a'",
  "/**/1",
  '{"a":1,}',
  '{"a":1,"a":2}',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"__proto__":{"createdAt":1,"data":{}}}',
  '{"toString":1,"valueOf":1}',
  "9".repeat(400),
  "\ufeff{}",
  "\0",
];

/** A value as JSON, or a text that is nearly JSON. */
export function anyJson(levels: number): fc.Arbitrary<string> {
  const odd = fc.constantFrom(...ODD_JSON);
  const json = anyValue(levels).map((value) => JSON.stringify(value));
  return fc.oneof(
    { weight: 1, arbitrary: odd },
    { weight: 6, arbitrary: json },
    {
      weight: 1,
      arbitrary: fc.tuple(json, fc.nat(), odd).map(([text, nat, odd]) => {
        const at = nat % (text.length + 1);
        return text.slice(0, at) + odd + text.slice(at);
      }),
    },
  );
}

/** Writes this number of levels of arrays or objects. */
export function nest(open: string, core: string, levels: number): string {
  const close = open.startsWith("{") ? "}" : "]";
  return open.repeat(levels) + core + close.repeat(levels);
}
