/**
 * The contract of every store on an engine, on the engine itself; without what
 * only Deno has, so that other runtimes test it as well.
 *
 * @module
 */

import {
  type DeclareTest,
  NEWER_JSON,
  type Spoiled,
  testContract,
} from "../contract/contract.ts";
import { openStore, type StorePlace } from "../contract/open_store.ts";

/** A place for one test, empty; disposing frees it. */
export interface EnginePlace extends AsyncDisposable {
  readonly place: StorePlace;
}

/** How the contract is tested on an engine. */
export interface ContractEngine {
  /** Makes an empty place. */
  make(): Promise<EnginePlace>;
  /** The longest text that it keeps, in characters. */
  readonly longestString?: number;
  /** Stores a text in the place of a record under an ID. */
  readonly spoil?: (
    place: StorePlace,
    id: string,
    text: string,
  ) => Promise<void>;
  /** Whether a cleanup counts everything that remains, also if it is not a record. */
  readonly countsAll?: boolean;
}

const GARBAGE = '{"data":';

/**
 * Declares the tests of the contract on an engine.
 *
 * @param name The store's, at the start of every title.
 * @param engine How it is tested.
 * @param test Declares a test, where no `Deno.test` is.
 */
export function testEngineContract(
  name: string,
  engine: ContractEngine,
  test?: DeclareTest,
): void {
  const { spoil, longestString } = engine;
  testContract(name, async () => {
    const made = await engine.make();
    let now: number | undefined;
    const clock = () => now ?? Date.now();
    const opened = await openStore(made.place, { now: clock });
    const stopClock = (at: number): Disposable => {
      const before = now;
      now = at;
      return { [Symbol.dispose]: () => void (now = before) };
    };
    const { store, breakDown } = opened;
    return {
      store,
      stopClock,
      ...(breakDown && { breakDown }),
      ...(spoil && {
        spoil: (id: string, as: Spoiled = "garbage") =>
          spoil(made.place, id, as === "newer" ? NEWER_JSON : GARBAGE),
      }),
      age: async (id: string, ms: number) => {
        const lastAccess = clock() - ms;
        // When every session is live.
        using _clock = stopClock(1);
        const record = await store.load(id);
        await store.delete(id);
        await store.create(id, record!, { lastAccess });
      },
      [Symbol.asyncDispose]: async () => {
        await opened[Symbol.asyncDispose]();
        await made[Symbol.asyncDispose]();
      },
    };
  }, { longestString, readsAhead: true, countsAll: engine.countsAll, test });
}
