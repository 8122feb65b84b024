import { SessionLockTimeoutError } from "../core/errors.ts";
import { system } from "./system.ts";

const TIMEOUT = 5_000;
const LONGEST_WAIT = 32;

/** How often one operation was beaten by others to a session, and how long. */
export class Conflicts {
  readonly #id: string;
  readonly #signal: AbortSignal | undefined;
  #wait = 1;
  #start: number | undefined;

  /**
   * @param id The session.
   * @param signal Ends a wait at once, with its reason.
   */
  constructor(id: string, signal: AbortSignal | undefined) {
    this.#id = id;
    this.#signal = signal;
  }

  /**
   * Waits a random while before the next try.
   *
   * @throws {SessionLockTimeoutError} If this has gone on for five seconds.
   */
  async wait(): Promise<void> {
    this.#start ??= system.monotonic();
    if (system.monotonic() - this.#start > TIMEOUT) {
      throw new SessionLockTimeoutError(`session ${this.#id}`, TIMEOUT);
    }
    await system.wait(Math.random() * this.#wait, this.#signal);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
  }
}
