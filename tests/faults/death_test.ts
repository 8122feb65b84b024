/**
 * A kill at every step: a process that is killed (SIGKILL) right before its
 * first, second, third … system call, in every operation, up to the last.
 */

import { assert, assertEquals } from "@std/assert";
import type { Durability } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { takeShare } from "../share.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { cleanUpAfter, goOn } from "./aftermath.ts";
import { type Death, startDeath } from "./death_script.ts";
import {
  describeDirectory,
  type DirectoryState,
  findTorn,
  layOut,
} from "./directory_state.ts";
import { describeIndex } from "../index_state.ts";
import { replaceEveryCall } from "./every_call.ts";
import {
  isForPower,
  isSetup,
  openStore,
  type Scene,
  SCENES,
  takeOverRecycled,
} from "./scenes.ts";

/** Directories in which a scene is played by a process that is killed. */
class Graveyard implements Disposable {
  readonly path: string;
  readonly scene: Scene;
  readonly durability: Durability;
  readonly #place = new TemporaryDirectory();

  constructor(scene: Scene, durability: Durability) {
    this.path = this.#place.path;
    this.scene = scene;
    this.durability = durability;
  }

  [Symbol.dispose](): void {
    this.#place[Symbol.dispose]();
  }

  /** Lays the scene out for a process that is killed at a step. */
  async open(step: number): Promise<string> {
    const directory = this.#place.join(`step-${step}`);
    Deno.mkdirSync(directory, { mode: 0o700 });
    if (!this.scene.isWithoutDirectory) {
      await new DirectorySessionStore(directory).setup();
    }
    layOut(directory, this.scene);
    return directory;
  }

  /** Plays the scene to its end, and counts its system calls. */
  async countSteps(): Promise<number> {
    const { scene, durability } = this;
    const directory = await this.open(0);
    const store = openStore(directory, scene, { durability });
    if (!isSetup(scene)) await store.setup();
    takeOverRecycled(directory, scene);
    let steps = 0;
    using _calls = replaceEveryCall((call) => {
      steps++;
      return call.make();
    });
    await scene.run(store);
    return steps;
  }

  /** Runs a process that is killed; returns its answers by the number of the play. */
  async bury(
    plays: Death["plays"],
    how: "die" | "freeze",
  ): Promise<Map<number, unknown>> {
    const scene = SCENES.indexOf(this.scene);
    const { durability } = this;
    const death = { scene, durability, plays, how };
    const { signal, stdout, stderr } = await startDeath(death, this.path).end();
    assertEquals(signal, "SIGKILL", stderr);
    const lines = stdout.trim().split("\n").filter(Boolean);
    return new Map(lines.map((line) => {
      const { index, answer } = JSON.parse(line);
      return [index, answer];
    }));
  }
}

/** Checks what a killed process left, and runs every next operation. */
async function checkRemains(
  { scene, durability }: Graveyard,
  directory: string,
  before: DirectoryState["files"],
  step: number,
): Promise<void> {
  const { files, temporaries, locks } = describeDirectory(directory, scene);
  assertEquals(findTorn(scene, before, files), []);
  assert(locks.length <= 1, `left behind: ${locks}`);
  if (!scene.isWithoutIndex) {
    assertEquals(describeIndex(directory).missing, []);
  }
  // Setup tests whether a file can have two names; a replaced file gets another.
  const most = isSetup(scene) || durability === "process" ? 2 : 1;
  assert(temporaries.length <= most, `left behind: ${temporaries}`);
  await goOn(openStore(directory, scene), directory, step);
  assertEquals(describeDirectory(directory, scene).locks, []);
  await cleanUpAfter(directory, temporaries);
}

/** Checks what a process left that was killed after its answer. */
function checkAnswered(
  { scene, durability }: Graveyard,
  directory: string,
  answer: unknown,
): void {
  assertEquals(answer, scene.answer);
  const { files, temporaries, locks } = describeDirectory(directory, scene);
  assertEquals(files, scene.after);
  assertEquals(locks, []);
  const { missing, stale } = describeIndex(directory);
  assertEquals([...missing, ...stale], []);
  const most = durability === "process" ? 1 : 0;
  assert(temporaries.length <= most, `left behind: ${temporaries}`);
}

async function inWords(
  { scene, durability }: Graveyard,
  step: number,
  check: () => Promise<void>,
): Promise<void> {
  try {
    await check();
  } catch (error) {
    const where = `before call ${step} of ${scene.title}, ${durability}`;
    throw new Error(`killed ${where}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Kills one process at every step of a scene; returns how many steps. */
async function dieAtEveryStep(graveyard: Graveyard): Promise<number> {
  const { scene } = graveyard;
  const steps = await graveyard.countSteps();
  const plays: { directory: string; step: number }[] = [];
  for (let step = 1; step <= steps + 1; step++) {
    plays.push({ directory: await graveyard.open(step), step });
  }
  const before = describeDirectory(plays[0]!.directory, scene).files;
  const answers = await graveyard.bury(plays, "freeze");
  assertEquals([...answers.keys()], [steps]);
  for (const { directory, step } of plays) {
    await inWords(graveyard, step, async () => {
      if (step > steps) checkAnswered(graveyard, directory, answers.get(steps));
      await checkRemains(graveyard, directory, before, step);
    });
  }
  return steps;
}

const TITLE =
  "killed before any call of any operation, a process leaves the old or the new record, at most two temporary names and no lock";

for (const durability of ["process", "power"] as const) {
  Deno.test(`${TITLE}; durability ${durability}`, async () => {
    const scenes = SCENES.filter((scene) =>
      durability === "process" || isForPower(scene)
    );
    let kills = 0;
    for (const scene of takeShare(scenes)) {
      using graveyard = new Graveyard(scene, durability);
      const survived = await dieAtEveryStep(graveyard);
      assert(survived > 0, `${scene.title} makes no call`);
      kills += survived;
    }
    console.log(`durability ${durability}: ${kills} kills survived`);
  });
}

const ON_THE_SPOT = [
  "a create",
  "an update",
  "a delete",
  "a request that regenerates its session",
];

Deno.test("a process that is killed before a call leaves the same files when each call has a process of its own", async () => {
  let kills = 0;
  for (const scene of SCENES) {
    if (!ON_THE_SPOT.includes(scene.title)) continue;
    using graveyard = new Graveyard(scene, "power");
    const steps = await graveyard.countSteps();
    const plays = await Promise.all(
      Array.from({ length: steps }, async (_, i) => {
        const step = i + 1;
        return { directory: await graveyard.open(step), step };
      }),
    );
    const before = describeDirectory(plays[0]!.directory, scene).files;
    const queue = plays.values();
    const dieOneByOne = async () => {
      for (const play of queue) {
        const answers = await graveyard.bury([play], "die");
        assertEquals(answers.size, 0);
        kills++;
      }
    };
    const atOnce = Math.max(2, navigator.hardwareConcurrency);
    await Promise.all(Array.from({ length: atOnce }, dieOneByOne));
    for (const { directory, step } of plays) {
      await inWords(
        graveyard,
        step,
        () => checkRemains(graveyard, directory, before, step),
      );
    }
  }
  console.log(`on the spot: ${kills} kills survived`);
});
