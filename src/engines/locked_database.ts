import { retryCall } from "../system/waiting.ts";

/**
 * Calls an SQLite database, or a `Deno.Kv` in a file, which is one, until no
 * other process writes to it. A call that finds it locked has done nothing.
 *
 * @param call What to do.
 * @throws What the call throws; that the database is locked, if it has been for
 * five seconds.
 */
export function untilUnlocked<T>(call: () => Promise<T> | T): Promise<T> {
  return retryCall(call, isLocked);
}

/**
 * Tells whether a call found the database locked. The error has no class of its
 * own, and not everywhere a code.
 */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message === "database is locked";
}
