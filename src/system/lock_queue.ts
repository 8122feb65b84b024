import { checkNumber } from "../core/checks.ts";
import { SessionLockTimeoutError } from "../core/errors.ts";
import type { HeldLock, LockOptions } from "../core/store.ts";
import { checkSessionId } from "../core/token.ts";
import { PlaceInLine, type WaitOptions } from "./waiting.ts";

const LOCK_TIMEOUT = 5_000;

/**
 * The locks of sessions in the memory of one process: one line of callers for
 * each session. The first in the line holds the lock.
 */
export class LockQueue {
  readonly #lines: Map<string, Set<PlaceInLine>> = new Map();

  /** Takes the lock of a session, as `lock` of a store does. */
  async lock(id: string, options: LockOptions): Promise<HeldLock> {
    const { signal } = options;
    const timeout = checkLock(id, options, LOCK_TIMEOUT);
    const path = `session ${id}`;
    return new SessionLock(await this.take(id, { path, timeout, signal }));
  }

  /**
   * Stands in the line for a name until the turn has come.
   *
   * @param name The name.
   * @param waitOptions When to give up, and what an error calls it.
   * @returns The first place in the line, which is left when it is disposed of.
   * @throws {SessionLockTimeoutError} If the turn does not come in time.
   */
  async take(
    name: string,
    { path, timeout, signal }: WaitOptions,
  ): Promise<PlaceInLine> {
    const place = new PlaceInLine(this.#lines, name);
    try {
      if (!place.isFirst && timeout > 0) {
        await place.waitForTurn(timeout, signal);
      }
      if (!place.isFirst) throw new SessionLockTimeoutError(path, timeout);
      signal?.throwIfAborted();
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
    return place;
  }
}

/** What frees a lock when it is disposed. */
type Held = Disposable & Pick<HeldLock, "isLost">;

/** See {@linkcode HeldLock}. */
export class SessionLock implements HeldLock {
  #held: Held | undefined;

  /** @param held What frees the lock when it is disposed. */
  constructor(held: Held) {
    this.#held = held;
  }

  /** Whether another caller may hold it too. */
  get isLost(): boolean {
    return this.#held?.isLost ?? false;
  }

  /** Frees the lock. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.try(() => {
      const held = this.#held;
      this.#held = undefined;
      held?.[Symbol.dispose]();
    });
  }
}

/**
 * Checks the arguments of a store's `lock`.
 *
 * @param id Any value at all.
 * @param options How long to wait.
 * @param lockTimeout The store's own timeout, in milliseconds.
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
