/**
 * Bytes of any kind under any ID: decoding never throws, accepts only bytes that
 * were encoded for that very ID, and returns a valid record for these.
 */

import fc from "npm:fast-check@4.11.0";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  decodeLifetime,
  decodeRecord,
  encodeRecord,
} from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { assertUnpolluted } from "./prototypes.ts";
import { search, show } from "../search.ts";
import {
  anyBody,
  anyDamage,
  anyId,
  anyWhole,
  DEEP_BODIES,
  forge,
  IDS,
  reseal,
  WHOLES,
} from "./session_bytes.ts";

const UNUSABLE: readonly unknown[] = ["unreadable", "foreign", "newer"];
const BY_TEXT = new Map(
  WHOLES.map((whole) => [withoutAccess(whole.bytes), whole]),
);

/** Byte by byte, so that different bytes are different texts. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

/** The text without the last access, where that is a time. */
function withoutAccess(bytes: Uint8Array): string {
  const access = textOf(bytes.subarray(11, 27));
  const isTime = /^\d{16}$/.test(access) && BigInt(access) < 2n ** 53n;
  const text = textOf(bytes);
  return isTime ? text.slice(0, 11) + text.slice(27) : text;
}

function lifetimeOf({ expiresAt, idleTimeout }: SessionRecord): unknown {
  return {
    ...(expiresAt !== undefined && { expiresAt }),
    ...(idleTimeout !== undefined && { idleTimeout }),
  };
}

/** Whether text is at the place of the ID, and the line ends behind it. */
function isFor(id: string, bytes: Uint8Array): boolean {
  return textOf(bytes.subarray(80, 81 + id.length)) === `${id}\n`;
}

/** Bytes that were not encoded are not a session; encoded ones are a session of their own ID only. */
function assertAccident(id: string, bytes: Uint8Array): void {
  const before = bytes.slice();
  const decoded = decodeRecord(id, bytes);
  const lifetime = decodeLifetime(id, bytes);
  const whole = BY_TEXT.get(withoutAccess(bytes));
  if (whole === undefined) {
    assert(UNUSABLE.includes(decoded), `${id} has ${show(bytes)}`);
    assertEquals(lifetime, decoded, show(bytes));
  } else if (whole.id !== id) {
    assertEquals([decoded, lifetime], ["foreign", "foreign"], show(bytes));
  } else {
    assertEquals(decoded, whole.record, show(bytes));
    assertEquals(lifetime, lifetimeOf(whole.record), show(bytes));
  }
  assertEquals(bytes, before);
}

/** Forged bytes are not a record of another ID; if they are accepted, they are a complete record. */
function assertForgery(id: string, bytes: Uint8Array): boolean {
  const decoded = decodeRecord(id, bytes);
  const lifetime = decodeLifetime(id, bytes);
  if (typeof decoded === "string") {
    assert(UNUSABLE.includes(decoded), show(bytes));
    assertEquals(lifetime === "foreign", decoded === "foreign", show(bytes));
    return false;
  }
  assert(isFor(id, bytes), `${id} has ${show(bytes)}`);
  assertEquals(lifetime, lifetimeOf(decoded), show(bytes));
  assertShape(decoded, bytes);
  assert(typeof decodeRecord(id, encodeRecord(id, decoded)) === "object");
  return true;
}

function read(id: string, bytes: Uint8Array): SessionRecord {
  const record = decodeRecord(id, bytes);
  if (typeof record === "object") return record;
  throw new Error(`${record}: ${show(bytes)}`);
}

function assertShape(record: SessionRecord, bytes: Uint8Array): void {
  const { data, createdAt, flash = {}, formTokens = [], ...rest } = record;
  const { secretHash = "", user = "" } = rest;
  const isRecord = Number.isSafeInteger(createdAt) && createdAt >= 0 &&
    [data, flash].every((object) =>
      Object.getPrototypeOf(object) === Object.prototype
    ) &&
    [secretHash, user, ...formTokens].every((text) => typeof text === "string");
  assert(isRecord, `not a record: ${show(bytes)}`);
}

Deno.test("a damaged session file is not a session, or still the same session", () => {
  const inputs = fc.tuple(anyWhole, anyDamage, anyId);
  search("damaged session files", 40_000, inputs, ([whole, damage, other]) => {
    const bytes = damage(whole.bytes);
    assertAccident(whole.id, bytes);
    assertAccident(other, bytes);
  });
  assertUnpolluted();
});

Deno.test("random bytes are not a session", () => {
  const inputs = fc.tuple(
    fc.uint8Array({ maxLength: 299, size: "max" }),
    fc.oneof(fc.constant(0), fc.nat(80)),
    anyWhole,
    anyId,
  );
  search("random bytes", 10_000, inputs, ([bytes, head, whole, id]) => {
    bytes.set(whole.bytes.subarray(0, Math.min(bytes.length, head)));
    assertAccident(id, bytes);
  });
  assertUnpolluted();
});

Deno.test("a right checksum over wrong content is not a session, or a complete record", () => {
  const forged = fc.oneof(
    fc.tuple(anyId, anyBody).map(([id, body]) => forge(id, body)),
    fc.tuple(anyWhole, anyDamage)
      .map(([whole, damage]) => reseal(damage(whole.bytes))),
  );
  const inputs = fc.tuple(forged, anyId, anyId);
  let believed = 0;
  search("resealed session files", 20_000, inputs, ([bytes, ...ids]) => {
    for (const id of ids) if (assertForgery(id, bytes)) believed++;
  });
  console.log(`  of which ${believed} times a record was accepted`);
  assertUnpolluted();
});

for (const body of DEEP_BODIES) {
  const title = body.replaceAll(/(.{5,7}?)\1+/g, "$1…").slice(0, 60);
  Deno.test(`100,000 levels are read, and written or refused: ${title}`, () => {
    try {
      for (const id of IDS) assertForgery(id, forge(IDS[0]!, body));
    } catch (error) {
      // Objects whose keys are numbers are written by recursion.
      assert(error instanceof TypeError, `${error}`);
      assertStringIncludes(error.message, "is too deep or too large");
    }
    assertUnpolluted();
  });
}

Deno.test("decoding takes time in proportion to the bytes (printed)", () => {
  const id = IDS[0]!;
  for (let size = 1024; size <= 1024 * 1024; size *= 32) {
    const unit = '{"__proto__":[1,"ä"]},';
    const list = `[${unit.repeat(size / unit.length)}1]`;
    const bytes = forge(id, `{"createdAt":1,"data":{"list":${list}}}`);
    const begin = performance.now();
    const rounds = 4 * 1024 * 1024 / size;
    for (let round = 0; round < rounds; round++) read(id, bytes);
    const perByte = (performance.now() - begin) / rounds / bytes.length;
    console.log(`${size / 1024} KiB: ${(1e6 * perByte).toFixed(1)} ns a byte`);
  }
});
