import { checkNumber } from "../core/checks.ts";
import { SessionLockTimeoutError } from "../core/errors.ts";
import type { LockOptions } from "../core/store.ts";
import { MY_TURN, waitForTurn } from "./waiting.ts";
import { checkSessionId } from "../core/token.ts";

const LOCK_TIMEOUT = 5_000;

/**
 * The locks of sessions in the memory of one process: a queue for each that
 * somebody has. Who came first has it, the others have it in their order.
 */
export class LockQueue {
  readonly #queues: Map<string, Set<AbortController>> = new Map();

  /** See `lock` of a store. */
  async lock(id: string, options: LockOptions): Promise<AsyncDisposable> {
    const timeout = checkLock(id, options, LOCK_TIMEOUT);
    const queue = this.#queues.get(id) ?? new Set();
    this.#queues.set(id, queue);
    const place = new AbortController();
    queue.add(place);
    try {
      if (queue.size > 1 && timeout > 0) {
        await waitForTurn(place, timeout, options.signal);
      }
      const [first] = queue;
      if (first !== place) {
        throw new SessionLockTimeoutError(`session ${id}`, timeout);
      }
      options.signal?.throwIfAborted();
      return new SessionLock(() => this.#leave(id, place));
    } catch (error) {
      this.#leave(id, place);
      throw error;
    }
  }

  #leave(id: string, place: AbortController): void {
    const queue = this.#queues.get(id)!;
    queue.delete(place);
    const [next] = queue;
    if (next === undefined) this.#queues.delete(id);
    else next.abort(MY_TURN);
  }
}

/** The lock of a session, held; disposing frees it, once. */
export class SessionLock implements AsyncDisposable {
  #free: (() => void) | undefined;

  /** @param free Lets the next one have it. */
  constructor(free: () => void) {
    this.#free = free;
  }

  /** Frees the lock. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.try(() => {
      const free = this.#free;
      this.#free = undefined;
      free?.();
    });
  }
}

/**
 * Checks what `lock` of a store is given.
 *
 * @param id Any value at all.
 * @param options See there.
 * @param lockTimeout How long the store waits for anything, in milliseconds.
 * @returns How long to wait, in milliseconds.
 * @throws {TypeError} If the ID is malformed, or the timeout not a number.
 * @throws {RangeError} If the timeout is below 0.
 * @throws The signal's reason, if it is aborted.
 */
export function checkLock(
  id: string,
  options: LockOptions,
  lockTimeout: number,
): number {
  const { timeout = lockTimeout, signal } = options;
  checkSessionId(id);
  checkNumber(timeout, "Cannot lock a session: timeout");
  signal?.throwIfAborted();
  return timeout;
}
