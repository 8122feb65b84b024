import { system } from "./system.ts";

/** How long SQLite itself waits, where it does. */
const TIMEOUT = 5_000;
const LONGEST_WAIT = 16;

/**
 * Calls an SQLite database, or a `Deno.Kv` in a file, which is one, as often as
 * it takes while another process writes to it. A call that fails so has done
 * nothing.
 *
 * @param call What to do.
 * @throws What the call throws; that the database is locked, if it has been for
 * five seconds.
 */
export async function untilUnlocked<T>(
  call: () => Promise<T> | T,
): Promise<T> {
  const start = system.monotonic();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isTooLong = system.monotonic() - start > TIMEOUT;
      if (!isLocked(error) || isTooLong) throw error;
    }
    await system.wait(Math.random() * LONGEST_WAIT, undefined);
  }
}

/** There is no class of its own for it, and not everywhere a code. */
function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message === "database is locked";
}
