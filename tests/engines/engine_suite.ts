/**
 * The tests of every store on an engine, on the engine itself: the contract, and
 * the histories of processes that use it, some of which are killed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { EFFORT } from "../effort.ts";
import { Ground } from "../histories/crowd.ts";
import { judge } from "../histories/judgement.ts";
import { Random } from "../random.ts";
import {
  NEWER_JSON,
  type Spoiled,
  testContract,
} from "../contract/contract.ts";
import { openStore, type StorePlace } from "../contract/open_store.ts";

/** A place for one test, empty; disposing frees it. */
export interface EnginePlace extends AsyncDisposable {
  readonly place: StorePlace;
}

/** How an engine is tested. */
export interface TestedEngine {
  /** Makes an empty place. */
  make(): Promise<EnginePlace>;
  /** What this machine lacks for the tests, if anything. */
  readonly missing?: string | undefined;
  /** Whether several processes may work on it. */
  readonly isShared: boolean;
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
  /** How many operations a history has. */
  readonly operations?: number;
}

const GARBAGE = '{"data":';
const OPERATIONS = 6_000;
const KILLS = 12;
/** In ms; the process needs the first part of it to start. */
const LONGEST_LIFE = 500;

/**
 * Declares the tests of an engine.
 *
 * @param name The store's, at the start of every title.
 * @param engine How the engine is tested.
 */
export function testEngine(name: string, engine: TestedEngine): void {
  if (engine.missing !== undefined) {
    Deno.test.ignore(`${name}: ${engine.missing}`, () => {});
    return;
  }
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
  }, { longestString, readsAhead: true, countsAll: engine.countsAll });
  if (engine.isShared) testHistories(name, engine);
}

function testHistories(name: string, engine: TestedEngine): void {
  const { operations: wanted = OPERATIONS } = engine;

  for (const kind of ["processes", "workers"] as const) {
    Deno.test(`${name}: one order explains all results of 4 ${kind}`, async () => {
      for (let seed = 1; seed <= EFFORT; seed++) {
        await using made = await engine.make();
        using ground = new Ground(made.place);
        await ground.setup();
        const crowd = { processes: 0, workers: 0, [kind]: 4 };
        await ground.run({ ...crowd, operations: wanted, seed });
        const { violation, operations, unanswered } = judge(
          ground.readEvents(),
        );
        assert(violation === undefined, `seed ${seed}: ${violation}`);
        assertEquals(unanswered, 0);
        assert(operations >= wanted);
      }
    });
  }

  Deno.test(`${name}: one order explains all results of processes that were killed`, async () => {
    for (let seed = 1; seed <= EFFORT; seed++) {
      await using made = await engine.make();
      using ground = new Ground(made.place);
      await ground.setup();
      const random = new Random(seed);
      const lifetime = () => random.below(LONGEST_LIFE);
      await ground.runAndKill({ processes: 4, seed }, KILLS, lifetime);
      const { violation, unanswered } = judge(ground.readEvents());
      assert(violation === undefined, `seed ${seed}: ${violation}`);
      assert(unanswered > 0, "no process was killed at work");
    }
  });
}
