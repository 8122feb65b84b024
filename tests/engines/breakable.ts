/** What lets the calls on an engine fail at will. */
export class Breakable {
  #error: Error | undefined;

  /** Throws what it is broken by, while it is. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Breaks it until the result is disposed. */
  breakDown(error: Error): Disposable {
    this.#error = error;
    return { [Symbol.dispose]: () => void (this.#error = undefined) };
  }
}
