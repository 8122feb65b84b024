import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  checkSessionId,
  createSecret,
  createSessionId,
  hashSecret,
  isSameHash,
  isSessionId,
  parseToken,
} from "../../src/core/token.ts";
import { MALFORMED_IDS } from "../malformed_ids.ts";

const ID = "0123456789abcdef0123456789abcdef";
const SECRET = "abcdefghijklmnopqrs-_Z";

Deno.test("createSessionId() makes 32 lower-case hex characters", () => {
  const ids = Array.from({ length: 10_000 }, createSessionId);
  for (const id of ids) assert(/^[0-9a-f]{32}$/.test(id), id);
  for (const id of ids) assert(isSessionId(id), id);
});

Deno.test("createSecret() makes 22 base64url characters", () => {
  const secrets = Array.from({ length: 10_000 }, createSecret);
  for (const secret of secrets) assert(/^[A-Za-z0-9_-]{22}$/.test(secret));
});

Deno.test("IDs and secrets are never made twice", () => {
  for (const create of [createSessionId, createSecret]) {
    const made = Array.from({ length: 10_000 }, create);
    assertEquals(new Set(made).size, made.length);
  }
});

Deno.test("IDs and secrets use every bit they can", () => {
  const one = { id: 0n, secret: 0n };
  const zero = { id: 0n, secret: 0n };
  const all = (1n << 128n) - 1n;
  for (let i = 0; i < 1_000; i++) {
    const id = BigInt(`0x${createSessionId()}`);
    const bytes = Uint8Array.fromBase64(createSecret(), {
      alphabet: "base64url",
    });
    assertEquals(bytes.length, 16);
    const secret = BigInt(`0x${bytes.toHex()}`);
    one.id |= id;
    one.secret |= secret;
    zero.id |= ~id & all;
    zero.secret |= ~secret & all;
  }
  assertEquals(one, { id: all, secret: all });
  assertEquals(zero, { id: all, secret: all });
});

Deno.test("parseToken() splits a token into ID and secret", () => {
  assertEquals(parseToken(ID + SECRET), { id: ID, secret: SECRET });
  const id = createSessionId();
  const secret = createSecret();
  assertEquals(parseToken(id + secret), { id, secret });
});

Deno.test("parseToken() refuses every other text, and never throws", () => {
  const token = ID + SECRET;
  const texts = [
    "",
    ID,
    SECRET,
    token.slice(1),
    token.slice(0, -1),
    `${token}a`,
    `a${token}`,
    `${token}\n`,
    `\n${token}`,
    `${token}=`,
    ` ${token}`,
    `${token};`,
    `${token}\0`,
    `"${token}"`,
    token.toUpperCase(),
    ID.toUpperCase() + SECRET,
    `g${token.slice(1)}`,
    `${ID}/bcdefghijklmnopqrs-_Z`,
    `${ID}+bcdefghijklmnopqrs-_Z`,
    `${ID}.bcdefghijklmnopqrs-_Z`,
    `${ID}äbcdefghijklmnopqrs-_Z`,
    `${ID}%62cdefghijklmnopqrs-_`,
    `../${token.slice(3)}`,
    "\ud800".repeat(54),
    "０".repeat(54),
    "a".repeat(64 * 1024),
    "\0".repeat(64 * 1024),
    token.repeat(1_000),
  ];
  for (const text of texts) assertEquals(parseToken(text), undefined);
  for (const [why, text] of MALFORMED_IDS) {
    if (typeof text !== "string") continue;
    assertEquals(parseToken(text), undefined, why);
    assertEquals(parseToken(text + SECRET), undefined, why);
  }
});

Deno.test("hashSecret() is SHA-256, hex", () => {
  // The example of FIPS 180-4, "abc".
  assertEquals(
    hashSecret("abc"),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assertEquals(hashSecret(SECRET).length, 64);
  assert(hashSecret(SECRET) !== hashSecret(SECRET.toLowerCase()));
});

Deno.test("isSameHash() is true for the same only", () => {
  const hash = hashSecret(SECRET);
  assertEquals(isSameHash(hash, hashSecret(SECRET)), true);
  for (let at = 0; at < hash.length; at++) {
    const other = hash[at] === "A" ? "B" : "A";
    const changed = hash.slice(0, at) + other + hash.slice(at + 1);
    assertEquals(isSameHash(hash, changed), false, `at ${at}`);
  }
});

Deno.test("isSameHash() is false, and no error, for any other text", () => {
  const hash = hashSecret(SECRET);
  const others = [
    undefined,
    "",
    hash.slice(1),
    `${hash}=`,
    hash.toUpperCase(),
    "ä".repeat(64),
    "\ud800".repeat(64),
    "ä".repeat(21) + "a",
  ];
  for (const other of others) {
    assertEquals(isSameHash(hash, other), false);
    if (other !== undefined) assertEquals(isSameHash(other, hash), false);
  }
  assertEquals(isSameHash("", undefined), false);
});

Deno.test("isSessionId() takes 16 to 64 of the characters, and no more", () => {
  for (let length = 0; length <= 80; length++) {
    const fits = length >= 16 && length <= 64;
    assertEquals(isSessionId("a".repeat(length)), fits, `${length}`);
  }
  const rest = "0123456789abcde";
  for (let code = 0; code < 0x300; code++) {
    const character = String.fromCharCode(code);
    const isFirst = /[a-z0-9]/.test(character);
    assertEquals(isSessionId(character + rest), isFirst, `first ${code}`);
    const isLater = isFirst || character === "-" || character === "_";
    assertEquals(isSessionId(rest + character), isLater, `last ${code}`);
    assertEquals(isSessionId(`a${character}${rest}`), isLater, `2nd ${code}`);
  }
});

Deno.test("isSessionId() and checkSessionId() refuse malformed IDs", () => {
  for (const [why, id] of MALFORMED_IDS) {
    assertEquals(isSessionId(id), false, why);
    assertThrows(() => checkSessionId(id), TypeError, "Cannot keep a session");
  }
  checkSessionId(ID);
});

Deno.test("checkSessionId() does not repeat an invalid ID in its message", () => {
  const id = "SECRET-looking-thing";
  const error = assertThrows(() => checkSessionId(id), TypeError);
  assertEquals(error.message.includes(id), false);
});
