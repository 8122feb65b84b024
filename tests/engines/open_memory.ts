import { MemorySessionStore } from "../../src/engines/memory.ts";
import type { Harness } from "../contract/contract.ts";

/** Makes a store in memory, with a clock that can be stopped. */
export function openMemory(): Promise<Harness> {
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
}
