import { system } from "./system.ts";

/** A timer of more than 2 ** 31 ms would be over at once. */
const LONGEST_TIMER = 2 ** 30;

/** What the turn of who waits in a line is aborted with when it has come. */
export const MY_TURN: unique symbol = Symbol("my turn");

/**
 * Waits in a line, until whoever is in front says that the turn has come.
 *
 * @param turn Is aborted with {@linkcode MY_TURN} then.
 * @param timeout How long to wait at most, in milliseconds.
 * @param signal Ends the wait at once, with its reason.
 */
export async function waitForTurn(
  turn: AbortController,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const abort = () => turn.abort(signal!.reason);
  signal?.addEventListener("abort", abort);
  try {
    await system.wait(Math.min(timeout, LONGEST_TIMER), turn.signal);
  } catch (reason) {
    if (reason !== MY_TURN) throw reason;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
