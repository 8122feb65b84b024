const SHORTEST_PAUSE = 100;
const START_OF_LINE = "\r\x1b[K";
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Where text is written: stdout or stderr. */
export interface TextOutput {
  /** Whether it is a terminal, and not a file or a pipe. */
  isTerminal(): boolean;
  /** Writes at least one byte and returns how many. */
  writeSync(bytes: Uint8Array): number;
}

/**
 * A line that shows the progress of a command, always at the same place, at
 * most ten times a second. If the output is not a terminal, nothing is written.
 * Disposing erases the line.
 */
export class ProgressLine implements Disposable {
  readonly #terminal: TextOutput | undefined;
  readonly #now: () => number;
  #shownAt = -Infinity;

  /**
   * @param terminal Where to write.
   * @param now Tells the time, in ms from any start.
   */
  constructor(
    terminal: TextOutput,
    now: () => number = () => performance.now(),
  ) {
    this.#terminal = terminal.isTerminal() ? terminal : undefined;
    this.#now = now;
  }

  /** Whether a text would be shown: there is a terminal, and 0.1 s have passed. */
  get isDue(): boolean {
    return this.#terminal !== undefined &&
      this.#now() - this.#shownAt >= SHORTEST_PAUSE;
  }

  /** Shows a text, unless another was shown less than 0.1 s ago. */
  show(text: string): void {
    if (!this.isDue) return;
    this.#shownAt = this.#now();
    this.#write(`${START_OF_LINE}${text}`);
  }

  /** Erases the line, so that other output can be written there. */
  erase(): void {
    if (this.#shownAt === -Infinity) return;
    this.#write(START_OF_LINE);
    this.#shownAt = -Infinity;
  }

  /** Erases the line. */
  [Symbol.dispose](): void {
    this.erase();
  }

  #write(text: string): void {
    if (this.#terminal !== undefined) writeText(this.#terminal, text);
  }
}

/**
 * Writes a text.
 *
 * @throws {Deno.errors.BrokenPipe} If nothing reads it any more.
 */
export function writeText(output: TextOutput, text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(output.writeSync(rest));
}

/**
 * Turns the first Ctrl-C or SIGTERM into an `AbortSignal`, until it is
 * disposed. The second one ends the process at once, as without a listener.
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

  /** Aborted by the first interruption. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Returns the exit code that a shell expects of an interrupted process, if
   * the error is due to the interruption; throws any other error again.
   */
  exitCodeOf(error: unknown): number {
    if (this.#exitCode === undefined || error !== this.signal.reason) {
      throw error;
    }
    return this.#exitCode;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners.splice(0)) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}
