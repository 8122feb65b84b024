/**
 * A process that changes one session again and again, as fast as it can, and
 * for as long a session of its own: how often it comes to that shows how much
 * of the machine it was given. All hammers change over at the same instants.
 */

import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { SessionRecord } from "../../src/core/record.ts";

/** What a hammer does. */
export interface HammerTask {
  readonly directory: string;
  /** The session that all of them change. */
  readonly common: string;
  /** The session that only this one changes. */
  readonly own: string;
  /** How long, in milliseconds; half of it for each session. */
  readonly duration: number;
}

/** What it has done. */
export interface HammerReport {
  /** How often it changed the common session. */
  readonly common: number;
  /** How often it changed its own. */
  readonly own: number;
  /** How long a change of the common session took at most, in milliseconds. */
  readonly longest: number;
}

const SLICE = 100;

function count(record: SessionRecord): SessionRecord {
  return { ...record, data: { n: Number(record.data.n) + 1 } };
}

async function strike(task: HammerTask): Promise<HammerReport> {
  const { directory, duration } = task;
  const store = new DirectorySessionStore(directory, { lockTimeout: Infinity });
  const end = Date.now() + duration;
  let common = 0;
  let own = 0;
  let longest = 0;
  for (let now = Date.now(); now < end; now = Date.now()) {
    if (Math.floor(now / SLICE) % 2 === 0) {
      const begin = performance.now();
      await store.update(task.common, count);
      longest = Math.max(longest, performance.now() - begin);
      common++;
    } else {
      await store.update(task.own, count);
      own++;
    }
  }
  return { common, own, longest };
}

/** A hammer that is running. */
export interface Hammer extends AsyncDisposable {
  /** Lets it begin, and gives what it reports. */
  run(): Promise<HammerReport>;
}

/**
 * Starts one.
 *
 * @param task What it does.
 * @returns It, when it is ready to begin.
 */
export async function startHammer(task: HammerTask): Promise<Hammer> {
  const { directory } = task;
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      import.meta.url,
      JSON.stringify(task),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const stdin = process.stdin.getWriter();
  let hasEnded = false;
  process.status.then(() => hasEnded = true);
  const hammer: Hammer = {
    run: async () => {
      await stdin.write(new Uint8Array([0x0a]));
      const { value } = await lines.read();
      await process.status;
      return JSON.parse(value ?? "");
    },
    [Symbol.asyncDispose]: async () => {
      if (!hasEnded) process.kill("SIGKILL");
      await process.status;
      await lines.cancel();
      await stdin.abort().catch(ignoreClosed);
    },
  };
  const { value } = await lines.read();
  if (value?.trim() === "ready") return hammer;
  await hammer[Symbol.asyncDispose]();
  throw new Error(`A hammer did not start, but said ${value}`);
}

/** A process that has ended has no more use for what we write to it. */
function ignoreClosed(): void {}

if (import.meta.main) {
  console.log("ready");
  const reader = Deno.stdin.readable.getReader();
  await reader.read();
  await reader.cancel();
  console.log(JSON.stringify(await strike(JSON.parse(Deno.args[0]!))));
}
