/** Random records come back as they were, for their ID and for no other. */

import { assert, assertEquals } from "@std/assert";
import {
  decodeLifetime,
  decodeRecord,
  encodeRecord,
} from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { randomObject, randomText } from "./json_values.ts";
import { assertUnpolluted } from "./prototypes.ts";
import type { Random } from "../random.ts";
import { explore, show } from "./search.ts";
import { IDS } from "./session_bytes.ts";

/** By text: deep equality has its own ideas of `-0` and an own `__proto__`. */
function sorted(record: SessionRecord): string {
  const keys = Object.keys(record) as (keyof SessionRecord)[];
  return JSON.stringify(keys.sort().map((key) => [key, record[key]]));
}

function randomRecord(random: Random): SessionRecord {
  const time = () => random.pick([0, 1, 1.7e12, Number.MAX_SAFE_INTEGER]);
  return {
    data: randomObject(random, 4),
    createdAt: time(),
    ...(random.oneIn(2) && { expiresAt: time() }),
    ...(random.oneIn(2) && { idleTimeout: time() }),
    ...(random.oneIn(2) && { secretHash: randomText(random) }),
    ...(random.oneIn(2) && { user: randomText(random) }),
    ...(random.oneIn(2) && { flash: randomObject(random, 3) }),
    ...(random.oneIn(2) &&
      { formTokens: random.list(4, () => randomText(random)) }),
  };
}

Deno.test("what was encoded comes back for its ID, and for no other", () => {
  explore("random records", 5_000, (random) => {
    const id = random.pick(IDS);
    const record = randomRecord(random);
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
