/** Takes what the code under test writes to the console. */

/** A replaced method of the console, until it is disposed. */
export class ReplacedConsole implements Disposable {
  /** The arguments of each call. */
  readonly calls: unknown[][] = [];
  readonly #method: "error" | "warn";
  readonly #original: (...args: unknown[]) => void;

  constructor(method: "error" | "warn") {
    this.#method = method;
    this.#original = console[method];
    console[method] = (...args: unknown[]) => void this.calls.push(args);
  }

  [Symbol.dispose](): void {
    console[this.#method] = this.#original;
  }
}
