/** The loop that every search runs in, and how one of its cases is repeated. */

import { EFFORT } from "../effort.ts";
import { Random } from "../random.ts";

/** One case alone, given as `case=NUMBER` after `--`. */
const ONLY = Deno.args.find((arg) => arg.startsWith("case="))?.slice(5);

/** Runs one case; what it throws is a violation. */
export type TryCase<T> = (random: Random) => T;

/**
 * Runs many random cases, and prints how many. `soak` runs more of them, of
 * which the first are those of CI. A violation names the case that repeats it:
 * `deno test … --filter TITLE -- case=NUMBER`.
 *
 * @param what What the cases are, for the figure.
 * @param count How many are run in CI.
 * @param tryCase Runs one.
 */
export function explore(
  what: string,
  count: number,
  tryCase: TryCase<void>,
): void {
  const numbers = listCases(count);
  for (const number of numbers) {
    try {
      tryCase(randomOf(what, number));
    } catch (error) {
      throw violation(what, number, error);
    }
  }
  console.log(`${what}: ${numbers.length} inputs`);
}

/** Does what {@linkcode explore} does, with cases that take their time. */
export async function exploreSlowly(
  what: string,
  count: number,
  tryCase: TryCase<Promise<void>>,
): Promise<void> {
  const numbers = listCases(count);
  for (const number of numbers) {
    try {
      await tryCase(randomOf(what, number));
    } catch (error) {
      throw violation(what, number, error);
    }
  }
  console.log(`${what}: ${numbers.length} inputs`);
}

function listCases(count: number): number[] {
  return ONLY === undefined
    ? Array.from({ length: count * EFFORT }, (_, number) => number)
    : [Number(ONLY)];
}

function randomOf(what: string, number: number): Random {
  let seed = number + 1;
  for (let at = 0; at < what.length; at++) {
    seed = Math.imul(seed ^ what.charCodeAt(at), 0x01000193);
  }
  return new Random(seed);
}

function violation(what: string, number: number, cause: unknown): Error {
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${what}, case=${number}: ${problem}`, { cause });
}

/** Shows bytes or text for a message, and no more of it than helps. */
export function show(input: Uint8Array | string): string {
  const text = typeof input === "string"
    ? JSON.stringify(input)
    : JSON.stringify(new TextDecoder("latin1").decode(input));
  return text.length > 600 ? `${text.slice(0, 600)}… (${text.length})` : text;
}
