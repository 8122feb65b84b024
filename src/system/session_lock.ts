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
 * @throws {TypeError} If the ID is malformed.
 * @throws {RangeError} If the timeout is not a number from 0 up.
 * @throws The signal's reason, if it is aborted.
 */
export function checkLock(
  id: string,
  options: LockOptions,
  lockTimeout: number,
): number {
  const { timeout = lockTimeout, signal } = options;
  checkSessionId(id);
  if (typeof timeout !== "number" || !(timeout >= 0)) {
    throw new RangeError(
      "Cannot lock a session: timeout is not a number from 0 up",
    );
  }
  signal?.throwIfAborted();
  return timeout;
}
