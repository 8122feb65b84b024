import { system } from "../disk/system.ts";

/** How long Deno lets SQLite wait where it waits, too. */
const TIMEOUT = 5_000;
const LONGEST_WAIT = 16;

/**
 * Calls a `Deno.Kv`, as often as it takes while another process writes to the
 * same file. A call that is told so has done nothing.
 *
 * @param call What to do.
 * @throws What the call throws; that the database is locked, if it has been for
 * five seconds.
 */
export async function untilUnlocked<T>(call: () => Promise<T>): Promise<T> {
  let start: number | undefined;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      start ??= system.monotonic();
      const isTooLong = system.monotonic() - start > TIMEOUT;
      if (!isLocked(error) || isTooLong) throw error;
    }
    await system.wait(Math.random() * LONGEST_WAIT, undefined);
  }
}

/** There is no class of its own for it, and no code. */
function isLocked(error: unknown): boolean {
  return error instanceof TypeError && error.message === "database is locked";
}
