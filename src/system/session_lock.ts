import { checkNumber } from "../core/checks.ts";
import type { LockOptions } from "../core/store.ts";
import { checkSessionId } from "../core/token.ts";

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
