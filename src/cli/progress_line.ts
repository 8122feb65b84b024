const SHORTEST_PAUSE = 100;
const START_OF_LINE = "\r\x1b[K";

/** Where the line is written. */
export interface Terminal {
  /** Whether somebody can see it. */
  isTerminal(): boolean;
  /** Writes at least one byte and returns how many. */
  writeSync(bytes: Uint8Array): number;
}

/**
 * A line that says how far a command has come, ten times a second, over and
 * over at the same place. On what is no terminal it writes nothing. Disposing
 * erases it.
 */
export class ProgressLine implements Disposable {
  readonly #terminal: Terminal | undefined;
  readonly #now: () => number;
  #shownAt = -Infinity;

  /**
   * @param terminal Where to write.
   * @param now Tells the time, in ms from any start.
   */
  constructor(terminal: Terminal, now: () => number = () => performance.now()) {
    this.#terminal = terminal.isTerminal() ? terminal : undefined;
    this.#now = now;
  }

  /** Shows how far it has come, unless that was shown a moment ago. */
  show(text: string): void {
    const now = this.#now();
    if (now - this.#shownAt < SHORTEST_PAUSE) return;
    this.#shownAt = now;
    this.#write(`${START_OF_LINE}${text}`);
  }

  /** Erases the line, for something else to be written there. */
  erase(): void {
    if (this.#shownAt > -Infinity) this.#write(START_OF_LINE);
  }

  /** Erases the line. */
  [Symbol.dispose](): void {
    this.erase();
  }

  #write(text: string): void {
    let rest = new TextEncoder().encode(text);
    while (this.#terminal !== undefined && rest.length > 0) {
      rest = rest.subarray(this.#terminal.writeSync(rest));
    }
  }
}
