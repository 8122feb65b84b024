/** One order explains the history of real processes and workers. */

import { assert, assertEquals } from "@std/assert";
import { temporaryBirth } from "../../src/directory/layout.ts";
import { EFFORT } from "../effort.ts";
import { type CrowdOptions, Ground } from "./crowd.ts";
import { IDS } from "./flow.ts";
import { judge, type Judgement } from "./judgement.ts";

const OPERATIONS = 26_000;

type Crowd = Pick<CrowdOptions, "processes" | "workers">;

/** Runs a crowd, and judges its history. */
async function judgeCrowd(crowd: Crowd, seed: number): Promise<Judgement> {
  using ground = new Ground();
  await ground.setup();
  await ground.run({ ...crowd, operations: OPERATIONS, seed });
  const strangers = ground.list().filter((name) =>
    name !== ".latchkey" && !IDS.includes(name)
  );
  const recycledFiles = strangers.filter((name) =>
    temporaryBirth(name) !== undefined
  );
  const { processes = 0, workers = 0 } = crowd;
  assert(
    recycledFiles.length <= processes + workers,
    `no process was killed, but left ${recycledFiles}`,
  );
  assertEquals(strangers.length, recycledFiles.length, `left: ${strangers}`);
  return judge(ground.readEvents());
}

function testCrowd(clients: string, crowd: Crowd): void {
  Deno.test(`what ${clients} saw has one order that explains it`, async () => {
    const begin = performance.now();
    let operations = 0;
    let explored = 0;
    let widest = 0;
    for (let seed = 1; seed <= EFFORT; seed++) {
      const judgement = await judgeCrowd(crowd, seed);
      const { violation } = judgement;
      assert(violation === undefined, `${clients}, seed ${seed}: ${violation}`);
      assertEquals(judgement.unanswered, 0);
      operations += judgement.operations;
      explored += judgement.explored;
      widest = Math.max(widest, judgement.widest);
    }
    assert(operations >= OPERATIONS * EFFORT);
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    console.log(
      `${clients}: ${operations} operations in ${seconds} s, ${explored} states, up to ${widest} at once`,
    );
  });
}

testCrowd("4 processes", { processes: 4 });
testCrowd("8 processes", { processes: 8 });
testCrowd("4 workers", { processes: 0, workers: 4 });
testCrowd("4 processes and 4 workers", { processes: 4, workers: 4 });
