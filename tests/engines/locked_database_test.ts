import { assertEquals } from "@std/assert";
import { untilUnlocked } from "../../src/engines/locked_database.ts";

Deno.test("untilUnlocked() calls again while the database is locked", async () => {
  let calls = 0;
  const call = () => {
    if (++calls < 4) throw new TypeError("database is locked");
    return "done";
  };
  assertEquals(await untilUnlocked(call), "done");
  assertEquals(calls, 4);
});

Deno.test("untilUnlocked() throws every other error at once", async () => {
  for (
    const error of [
      new Error("database is lockable"),
      new TypeError("database is locked by a schema change"),
      "database is locked",
    ]
  ) {
    let calls = 0;
    const thrown = await untilUnlocked(() => {
      calls++;
      throw error;
    }).catch((thrown) => thrown);
    assertEquals([thrown, calls], [error, 1]);
  }
});
