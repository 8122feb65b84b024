/** Cookie headers that no browser sends, and the value in them by the grammar. */

import fc from "npm:fast-check@4.11.0";
import { anyUnits } from "./json_values.ts";

const BLANKS = ["", "", " ", "  ", "\t", " \t "];
const JUNK = [
  "",
  "=",
  "==",
  ";",
  ",",
  '"',
  '""',
  "\\",
  "\0",
  "\r\n",
  "\x7f",
  "\u00a0",
  "\u2028",
  "\ufeff",
  "\ud800",
  "🍪",
  "%00",
  "%3B",
  "../..",
  "/etc/passwd",
  "__proto__",
  "constructor",
  "$Version=1",
  "x".repeat(200),
];

/** A text that is made from the cookie's name. */
type OfName = (name: string) => string;

/** The name of the cookie, one that is nearly it, or any. */
const NAMES: readonly OfName[] = [
  (name) => name.toUpperCase(),
  (name) => `x${name}`,
  (name) => `${name}x`,
  (name) => `${name} `,
  (name) => ` ${name}`,
  (name) => `\u00a0${name}`,
  (name) => name.slice(1),
  () => "a",
  () => "__proto__",
  () => "",
];
const anyName: fc.Arbitrary<OfName> = fc.oneof(
  fc.constant((name: string) => name),
  fc.constantFrom(...NAMES),
);

const anyJunk = fc.constantFrom(...JUNK);
const anyBlank = fc.constantFrom(...BLANKS);

/** Changes a text in one way. */
const anyDamage: fc.Arbitrary<(text: string) => string> = fc.record({
  way: fc.nat(4),
  place: fc.nat(),
  junk: anyJunk,
  letter: fc.constantFrom(..."0aAzZ-_./+= "),
  unit: fc.nat(0x2ff),
}).map(({ way, place, junk, letter, unit }) => (text) => {
  const at = place % (text.length + 1);
  const after = text.slice(at + 1);
  switch (way) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(at);
    case 2:
      return text.slice(0, at) + junk + text.slice(at);
    case 3:
      return text.slice(0, at) + letter + after;
    default:
      return text.slice(0, at) + String.fromCharCode(unit) + after;
  }
});

function anyCookieValue(tokens: readonly string[]): fc.Arbitrary<string> {
  const two = fc.tuple(fc.constantFrom(...tokens), fc.constantFrom(...tokens));
  const ways: ((token: string, other: string) => string)[] = [
    (token) => token.toUpperCase(),
    (token) => token + token,
    (token, other) => `${token},${other}`,
    (token) => `"${token}`,
    (token) => `${token}"`,
    (token) => `""${token}""`,
    (token) => encodeURIComponent(`"${token}"`),
  ];
  return fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...tokens) },
    fc.constantFrom(...tokens).map((token) => `"${token}"`),
    fc.tuple(fc.constantFrom(...tokens), anyDamage)
      .map(([token, damage]) => damage(token)),
    // The ID of one, the secret of another.
    two.map(([one, other]) => one.slice(0, 32) + other.slice(32)),
    fc.tuple(two, fc.constantFrom(...ways))
      .map(([[token, other], change]) => change(token, other)),
    anyJunk,
    anyUnits(70, 0x17f),
  );
}

/**
 * A header by the grammar of cookies, maybe damaged afterwards.
 *
 * @param tokens Values that mean something.
 * @returns A function from the cookie's name to the header.
 */
export function anyHeader(tokens: readonly string[]): fc.Arbitrary<OfName> {
  const pair = fc.tuple(
    anyBlank,
    anyName,
    fc.option(anyCookieValue(tokens), { freq: 12 }),
    anyBlank,
  );
  return fc.tuple(
    fc.array(pair, { maxLength: 4 }),
    fc.oneof({ weight: 11, arbitrary: fc.constant(";") }, anyJunk),
    fc.oneof(
      { weight: 5, arbitrary: fc.constant((header: string) => header) },
      anyDamage,
    ),
  ).map(([pairs, between, damage]) => (name) =>
    damage(
      pairs.map(([before, ofName, value, after]) =>
        before + ofName(name) + (value === null ? "" : `=${value}`) + after
      ).join(between),
    )
  );
}

/** What `readCookie()` promises, in as many steps as it has sentences. */
export function findCookies(header: string, name: string): string[] {
  return header.split(";")
    .map((pair) => pair.replace(/^[ \t]+/, ""))
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).trim())
    .map((value) => /^"[^]*"$/.test(value) ? value.slice(1, -1) : value);
}
