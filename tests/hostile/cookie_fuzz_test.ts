/**
 * Any `Cookie` header at all: reading it never throws, finds the value that the
 * grammar says, and opens the session whose token it carries or a new one.
 */

import fc from "npm:fast-check@4.11.0";
import { assert, assertEquals } from "@std/assert";
import { hashSecret, isSessionId, parseToken } from "../../src/core/token.ts";
import { readCookie } from "../../src/http/cookie.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { search, searchSlowly, show } from "../search.ts";
import { anyHeader, findCookies } from "./cookie_headers.ts";
import { assertUnpolluted } from "./prototypes.ts";
import { anyUnits } from "./json_values.ts";

const TOKENS = [
  `${"0123456789abcdef".repeat(2)}abcdefghijklmnopqrs-_Z`,
  `${"0".repeat(32)}${"0".repeat(22)}`,
  `${"f".repeat(32)}${"_".repeat(22)}`,
];
const NAMES = ["latchkey", "__Host-latchkey", "s", "a.b", "$&", "^"];

Deno.test("readCookie() finds what the grammar says, in any header", () => {
  const inputs = fc.tuple(fc.constantFrom(...NAMES), anyHeader(TOKENS))
    .map(([name, headerOf]) => ({ name, header: headerOf(name) }));
  search("cookie headers", 30_000, inputs, ({ name, header }) => {
    assertEquals(
      readCookie(header, name),
      findCookies(header, name),
      `${name} in ${show(header)}`,
    );
  });
  assertUnpolluted();
});

Deno.test("readCookie() reads no character too often, in 1 KiB as in 1 MiB", () => {
  let most = 0;
  const inputs = fc.tuple(anyHeader(TOKENS), fc.constantFrom(";", " ", ""))
    .map(([headerOf, end]) => headerOf("s") + end);
  search("long cookie headers", 20, inputs, (part) => {
    for (const size of [2 ** 10, 2 ** 15, 2 ** 20]) {
      const header = part.repeat(Math.ceil(size / (part.length + 1)));
      const reads = countReads(header, "s") / (header.length + 1);
      assert(reads < 8, `${reads} a character, ${size} of ${show(part)}`);
      most = Math.max(most, reads);
    }
  });
  console.log(`  at most ${most.toFixed(2)} reads a character`);
});

/** Counts in place of a clock; see the same in tests/http/cookie_test.ts. */
function countReads(header: string, name: string): number {
  let reads = 0;
  const counted = {
    length: header.length,
    indexOf: (text: string, from = 0) => {
      const found = header.indexOf(text, from);
      reads += (found === -1 ? header.length : found) - from;
      return found;
    },
    charCodeAt: (at: number) => (reads++, header.charCodeAt(at)),
    slice: (from: number, to: number) => {
      reads += to - from;
      return header.slice(from, to);
    },
  };
  readCookie(counted as unknown as string, name);
  return reads;
}

/** Characters and lengths, one by one. */
function isToken(text: string): boolean {
  const characters = [...text];
  return text.length === 54 && characters.length === 54 &&
    characters.every((character, at) =>
      (at < 32 ? "0123456789abcdef" : LETTERS).includes(character)
    );
}

const LETTERS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A token, or nearly one. */
const anyTokenText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...TOKENS),
  fc.tuple(
    fc.constantFrom(...TOKENS),
    fc.nat(54),
    fc.oneof(
      fc.constantFrom(...`${LETTERS}+/=.\n\0 "`),
      anyUnits(2),
    ),
    fc.nat(1),
  ).map(([token, at, unit, replaced]) =>
    token.slice(0, at) + unit + token.slice(at + replaced)
  ),
  anyUnits(60, 0xff),
);

Deno.test("parseToken() accepts a well-formed token, and nothing else", () => {
  search("tokens", 20_000, anyTokenText, (text) => {
    const token = parseToken(text);
    assertEquals(token !== undefined, isToken(text), show(text));
    if (token === undefined) return;
    assertEquals(token.id + token.secret, text);
    assertEquals(token.secret.length, 22);
    assert(isSessionId(token.id), show(text));
  });
});

/** Sessions of several users by the token that opens them. */
async function openSessions() {
  const store = new MemorySessionStore();
  const owners = new Map<string, string>();
  for (const [at, user] of ["ann", "bob", "eve"].entries()) {
    const { id, secret } = parseToken(TOKENS[at]!)!;
    const secretHash = hashSecret(secret);
    owners.set(id + secret, user);
    await store.save(id, { data: { user }, createdAt: 1, user, secretHash });
  }
  return { store, owners };
}

function requestWith(cookie: string): Request {
  // Without `Headers`, which refuses some values: the manager must accept them all.
  const headers = { get: (name: string) => name === "cookie" ? cookie : null };
  const request = new Request("http://localhost/");
  return Object.defineProperty(request, "headers", { value: headers });
}

Deno.test("open() gives a request the session of its token, or a new one", async () => {
  const { store, owners } = await openSessions();
  const before = await Array.fromAsync(store.entries());
  const manager = new SessionManager({ store });
  let opened = 0;
  const inputs = anyHeader(TOKENS).map((headerOf) => headerOf("latchkey"));
  await searchSlowly(
    "requests with a cookie",
    20_000,
    inputs,
    async (header) => {
      const session = await manager.open(requestWith(header));
      const tokens = new Set(findCookies(header, "latchkey").filter(isToken));
      const fitting = [...tokens].filter((token) => owners.has(token));
      const isClear = tokens.size < 5 && fitting.length === 1;
      const [value] = isClear ? fitting : [];
      const user = value === undefined ? undefined : owners.get(value);
      assertEquals(session.user, user ?? null, show(header));
      assertEquals(session.get("user"), user, show(header));
      assertEquals(session.isNew, user === undefined, show(header));
      assert(user === undefined || value!.startsWith(session.id), show(header));
      const headers = new Headers();
      await manager.commit(session, headers);
      assertEquals(headers.getSetCookie(), [], show(header));
      if (user !== undefined) opened++;
    },
  );
  console.log(`  of which ${opened} carried a token of a user`);
  assertEquals(await Array.fromAsync(store.entries()), before);
  assertUnpolluted();
});
