import { callListener } from "./listener.ts";
import type { StoreWarning } from "./store.ts";

const MOST_REMEMBERED = 1_000;
const MINUTE = 60 * 1000;

/** What a store takes to be told of problems that fail no answer. */
export type OnWarning = (warning: StoreWarning) => unknown;

/**
 * Hands warnings on: of one session once, of what cannot be written once a
 * minute, so that a full disk writes no log of its own.
 */
export class Warnings {
  readonly #onWarning: OnWarning;
  readonly #now: () => number;
  readonly #told: Set<string> = new Set();
  #nextUnwritten = -Infinity;

  /**
   * @param onWarning Called with each warning; its errors go to `console.error`.
   * @param now Tells a time that never goes back, in milliseconds.
   */
  constructor(
    onWarning: OnWarning = ({ message }) => console.warn(message),
    now: () => number = () => performance.now(),
  ) {
    this.#onWarning = onWarning;
    this.#now = now;
  }

  /** Hands a warning on, unless the same was handed on a moment ago. */
  tell(warning: StoreWarning): void {
    if (warning.type === "unwritten") {
      const now = this.#now();
      if (now < this.#nextUnwritten) return;
      this.#nextUnwritten = now + MINUTE;
    } else {
      const { type, sessionId, path, message } = warning;
      const key = `${type} ${sessionId ?? path ?? message}`;
      if (this.#told.has(key)) return;
      if (this.#told.size >= MOST_REMEMBERED) this.#told.clear();
      this.#told.add(key);
    }
    callListener(
      () => this.#onWarning(warning),
      `onWarning failed at "${warning.message}":`,
    );
  }

  /**
   * Does what an answer does not need: what that throws is told as `unwritten`.
   *
   * @param what What is done: `remove a temporary file`.
   * @param act Synchronous.
   * @returns What it returned; `undefined` when it threw.
   */
  attempt<T>(what: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      this.unwritten(what, error);
      return undefined;
    }
  }

  /** Tells that something could not be written; see {@linkcode unwritten}. */
  unwritten(
    what: string,
    error: unknown,
    about?: Pick<StoreWarning, "sessionId" | "path">,
  ): void {
    this.tell(unwritten(what, error, about));
  }
}

/**
 * Makes the warning that something could not be written which the answer does
 * not need.
 *
 * @param what What could not be done: `mark session … accessed`.
 * @param error Why.
 * @param about The session and the file, where it is about one.
 */
export function unwritten(
  what: string,
  error: unknown,
  about: Pick<StoreWarning, "sessionId" | "path"> = {},
): StoreWarning {
  const why = error instanceof Error ? error.message : String(error);
  const message = `Cannot ${what}: ${why}`;
  return { type: "unwritten", ...about, error, message };
}
