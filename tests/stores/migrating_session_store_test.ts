import { MemorySessionStore } from "../../src/stores/memory_store.ts";
import { MigratingSessionStore } from "../../src/stores/migrating_session_store.ts";
import { testContract } from "./contract.ts";

testContract("MigratingSessionStore", () => {
  let now: number | undefined;
  const clock = () => now ?? Date.now();
  const from = new MemorySessionStore({ now: clock });
  const to = new MemorySessionStore({ now: clock });
  const store = new MigratingSessionStore(from, to, clock);
  const stopClock = (at: number): Disposable => {
    const before = now;
    now = at;
    return { [Symbol.dispose]: () => void (now = before) };
  };
  return Promise.resolve({
    store,
    stopClock,
    age: async (id: string, ms: number) => {
      using _clock = stopClock(clock() - ms);
      await store.touch(id);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
