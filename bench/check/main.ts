/*
 * Has an operation become slower, compared with the bare system calls?
 *
 * Both do it in short turns, A B A B, and the middle of the turns' ratios is
 * compared with what is known of a quiet machine (limits.ts). A machine that
 * others use can be slow for one and not for the other: what is said to be slow
 * is to be looked at, and fails nothing unless `--strict` is given.
 *
 * 2026-11-20, Deno 2.9.6, ext4, 2 cores that others used: half a minute, and
 * ratios that differ by a fifth from run to run, those of files that are created
 * and deleted by more. What falls short is therefore measured twice.
 *
 *   --rounds 25         how many turns of each count; one more warms up
 *   --milliseconds 15   how long a turn lasts
 *   --directory DIR     where the sessions are; a temporary one by default
 *   --strict            exits with 1 when something is slow
 */
import { parseArgs } from "@std/cli/parse-args";
import { SIZES } from "../data_set.ts";
import { alternate, type AlternateOptions } from "../growth/alternate.ts";
import { medianRatio } from "../median.ts";
import { KNOWN, MARGIN } from "./limits.ts";
import { makeOperations, type Operation } from "./operations.ts";

const WIDTHS = [22, 6, 7, 7];

if (import.meta.main) {
  const { rounds, milliseconds, directory, strict } = parseArgs(Deno.args, {
    string: ["rounds", "milliseconds", "directory"],
    boolean: ["strict"],
    default: { rounds: "25", milliseconds: "15" },
  });
  const base = await Deno.makeTempDir({
    ...(directory !== undefined && { dir: directory }),
    prefix: "latchkey-check-",
  });
  let slow = 0;
  try {
    const options = { rounds: Number(rounds), turn: Number(milliseconds) };
    slow = await check(base, options);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
  console.log(`\n${verdict(slow, strict)}`);
  if (slow > 0 && strict) Deno.exit(1);
}

/** Prints the table; tells how many lines of it are slow. */
async function check(base: string, options: AlternateOptions): Promise<number> {
  console.log("Speed, the bare system calls' being 1\n");
  console.log(line(["operation", "size", "ratio", "limit", ""]));
  let slow = 0;
  for (const [n, [title, size]] of SIZES.entries()) {
    const directory = `${base}/${n}`;
    await Deno.mkdir(directory, { mode: 0o700 });
    const operations = await makeOperations(directory, size);
    for (const operation of operations) {
      const { name } = operation;
      const limit = MARGIN * KNOWN[name][n]!;
      let ratio = await measure(operation, options);
      // A second chance: what is slow twice is hardly noise.
      if (ratio < limit) ratio = await measure(operation, options);
      const isSlow = ratio < limit;
      if (isSlow) slow++;
      const cells = [name, title, ratio.toFixed(2), limit.toFixed(2)];
      console.log(line([...cells, isSlow ? "slow" : "ok"]));
    }
  }
  return slow;
}

async function measure(
  { ours, floor }: Operation,
  options: AlternateOptions,
): Promise<number> {
  const [ourSpeeds, floorSpeeds] = await alternate([ours, floor], options);
  return medianRatio(ourSpeeds!, floorSpeeds!);
}

function verdict(slow: number, isStrict: boolean): string {
  if (slow === 0) return "Nothing is slow.";
  const text = `${slow} slow: run it again on a quiet machine.`;
  return isStrict ? text : `${text} This is no failure without --strict.`;
}

function line(cells: readonly string[]): string {
  return cells.map((cell, n) => cell.padEnd(WIDTHS[n] ?? 0)).join("  ")
    .trimEnd();
}
