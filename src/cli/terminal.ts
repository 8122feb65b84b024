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
