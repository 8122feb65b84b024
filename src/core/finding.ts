/*
 * What an inspection of a store finds: for an operator, who decides what to do. An
 * inspection changes nothing, and does not stop at the first problem.
 */

/** What was found at one check. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  /**
   * `"bad"`: sessions are lost or refused, or the store cannot work; `"warn"`: it
   * works, and something is to be done; `"skip"`: it could not be checked.
   */
  readonly verdict: "ok" | "warn" | "bad" | "skip";
  /** What is there. */
  readonly state: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** What an inspection yields; whether `setup` would change nothing, at its end. */
export type Inspection = AsyncGenerator<Finding, boolean>;

/** Makes the finding that all is well. */
export function ok(check: string, state: string): Finding {
  return { check, verdict: "ok", state };
}

/** Makes the finding of something that is to be done. */
export function warn(check: string, state: string, advice: string): Finding {
  return { check, verdict: "warn", state, advice };
}

/** Makes the finding of something by which sessions are lost or refused. */
export function bad(check: string, state: string, advice: string): Finding {
  return { check, verdict: "bad", state, advice };
}

/** Makes the finding that something could not be checked. */
export function skip(check: string, wants: string): Finding {
  return { check, verdict: "skip", state: `not checked: it wants ${wants}` };
}

const MS_PER_SECOND = 1000;
const MINUTE = 60 * MS_PER_SECOND;
/** By how much clocks may differ before it matters, in ms. */
const USUAL = 5 * MS_PER_SECOND;

/**
 * Judges by how much a clock differs from that of this process.
 *
 * @param difference In ms, above 0 if the other one is ahead.
 * @param other Whose clock it is.
 */
export function clockFinding(difference: number, other: string): Finding {
  const [size, side] = [Math.abs(difference), difference > 0];
  const where = side ? "behind" : "ahead of";
  const state = `this clock is ${durationOf(size)} ${where} that of ${other}`;
  if (size <= USUAL) return ok("clock", `as that of ${other}`);
  const advice =
    "set it (timedatectl, chrony): sessions expire too early or too late by as much";
  return size > MINUTE
    ? bad("clock", state, advice)
    : warn("clock", state, advice);
}

const UNITS = [
  [24 * 60 * MINUTE, "days"],
  [60 * MINUTE, "hours"],
  [MINUTE, "minutes"],
] as const;

/** Writes a duration in the largest unit of which it has two. */
export function durationOf(ms: number): string {
  for (const [unit, name] of UNITS) {
    const count = Math.round(ms / unit);
    if (count >= 2) return `${count} ${name}`;
  }
  return `${Math.round(ms / MS_PER_SECOND)} seconds`;
}

const MOST_EXAMPLES = 3;

/** Counts things of one kind, and remembers the first. */
export class Tally {
  #count = 0;
  readonly #examples: string[] = [];

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Counts one. */
  add(name: string): void {
    if (this.#count++ < MOST_EXAMPLES) this.#examples.push(name);
  }

  /** Says how many there are, and names the first. */
  describe(one: string, many: string): string {
    const more = this.#count > MOST_EXAMPLES ? ", …" : "";
    const what = this.#count === 1 ? one : many;
    return `${this.#count} ${what}: ${this.#examples.join(", ")}${more}`;
  }
}
