/** Values and texts of JSON that are as odd as JSON allows, and some that it does not. */

import {
  isSafeKey,
  type JsonObject,
  type JsonValue,
} from "../../src/core/record.ts";
import type { Random } from "../random.ts";

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

/** Draws a text, mostly an odd one, sometimes of any code units at all. */
export function randomText(random: Random): string {
  if (!random.oneIn(4)) return random.pick(TEXTS);
  const units = random.list(12, () => random.below(0x10000));
  return String.fromCharCode(...units);
}

/** Draws a key of an object, one that JSON need not escape. */
export function randomKey(random: Random): string {
  const key = random.oneIn(4) ? randomText(random) : random.pick(KEYS);
  return [...key].map((part) => isSafeKey(part) ? part : "/").join("");
}

/** Draws a number that JSON holds. */
export function randomNumber(random: Random): number {
  if (!random.oneIn(3)) return random.pick(NUMBERS);
  const bytes = Uint8Array.from({ length: 8 }, () => random.below(256));
  const number = new DataView(bytes.buffer).getFloat64(0);
  return Number.isFinite(number) ? number : 0.5;
}

/** Draws any value that JSON holds, at most so many levels deep. */
export function randomValue(random: Random, levels: number): JsonValue {
  switch (random.below(levels > 0 ? 8 : 4)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return randomNumber(random);
    case 2:
    case 3:
      return randomText(random);
    case 4:
    case 5:
      return random.list(5, () => randomValue(random, levels - 1));
    default:
      return randomObject(random, levels);
  }
}

/** Draws an object; its keys are its own, `__proto__` among them. */
export function randomObject(random: Random, levels: number): JsonObject {
  return Object.fromEntries(
    random.list(
      6,
      () => [randomKey(random), randomValue(random, levels - 1)] as const,
    ),
  );
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

/** Writes a value as JSON, or something that is close to it. */
export function randomJson(random: Random, levels: number): string {
  if (random.oneIn(8)) return random.pick(ODD_JSON);
  const text = JSON.stringify(randomValue(random, levels));
  if (!random.oneIn(8)) return text;
  const at = random.below(text.length + 1);
  return text.slice(0, at) + random.pick(ODD_JSON) + text.slice(at);
}

/** Writes so many levels of arrays or objects. */
export function nest(open: string, core: string, levels: number): string {
  const close = open.startsWith("{") ? "}" : "]";
  return open.repeat(levels) + core + close.repeat(levels);
}
