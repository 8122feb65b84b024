/** Makes the calls on an engine fail when a test wants it. */
export class Breakable {
  #error: Error | undefined;

  /** Throws the error by which it is broken, if it is. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Breaks it until the result is disposed. */
  breakDown(error: Error): Disposable {
    this.#error = error;
    return { [Symbol.dispose]: () => void (this.#error = undefined) };
  }
}
