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
import { type ContractEngine, testEngineContract } from "./engine_contract.ts";

/** How an engine is tested. */
export interface TestedEngine extends ContractEngine {
  /** What this machine lacks for the tests, if anything. */
  readonly missing?: string | undefined;
  /** Whether several processes may work on it. */
  readonly isShared: boolean;
}

/**
 * In a history. Twice what it takes to see that an engine does not check what it
 * replaces or removes: at most 941 operations in 25 runs.
 */
const OPERATIONS = 2_000;
const KILLS = 12;
/** Of a process that is at work, in ms. */
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
  testEngineContract(name, engine);
  if (engine.isShared) testHistories(name, engine);
}

function testHistories(name: string, engine: TestedEngine): void {
  for (const kind of ["processes", "workers"] as const) {
    Deno.test(`${name}: one order explains all results of 4 ${kind}`, async () => {
      for (let seed = 1; seed <= EFFORT; seed++) {
        await using made = await engine.make();
        using ground = new Ground(made.place);
        await ground.setup();
        const crowd = { processes: 0, workers: 0, [kind]: 4 };
        await ground.run({ ...crowd, operations: OPERATIONS, seed });
        const { violation, operations, unanswered } = judge(
          ground.readEvents(),
        );
        assert(violation === undefined, `seed ${seed}: ${violation}`);
        assertEquals(unanswered, 0);
        assert(operations >= OPERATIONS);
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
