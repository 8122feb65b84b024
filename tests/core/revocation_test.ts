import { assertEquals, assertNotEquals } from "@std/assert";
import {
  isLater,
  isRevocationId,
  readRevocation,
  renewRevocation,
  revocationId,
  takeTurn,
  thisProcess,
} from "../../src/core/revocation.ts";

/** Stands for another process until the end of the block. */
function asProcess(id: string): Disposable {
  const before = { ...thisProcess };
  Object.assign(thisProcess, { id, turns: 0 });
  return { [Symbol.dispose]: () => void Object.assign(thisProcess, before) };
}

Deno.test("a revocation that was asked for earlier and is written later lets no login pass", () => {
  const now = 1_763_629_200_000;
  const turn = takeTurn();
  const asked = { turn, at: now };
  // A login in this process is opened here.
  const opening = { turn, at: now + 1 };
  const other = (() => {
    using _process = asProcess("other");
    const moment = { turn: takeTurn(), at: now + 2 };
    return renewRevocation(undefined, moment, undefined);
  })();
  const record = renewRevocation(other, asked, undefined);
  assertEquals(isLater(readRevocation(record)!, opening, now + 3), true);
  {
    using _process = asProcess("other");
    assertEquals(
      isLater(readRevocation(record)!, { turn: 0, at: now + 1 }, now + 3),
      true,
    );
    assertEquals(
      isLater(readRevocation(record)!, { turn: 1, at: now + 2 }, now + 3),
      false,
      "one that is opened after it passes in its process",
    );
  }
});

Deno.test("revocationId() names each user's record, of however many and asked in any order", () => {
  // printf '"ann"' | sha256sum
  const known = "user-cec78459472eed8b9f4625f155fd705ad906eae5352a769f5c9a4a07";
  const nameOf = (n: number) => revocationId(`user ${n}`);
  const users = Array.from({ length: 25_000 }, (_, n) => n);
  const names = users.map(nameOf);
  assertEquals(new Set(names).size, users.length);
  assertEquals(names.every(isRevocationId), true);
  assertEquals(users.toReversed().map(nameOf), names.toReversed());
  assertEquals(revocationId("ann"), known);
  const long = "long".repeat(100);
  assertEquals(revocationId(long), revocationId(long));
  assertNotEquals(revocationId("\ud800"), revocationId("\udc00"));
});
