/*
 * How whoever finds a lock held waits for it: outside, with nothing in hand and
 * no thread parked, until it is told to end.
 */
import { SessionLockTimeoutError } from "../core/errors.ts";
import { system } from "./system.ts";
import { MY_TURN, waitForTurn } from "./wait_for_turn.ts";

/** Somebody else is at work here: nothing was done, start again. */
export const AGAIN: unique symbol = Symbol("again");
/** See {@linkcode AGAIN}. */
export type Again = typeof AGAIN;

/** How often to come again at once: who is at work takes 50 µs. */
const SOON = 2;
const SHORTEST_WAIT = 1;
const LONGEST_WAIT = 8;

/** How long to go on trying, and who may end it. */
export interface WaitOptions {
  /** The name that is waited for, for the error's message. */
  readonly path: string;
  /** How long to go on, in milliseconds. */
  readonly timeout: number;
  /** Ends the wait at once. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Takes a step that nobody can cut into, again and again while somebody else
 * is at work there: at once, for a name that has just been replaced is free;
 * twice as soon as others of this process have had their turn, which is sooner
 * than any timer; and then after random whiles that grow to 8 ms, so that
 * waiters do not march in step. Between two tries nothing is held. A while is
 * more often short than long (a product of two draws): with long ones, who has
 * waited long would get less than who comes anew.
 *
 * Of the flows of this process that wait for one name, the first looks and the
 * others stand in line: a thousand cost no more than one, and each process has
 * one try, however many of its flows wait.
 *
 * @param step Synchronous, and complete unless it returns {@linkcode AGAIN}.
 * @param waitOptions When to give up.
 * @returns What the step returned at last.
 * @throws {SessionLockTimeoutError} When the time is over.
 */
export async function retryUntilFree<T>(
  step: () => T | Again,
  waitOptions: WaitOptions,
): Promise<T> {
  const { path, timeout, signal } = waitOptions;
  signal?.throwIfAborted();
  const end = system.monotonic() + timeout;
  using place = new PlaceInLine(path);
  for (let soon = SOON, longest = SHORTEST_WAIT;;) {
    const result = step();
    if (result !== AGAIN) return result;
    const left = end - system.monotonic();
    if (left <= 0) throw new SessionLockTimeoutError(path, timeout);
    if (!place.isFirst) {
      await place.waitForTurn(left, signal);
    } else if (soon-- > 0) {
      await system.pause();
      signal?.throwIfAborted();
    } else {
      const ms = Math.random() * Math.random() * longest;
      await system.wait(Math.min(ms, left), signal);
      longest = Math.min(2 * longest, LONGEST_WAIT);
    }
  }
}

/** Who of this process waits for a name, in the order in which they came. */
const lines = new Map<string, Set<PlaceInLine>>();

/** A place in the line for a name; disposing leaves it to the next one. */
class PlaceInLine implements Disposable {
  readonly #path: string;
  readonly #line: Set<PlaceInLine>;
  #turn: AbortController | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#line = lines.get(path) ?? new Set();
    this.#line.add(this);
    lines.set(path, this.#line);
  }

  get isFirst(): boolean {
    const [first] = this.#line;
    return first === this;
  }

  /** Resolves when it has become the first, or the time is over. */
  async waitForTurn(
    left: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    this.#turn = new AbortController();
    await waitForTurn(this.#turn, left, signal);
    // A long line that moves on must not keep the event loop to itself.
    await system.pause();
    signal?.throwIfAborted();
  }

  [Symbol.dispose](): void {
    this.#line.delete(this);
    const [next] = this.#line;
    if (next === undefined) lines.delete(this.#path);
    else next.#turn?.abort(MY_TURN);
  }
}
