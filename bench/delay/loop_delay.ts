/*
 * How long does an event that has just arrived wait for the event loop?
 *
 * A timer that is due every millisecond stands for the events. (Not
 * `monitorEventLoopDelay` of node:perf_hooks: Deno 2.9.6 has it, but with the
 * loop blocked for 50 ms, 20 times in a row, it reported 0.06 ms at the most.)
 * Deno's timers come every 2 ms at best, which is found out at the start and
 * taken off. A stall of 20 ms hides the ticks that it keeps from coming, so they
 * are counted as if they had waited, too: 18, 16, 14 ms.
 */
import { type Delays, delaysOf, median } from "../harness/statistics.ts";

const CALIBRATION = 100;

/** Measures the delay of this process's event loop. */
export class LoopDelay {
  readonly #usual: number;
  readonly #delays: number[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  #before = performance.now();

  private constructor(usual: number) {
    this.#usual = usual;
    this.#timer = setInterval(() => {
      const now = performance.now();
      const delay = now - this.#before - usual;
      this.#before = now;
      this.#record(delay);
    }, 1);
  }

  /** Starts to measure; the process has nothing else to do until it resolves. */
  static async start(): Promise<LoopDelay> {
    const gaps: number[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    let before = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      gaps.push(now - before);
      before = now;
      if (gaps.length === CALIBRATION) resolve();
    }, 1);
    await promise;
    clearInterval(timer);
    return new LoopDelay(median(gaps));
  }

  /** Ends it, and returns what was measured. */
  stop(): Delays {
    clearInterval(this.#timer);
    // A stall that is still on has not been told by any tick.
    this.#record(performance.now() - this.#before - this.#usual);
    return delaysOf(this.#delays);
  }

  #record(delay: number): void {
    this.#delays.push(Math.max(0, delay));
    for (
      let hidden = delay - this.#usual;
      hidden > 0;
      hidden -= this.#usual
    ) this.#delays.push(hidden);
  }
}
