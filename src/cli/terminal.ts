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

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Turns the first Ctrl-C, or SIGTERM, into an `AbortSignal` until it is
 * disposed. The second one ends the process at once, as if nobody listened.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #exitCode: number | undefined;

  /** Starts to listen. */
  constructor() {
    for (const [name, exitCode] of Object.entries(EXIT_CODES)) {
      const signal = name as keyof typeof EXIT_CODES;
      if (signal !== "SIGINT" && Deno.build.os === "windows") continue;
      const listener = () => {
        this[Symbol.dispose]();
        this.#exitCode = exitCode;
        this.#controller.abort();
      };
      Deno.addSignalListener(signal, listener);
      this.#listeners.push([signal, listener]);
    }
  }

  /** Is aborted by the first interruption. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What a shell expects of a process that was interrupted, once it was. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Stops to listen. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners.splice(0)) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}
