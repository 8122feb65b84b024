/** Timers that end when a test says so. */

interface Timer {
  readonly ms: number;
  readonly call: () => unknown;
  isReferenced: boolean;
}

/** Takes the place of `setTimeout` and `clearTimeout`, until it is disposed. */
export class ReplacedTimers implements Disposable {
  /** Those that wait. */
  readonly waiting: Set<Timer> = new Set();
  readonly #originals = { setTimeout, clearTimeout };

  constructor() {
    const set = (call: () => unknown, ms = 0) => {
      const timer = { ms, call, isReferenced: true };
      this.waiting.add(timer);
      return Object.assign(timer, {
        unref: () => timer.isReferenced = false,
      });
    };
    const clear = (timer: Timer) => void this.waiting.delete(timer);
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }

  /** Ends the only one that waits, and waits for what it calls. */
  async end(): Promise<Timer> {
    const [timer, ...others] = this.waiting;
    if (timer === undefined || others.length > 0) {
      throw new Error(`${this.waiting.size} timers wait`);
    }
    this.waiting.delete(timer);
    await timer.call();
    return timer;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#originals);
  }
}
