import { assert, assertEquals } from "@std/assert";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { ID, recordOf } from "../constants.ts";
import { testContract } from "../contract/contract.ts";

testContract("MemorySessionStore", () => {
  let now: number | undefined;
  const store = new MemorySessionStore({ now: () => now ?? Date.now() });
  const stopClock = (at: number): Disposable => {
    const before = now;
    now = at;
    return { [Symbol.dispose]: () => void (now = before) };
  };
  return Promise.resolve({
    store,
    stopClock,
    age: async (id: string, ms: number) => {
      using _clock = stopClock((now ?? Date.now()) - ms);
      await store.touch(id);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

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
