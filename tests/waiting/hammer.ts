/**
 * A process that changes one session again and again, as fast as it can, and
 * for the same time a session of its own: the number of those changes shows its
 * share of the machine. All hammers change sessions at the same instants.
 */

import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { linesOf } from "../nodes/lines.ts";
import { spawn } from "../spawn.ts";

/** The task of a hammer. */
export interface HammerTask {
  readonly directory: string;
  /** The session that all hammers change. */
  readonly common: string;
  /** The session that only this one changes. */
  readonly own: string;
  /** How long, in milliseconds; half of it for each session. */
  readonly duration: number;
}

/** The report of a hammer. */
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
  /** Lets it do its task, once more, and returns its report. */
  run(): Promise<HammerReport>;
}

/**
 * Starts one.
 *
 * @param task Its task.
 * @returns The hammer, when it is ready to begin.
 */
export async function startHammer(task: HammerTask): Promise<Hammer> {
  const { directory } = task;
  const process = spawn(import.meta.url, [JSON.stringify(task)], {
    paths: [directory],
  });
  await process.expectLine("ready");
  return {
    run: async () => {
      await process.writeLine();
      const line = await process.readLine();
      if (line === undefined) throw new Error((await process.end()).stderr);
      return JSON.parse(line);
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

if (import.meta.main) {
  const task: HammerTask = JSON.parse(Deno.args[0]!);
  console.log("ready");
  for await (const _line of linesOf(Deno.stdin.readable)) {
    console.log(JSON.stringify(await strike(task)));
  }
}
