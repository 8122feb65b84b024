/** Cookie headers as no browser sends them, and what is in them by the book. */

import type { Random } from "../random.ts";

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

/** Draws a name: the cookie's, one that is nearly it, or any. */
function randomName(random: Random, name: string): string {
  const others = [
    name.toUpperCase(),
    `x${name}`,
    `${name}x`,
    `${name} `,
    ` ${name}`,
    `\u00a0${name}`,
    name.slice(1),
    "a",
    "__proto__",
    "",
  ];
  return random.oneIn(2) ? name : random.pick(others);
}

/** Changes a text in one way. */
function damage(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  const after = text.slice(at + 1);
  switch (random.below(5)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(at);
    case 2:
      return text.slice(0, at) + random.pick(JUNK) + text.slice(at);
    case 3:
      return text.slice(0, at) + random.pick([..."0aAzZ-_./+= "]) + after;
    default:
      return text.slice(0, at) + String.fromCharCode(random.below(0x300)) +
        after;
  }
}

function randomValue(random: Random, tokens: readonly string[]): string {
  const token = random.pick(tokens);
  switch (random.below(8)) {
    case 0:
    case 1:
      return token;
    case 2:
      return `"${token}"`;
    case 3:
      return damage(random, token);
    case 4:
      // The ID of one, the secret of another.
      return token.slice(0, 32) + random.pick(tokens).slice(32);
    case 5:
      return random.pick([
        token.toUpperCase(),
        token + token,
        `${token},${random.pick(tokens)}`,
        `"${token}`,
        `${token}"`,
        `""${token}""`,
        encodeURIComponent(`"${token}"`),
      ]);
    case 6:
      return random.pick(JUNK);
    default:
      return String.fromCharCode(...random.list(70, () => random.below(0x180)));
  }
}

/**
 * Draws a header by the grammar of cookies, then breaks the grammar.
 *
 * @param name The cookie's name.
 * @param tokens Values that mean something.
 */
export function randomHeader(
  random: Random,
  name: string,
  tokens: readonly string[],
): string {
  const pairs = random.list(5, () => {
    const pair = [randomName(random, name)];
    if (!random.oneIn(12)) pair.push("=", randomValue(random, tokens));
    return random.pick(BLANKS) + pair.join("") + random.pick(BLANKS);
  });
  const header = pairs.join(random.oneIn(12) ? random.pick(JUNK) : ";");
  return random.oneIn(6) ? damage(random, header) : header;
}

/** What `readCookie()` promises, in as many steps as it has sentences. */
export function findCookie(header: string, name: string): string | undefined {
  const values = header.split(";")
    .map((pair) => pair.replace(/^[ \t]+/, ""))
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).trim())
    .map((value) => /^"[^]*"$/.test(value) ? value.slice(1, -1) : value);
  return new Set(values).size === 1 ? values[0] : undefined;
}
