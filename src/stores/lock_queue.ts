import { SessionLockTimeoutError } from "../core/errors.ts";
import type { LockOptions } from "../core/store.ts";
import { system } from "../disk/system.ts";
import { checkLock, SessionLock } from "./session_lock.ts";

const LOCK_TIMEOUT = 5_000;
/** A timer of more than 2 ** 31 ms would be over at once. */
const LONGEST_TIMER = 2 ** 30;
const YOUR_TURN = Symbol("your turn");

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
    else next.abort(YOUR_TURN);
  }
}

/** Resolves when the turn has come, or the time is over. */
async function waitForTurn(
  place: AbortController,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const abort = () => place.abort(signal!.reason);
  signal?.addEventListener("abort", abort);
  try {
    await system.wait(Math.min(timeout, LONGEST_TIMER), place.signal);
  } catch (reason) {
    if (reason !== YOUR_TURN) throw reason;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
