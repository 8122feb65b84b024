/**
 * Runs as a process of its own under strace: plays scenes one after the other,
 * each in a directory of its own, and writes to stdout when one begins and
 * when it is answered, so that both stand among the system calls.
 */

import type { Durability } from "../../src/core/store.ts";
import { openStore, SCENES } from "./scenes.ts";

/** The task of a process. */
export interface Play {
  readonly title: string;
  readonly directory: string;
}

if (import.meta.main) {
  const durability = Deno.args[0] as Durability;
  const plays: readonly Play[] = JSON.parse(Deno.args[1]!);
  for (const { title, directory } of plays) {
    const scene = SCENES.find((scene) => scene.title === title)!;
    const store = openStore(directory, scene, { durability });
    await store.setup();
    say("begins");
    await scene.run(store);
    say("answered");
  }
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
