import { checkNumber } from "../core/checks.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import { system } from "./system.ts";

const MS_PER_SECOND = 1000;

/** How much a cleanup may do: `maxSeconds` and `maxDeletes`. */
export class CleanupBudget {
  readonly #end: number;
  readonly #maxDeletes: number;
  #isSpent = false;

  /**
   * @param options The bounds.
   * @throws {TypeError | RangeError} If one is not a number from 0 up.
   */
  constructor(options: Pick<CleanupOptions, "maxSeconds" | "maxDeletes">) {
    const { maxSeconds = Infinity, maxDeletes = Infinity } = options;
    checkNumber(maxSeconds, "Cannot clean up: maxSeconds");
    checkNumber(maxDeletes, "Cannot clean up: maxDeletes");
    this.#end = system.monotonic() + maxSeconds * MS_PER_SECOND;
    this.#maxDeletes = Math.ceil(maxDeletes);
  }

  /** Tells how many more may be deleted: none when the time is over. */
  deletesLeft(deleted: number): number {
    this.#isSpent ||= deleted >= this.#maxDeletes ||
      system.monotonic() >= this.#end;
    return this.#isSpent ? 0 : this.#maxDeletes - deleted;
  }

  /** Completes what a cleanup has counted. */
  resultOf(counts: CleanupResult): CleanupResult {
    return this.#isSpent ? { ...counts, isPartial: true } : { ...counts };
  }
}
