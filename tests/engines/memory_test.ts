import { assert, assertEquals } from "@std/assert";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { ID, recordOf } from "../constants.ts";
import { testContract } from "../contract/contract.ts";
import { openMemory } from "./open_memory.ts";

testContract("MemorySessionStore", openMemory);

Deno.test("MemorySessionStore: each store has sessions of its own", async () => {
  const store = new MemorySessionStore();
  await store.save(ID, recordOf());
  assertEquals(store.isMultiprocessSafe, false);
  assertEquals(store.isThreadSafe, false);
  assertEquals(await new MemorySessionStore().has(ID), false);
});

Deno.test("MemorySessionStore: asks its own clock at every step", async () => {
  let now = 1_000;
  const store = new MemorySessionStore({ now: () => now });
  await store.save(ID, recordOf({}, { idleTimeout: 10 }));
  now += 9;
  assert(await store.touch(ID));
  now += 9;
  assert(await store.has(ID));
  now += 1;
  assertEquals(await store.has(ID), false);
  assertEquals((await store.deleteOldSessions(30)).deleted, 0);
});
