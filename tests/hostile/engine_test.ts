/**
 * What the store rests on and the engine does not do. V8 from 13 on may take an
 * escaped key of an object for another one of the same length, a part of whose
 * text it is, when it has parsed an object with that one before
 * (https://github.com/nodejs/node/issues/63785): after `{"a":0,"x\\":0}` the
 * key of `{"a":0,"x\n":0}` is read as `x\`. The other tests here keep away from
 * keys with a backslash; this one tells when that is no longer needed.
 */

import { assert, assertEquals } from "@std/assert";
import { decodeRecord, encodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";

const ID = "0123456789abcdef";

function roundTrip(data: SessionRecord["data"]): string {
  const bytes = encodeRecord(ID, { data, createdAt: 1 });
  const decoded = decodeRecord(ID, bytes);
  assert(typeof decoded === "object", "no record");
  return JSON.stringify(decoded.data);
}

Deno.test("an escaped key comes back, or the engine has taken it for another", () => {
  const odd = { a: 0, "x\\": 1 };
  assertEquals(roundTrip(odd), JSON.stringify(odd));
  const expected = JSON.stringify({ a: 0, "x\n": 1 });
  const found = roundTrip({ a: 0, "x\n": 1 });
  const isMisread = found === JSON.stringify(odd);
  assert(isMisread || found === expected, found);
  console.log(
    isMisread ? "this engine misreads escaped keys" : "this engine reads them",
  );
});

Deno.test("escaped keys come back where no key holds a backslash", () => {
  const keys = ['"', "\n", "\u0000", "\ud800", "\u001f"];
  for (let round = 0; round < 2; round++) {
    for (const one of keys) {
      for (const other of keys) {
        const data = { b: 0, [`y${one}`]: 1, [`y${other}z`]: 2, [other]: 3 };
        assertEquals(roundTrip(data), JSON.stringify(data));
      }
    }
  }
});
