/*
 * Has an operation become slower, compared with the bare system calls?
 *
 * Both do it in short turns, A B A B, and the middle of the turns' ratios is
 * compared with what is known. A machine that others use can be slow for one and
 * not for the other: what is said to be slow is to be looked at, and fails nothing
 * unless `--strict` is given. The last line does the same with the import of the
 * package in a fresh process, see `cold_start.ts`.
 *
 * 2026-11-28, Deno 2.9.6, ext4, 2 cores that others used: half a minute, and
 * ratios that differ by a fifth from run to run, those of files that are created
 * and deleted by more. What falls short is therefore measured twice.
 *
 *   --rounds 25         how many turns of each count; one more warms up
 *   --milliseconds 15   how long a turn lasts
 *   --directory DIR     where the sessions are; a temporary one by default
 *   --strict            exits with 1 when something is slow
 */
import { importNode, importPackage } from "./cold_start.ts";
import { SIZES } from "./data_set.ts";
import { table } from "./harness/markdown.ts";
import { makeBase, readOptions } from "./harness/benchmark.ts";
import { medianRatio } from "./harness/statistics.ts";
import { measureSpeeds, repeat, type TurnOptions } from "./harness/turns.ts";
import {
  makeOperations,
  type Operation,
  type OperationName,
} from "./operations.ts";

/**
 * Our speed in units of the bare calls' at 500 B and at 4 KiB, the middle of four
 * runs; files that are deleted with their entry in the index of users.
 */
const KNOWN: Readonly<
  Partial<Record<OperationName, readonly [small: number, large: number]>>
> = {
  "load": [0.80, 0.94],
  "load and touch, not due": [0.83, 0.91],
  "load and touch, due": [0.74, 0.64],
  "save": [0.76, 0.76],
  "update": [0.79, 0.84],
  "create": [0.74, 0.65],
  "delete": [0.53, 0.56],
  "request that reads": [0.42, 0.60],
  "request that changes": [0.37, 0.34],
};

/** The speed of an import of the package in units of its `node:` imports alone. */
const KNOWN_START = 0.66;
/** A process takes a tenth of a second: of these there are a few. */
const STARTS = 15;

/** How much of what is known must be reached: the rest is left to noise. */
const MARGIN = 0.7;

if (import.meta.main) {
  const { rounds, milliseconds, directory, strict } = readOptions({
    rounds: 25,
    milliseconds: 15,
    directory: "",
    strict: false,
  });
  await using base = await makeBase("check", directory);
  const slow = await check(base.path, { rounds, turn: milliseconds });
  console.log(`\n${verdict(slow, strict)}`);
  if (slow > 0 && strict) Deno.exitCode = 1;
}

/** Prints the table; returns how many lines of it are slow. */
async function check(base: string, options: TurnOptions): Promise<number> {
  const rows: string[][] = [];
  let slow = 0;
  const compare = async (
    [name, title]: readonly [name: string, title: string],
    known: number,
    measureOnce: () => Promise<number>,
  ) => {
    const limit = MARGIN * known;
    let ratio = await measureOnce();
    // A second chance: what is slow twice is hardly noise.
    if (ratio < limit) ratio = await measureOnce();
    const isSlow = ratio < limit;
    if (isSlow) slow++;
    const figures = [ratio, limit].map((each) => each.toFixed(2));
    rows.push([name, title, ...figures, isSlow ? "slow" : "ok"]);
  };
  for (const [n, [title, size]] of SIZES.entries()) {
    const operations = await makeOperations(`${base}/${n}`, size);
    for (const [name, known] of Object.entries(KNOWN)) {
      const operation = operations[name as OperationName];
      const once = () => measure(operation, options);
      await compare([name, title], known[n]!, once);
    }
  }
  await compare(["import", "mod.ts"], KNOWN_START, measureStart);
  console.log(
    "Speed, the bare system calls' being 1; an import's, its `node:` imports'\n",
  );
  console.log(table(["operation", "size", "ratio", "limit", ""], rows));
  return slow;
}

async function measureStart(): Promise<number> {
  const sides = [importPackage, importNode]
    .map((batch) => ({ operations: 1, batch }));
  const options = { rounds: STARTS, turn: 0 };
  const [ours, bare] = await measureSpeeds(sides, options);
  return medianRatio(ours!, bare!);
}

async function measure(
  { directory, floor }: Operation,
  options: TurnOptions,
): Promise<number> {
  const sides = [repeat(directory), repeat(floor)];
  const [ours, bare] = await measureSpeeds(sides, options);
  return medianRatio(ours!, bare!);
}

function verdict(slow: number, isStrict: boolean): string {
  if (slow === 0) return "Nothing is slow.";
  const text = `${slow} slow: run it again on a quiet machine.`;
  return isStrict ? text : `${text} This is no failure without --strict.`;
}
