/**
 * An error of the engine that the store must work around. V8 from 13 on may read
 * an escaped key of an object as another key of the same length, which is a part
 * of its JSON text, once any code of the process has parsed an object with that
 * other key (https://github.com/nodejs/node/issues/63785): after
 * `{"a":0,"x\\":0}` the key of `{"a":0,"x\n":0}` is read as `x\`. JSON from a
 * client may hold such a key.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { decodeRecord, encodeRecord } from "../../src/core/codec.ts";
import { isSafeKey } from "../../src/core/record.ts";
import { Session } from "../../src/session/session.ts";
import { ID } from "../constants.ts";

/** Puts the engine into the state in which it misreads escaped keys. */
function parseOddKey(): unknown {
  return JSON.parse(String.raw`{"a":0,"x\\":0}`);
}

Deno.test("a session refuses every key that the engine may misread", () => {
  parseOddKey();
  const [, read] = Object.keys(JSON.parse(String.raw`{"a":0,"x\n":0}`));
  console.log(
    read === "x\n"
      ? "this engine reads escaped keys"
      : "this engine misreads escaped keys",
  );

  const session = new Session<Record<string, unknown>>();
  for (const key of ["x\n", "x\\", 'x"', "x\ud800"]) {
    assertThrows(() => session.set(key, 1), TypeError);
    assertThrows(() => session.set("a", { a: 0, [key]: 1 }), TypeError);
    assertThrows(() => session.flash(key, 1), TypeError);
    const data = { a: 0, [key]: 1 };
    assertThrows(() => encodeRecord(ID, { data, createdAt: 1 }), TypeError);
  }
});

Deno.test("every other key is read as it was written, whatever the process has parsed", () => {
  for (let unit = 0; unit < 0x10000; unit++) {
    const key = `x${String.fromCharCode(unit)}`;
    if (!isSafeKey(key)) continue;
    parseOddKey();
    const data = { a: 0, [key]: 1 };
    const decoded = decodeRecord(ID, encodeRecord(ID, { data, createdAt: 1 }));
    assertEquals((decoded as { data: unknown }).data, data);
  }
});
