/** Searches with random inputs: fast-check draws them, and shrinks one that fails. */

import fc from "npm:fast-check@4.11.0";
import { EFFORT } from "./effort.ts";

/** One input alone, given as `path=…` after `--`; a failure says which. */
const PATH = Deno.args.find((arg) => arg.startsWith("path="))?.slice(5);

/** Every search draws the same inputs each time; a longer search draws more. */
const SEED = 1;

/**
 * Tries many random inputs, and prints how many. `soak` tries more of them, of
 * which the first are those of CI. A failure tells the smallest input that
 * fails, and the path that repeats it:
 * `deno task test ROOM --filter TITLE -- path=…`.
 *
 * @param what The kind of inputs, for the printed number.
 * @param count How many are tried in CI.
 * @param inputs Draws one.
 * @param tryInput Throws if it finds a violation.
 */
export function search<T>(
  what: string,
  count: number,
  inputs: fc.Arbitrary<T>,
  tryInput: (input: T) => void,
): void {
  fc.assert(fc.property(inputs, tryInput), settingsOf(count));
  console.log(`${what}: ${count * EFFORT} inputs`);
}

/** Does the same as {@linkcode search}, with an asynchronous `tryInput`. */
export async function searchSlowly<T>(
  what: string,
  count: number,
  inputs: fc.Arbitrary<T>,
  tryInput: (input: T) => Promise<void>,
): Promise<void> {
  await fc.assert(fc.asyncProperty(inputs, tryInput), settingsOf(count));
  console.log(`${what}: ${count * EFFORT} inputs`);
}

function settingsOf<T>(count: number): fc.Parameters<[T]> {
  return {
    seed: SEED,
    numRuns: count * EFFORT,
    includeErrorInReport: true,
    ...PATH !== undefined && { path: PATH },
  };
}

/** Shows the beginning of bytes or text, for a message. */
export function show(input: Uint8Array | string): string {
  const text = typeof input === "string"
    ? JSON.stringify(input)
    : JSON.stringify(new TextDecoder("latin1").decode(input));
  return text.length > 600 ? `${text.slice(0, 600)}… (${text.length})` : text;
}
