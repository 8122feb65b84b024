/**
 * Runs as a process of its own: plays a scene and, right before one of its
 * system calls, kills or stops itself. The calls of setup are not counted,
 * unless setup is the scene.
 *
 * To start a process is slow and a call is fast, so one process can play a scene
 * in many directories, one after the other, and be at another step in each when
 * it is killed: a play that came to its last step is frozen there. It makes no
 * further call, so its files stay open and locked, and what it has written
 * stays as it is, until the kernel cleans up after the process.
 */

import type { Durability } from "../../src/core/store.ts";
import { recycledFiles } from "../../src/directory/atomic_file.ts";
import { type Child, spawn } from "../spawn.ts";
import { replaceEveryCall } from "./every_call.ts";
import { isSetup, openStore, SCENES, takeOverRecycled } from "./scenes.ts";

/** The task of a process. */
export interface Death {
  /** The index of the scene. */
  readonly scene: number;
  readonly durability: Durability;
  /** The directory of each play, and the call before which it ends there; from 1. */
  readonly plays: readonly {
    readonly directory: string;
    readonly step: number;
  }[];
  /**
   * Before the first such call, `"die"` sends SIGKILL and `"stop"` SIGSTOP;
   * `"freeze"` freezes each play, and then sends SIGKILL.
   */
  readonly how: "die" | "stop" | "freeze";
}

/**
 * Starts a process that kills or stops itself.
 *
 * @param death Its task.
 * @param allowed The only directory that it may touch.
 */
export function startDeath(death: Death, allowed: string): Child {
  return spawn(import.meta.url, [JSON.stringify(death)], {
    paths: [allowed],
    flags: ["--allow-run"], // to send signals, also to itself
  });
}

/** Thrown where a frozen play would continue. */
class Frozen extends Error {}

async function play(death: Death, index: number): Promise<void> {
  const { durability, how } = death;
  const { directory, step } = death.plays[index]!;
  const scene = SCENES[death.scene]!;
  const store = openStore(directory, scene, { durability });
  if (!isSetup(scene)) await store.setup();
  takeOverRecycled(directory, scene);
  let steps = 0;
  using _calls = replaceEveryCall((call) => {
    steps++;
    if (steps === step && how === "die") die();
    if (steps === step && how === "stop") stop();
    if (steps >= step && how === "freeze") throw new Frozen();
    return call.make();
  });
  try {
    const answer = await scene.run(store);
    if (steps < step || how === "stop") print({ index, answer });
  } catch (error) {
    if (steps < step || how !== "freeze") throw error;
  } finally {
    // A process keeps only a few; this one stays open, as a killed process leaves it.
    recycledFiles.delete(directory);
  }
}

function print(value: unknown): void {
  Deno.stdout.writeSync(
    new TextEncoder().encode(`${JSON.stringify(value)}\n`),
  );
}

function die(): void {
  Deno.kill(Deno.pid, "SIGKILL");
}

/**
 * Stops this process, and prints so when SIGSTOP was sent, not before: a SIGCONT
 * that came first would be lost.
 */
function stop(): void {
  new Deno.Command("sh", {
    args: ["-c", "kill -STOP $PPID; echo stops"],
    stdout: "inherit",
  }).outputSync();
}

if (import.meta.main) {
  const death: Death = JSON.parse(Deno.args[0]!);
  for (const index of death.plays.keys()) await play(death, index);
  if (death.how === "freeze") die();
}
