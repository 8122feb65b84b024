/** Random records are decoded as they were encoded, for their ID and for no other. */

import fc from "npm:fast-check@4.11.0";
import { assert, assertEquals } from "@std/assert";
import {
  decodeLifetime,
  decodeRecord,
  encodeRecord,
} from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { search, show } from "../search.ts";
import { anyObject, anyText } from "./json_values.ts";
import { assertUnpolluted } from "./prototypes.ts";
import { anyId, IDS } from "./session_bytes.ts";

/** As text: deep equality treats `-0` and an own `__proto__` differently. */
function sorted(record: SessionRecord): string {
  const keys = Object.keys(record) as (keyof SessionRecord)[];
  return JSON.stringify(keys.sort().map((key) => [key, record[key]]));
}

const anyTime = fc.constantFrom(0, 1, 1.7e12, Number.MAX_SAFE_INTEGER);

const anyRecord: fc.Arbitrary<SessionRecord> = fc.record({
  data: anyObject(4),
  createdAt: anyTime,
  expiresAt: anyTime,
  idleTimeout: anyTime,
  secretHash: anyText,
  user: anyText,
  flash: anyObject(3),
  formTokens: fc.array(anyText, { maxLength: 3 }),
}, { requiredKeys: ["data", "createdAt"] });

Deno.test("an encoded record is decoded for its ID, and for no other", () => {
  const inputs = fc.tuple(anyId, anyRecord);
  search("random records", 5_000, inputs, ([id, record]) => {
    const bytes = encodeRecord(id, record);
    const decoded = decodeRecord(id, bytes);
    assert(typeof decoded === "object", show(bytes));
    assertEquals(sorted(decoded), sorted(record), show(bytes));
    for (const other of IDS) {
      if (other === id) continue;
      assertEquals(decodeRecord(other, bytes), "foreign");
      assertEquals(decodeLifetime(other, bytes), "foreign");
    }
  });
  assertUnpolluted();
});
