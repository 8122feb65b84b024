import { system } from "./system.ts";

const LONGEST_SLICE = 3;

/**
 * Gives the event loop back every few milliseconds to whoever has much to do:
 * a directory of a million sessions must not stop a server.
 */
export class Pacer {
  readonly #onPause: (() => void) | undefined;
  #sliceEnd = system.monotonic() + LONGEST_SLICE;

  /** @param onPause Is told before each pause. */
  constructor(onPause?: () => void) {
    this.#onPause = onPause;
  }

  /** Whether it is time to {@linkcode pause}. */
  get isDue(): boolean {
    return system.monotonic() >= this.#sliceEnd;
  }

  /** Lets the others have their turn. */
  async pause(): Promise<void> {
    this.#onPause?.();
    await system.pause();
    this.#sliceEnd = system.monotonic() + LONGEST_SLICE;
  }
}
