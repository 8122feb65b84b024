/** Lets processes work on two stores, and samples what they use. */

import { DatabaseSync } from "node:sqlite";
import { median } from "../../bench/harness/statistics.ts";
import { isSessionId } from "../../src/core/token.ts";
import {
  isQuarantineName,
  temporaryBirth,
} from "../../src/directory/layout.ts";
import { type Child, runSync } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  type Leak,
  type Load,
  type ProcessSample,
  sample,
  startLoad,
} from "./load.ts";
import { riseOf } from "./trend.ts";

/** How long and how hard a store is used. */
export interface Endurance {
  readonly seconds: number;
  readonly samples: number;
  /** Requests a second, of each of two processes. */
  readonly rate: number;
  readonly visitors: number;
  /** A sample is not taken before so many requests more, however slow they are. */
  readonly leastRequests: number;
  readonly leak?: Leak | undefined;
}

/** What a store and its processes use, by name. */
export type Sample = Readonly<Record<string, number>>;

const PROCESSES = 2;
const PAUSE = 50;
const MIB = 2 ** 20;

/**
 * How much each figure may rise in the second half: by this much, or by a tenth
 * of its median if that is more. What is not here must not be there at all.
 */
export const ALLOWED: Readonly<Record<string, number>> = {
  "requests": Infinity,
  "RSS, MiB": 16,
  "heap, MiB": 4,
  "descriptors": 4,
  "sessions": 40,
  "index, entries": 40,
  // One a bucket, of which there are 256.
  "index, locks": 256,
  "request locks": 2,
  "temporary files": 2,
  "file, MiB": 0.5,
  "WAL, MiB": 0.5,
};

/** The stores that are watched. */
export const STORES = ["directory", "sqlite"] as const;

/**
 * Lets processes work on a store, and samples.
 *
 * @param kind The store.
 * @param onSample Called with each sample.
 * @returns The samples.
 */
export async function watch(
  kind: typeof STORES[number],
  { seconds, samples, rate, visitors, leastRequests, leak }: Endurance,
  onSample: (sample: Sample) => void = () => {},
): Promise<Sample[]> {
  using root = new TemporaryDirectory();
  const path = root.join("sessions");
  const place = { kind, path } as const;
  const pause = seconds * 1000 / samples;
  await using stack = new AsyncDisposableStack();
  const children: Child[] = [];
  for (let n = 0; n < PROCESSES; n++) {
    const load: Load = {
      place,
      name: "ABCDEF"[n]!,
      visitors: Math.ceil(visitors / PROCESSES),
      rate: rate / PROCESSES,
      leaveFor: pause,
      cleanUpEvery: pause / 4,
      leak,
    };
    children.push(stack.use(await startLoad(load, root.path)));
  }
  const taken: Sample[] = [];
  const begin = performance.now();
  for (let n = 1; n <= samples; n++) {
    const wait = begin + n * pause - performance.now();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
    let own = await Promise.all(children.map(sample));
    while (sumOf(own, "requests") < n * leastRequests) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      own = await Promise.all(children.map(sample));
    }
    const descriptors = children.map(({ pid }) => countDescriptors(pid));
    const one: Sample = {
      "requests": sumOf(own, "requests"),
      "RSS, MiB": sumOf(own, "rss") / MIB,
      "heap, MiB": sumOf(own, "heap") / MIB,
      "descriptors": descriptors.reduce((sum, count) => sum + count),
      ...kind === "directory" ? countFiles(path) : measureFiles(path),
    };
    taken.push(one);
    onSample(one);
  }
  for (const child of children) {
    await child.writeLine("end");
    const { code, stderr } = await child.end();
    if (code !== 0 || stderr !== "") throw new Error(stderr);
  }
  return taken;
}

/** Names what grows, or is there and must not be. */
export function findGrowth(samples: readonly Sample[]): string[] {
  return Object.keys(samples[0]!).flatMap((name) => {
    const values = samples.map((sample) => sample[name]!);
    const allowed = ALLOWED[name];
    if (allowed === undefined) {
      const most = Math.max(...values);
      return most > 0 ? [`${name}: ${most}`] : [];
    }
    const rise = riseOf(values);
    return rise > Math.max(allowed, median(values) / 10)
      ? [`${name}: +${rise.toFixed(1)} in the second half`]
      : [];
  });
}

function sumOf(
  samples: readonly ProcessSample[],
  name: keyof ProcessSample,
): number {
  return samples.reduce((sum, one) => sum + one[name], 0);
}

function countDescriptors(pid: number): number {
  const { code, stdout, stderr } = runSync("ls", [`/proc/${pid}/fd`]);
  if (code !== 0) throw new Error(stderr);
  return stdout.trim().split("\n").length;
}

/** Counts what is in a directory of sessions. */
function countFiles(directory: string): Sample {
  const names = list(directory);
  const index = list(`${directory}/.users`)
    .flatMap((bucket) => list(`${directory}/.users/${bucket}`));
  const countOf = (test: (name: string) => boolean) =>
    names.filter(test).length;
  const counts = {
    "sessions": countOf(isSessionId),
    "index, entries": index.filter((name) => name !== ".lock").length,
    "index, locks": index.filter((name) => name === ".lock").length,
    "request locks": countOf((name) => name.startsWith(".lock-")),
    "temporary files": countOf((name) => temporaryBirth(name) !== undefined),
    "set aside": countOf(isQuarantineName),
  };
  const ours = [".latchkey", ".users"].filter((name) => names.includes(name));
  const known = ours.length + counts.sessions + counts["request locks"] +
    counts["temporary files"] + counts["set aside"];
  return { ...counts, "others": names.length - known };
}

function measureFiles(path: string): Sample {
  const sizeOf = (end: string) => Deno.statSync(path + end).size / MIB;
  using database = new DatabaseSync(path, {
    readOnly: true,
    timeout: 5_000,
  });
  const sessions = database.prepare("SELECT id FROM latchkey_sessions").all();
  return {
    "sessions": sessions.length,
    "file, MiB": sizeOf(""),
    "WAL, MiB": sizeOf("-wal"),
  };
}

/** Lists a directory that others change; what is removed meanwhile is empty. */
function list(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
