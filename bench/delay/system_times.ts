import { system } from "../../src/system/system.ts";
import { percentile } from "./percentile.ts";

/** How long one kind of call took, in milliseconds. */
export interface CallTimes {
  readonly call: string;
  readonly count: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** All of them together. */
  readonly total: number;
}

type Call = (...args: unknown[]) => unknown;

/** They wait, which is no stall. */
const WAITING = ["wait", "pause", "readDirectory"];

/** Puts itself between the store and the operating system, and takes the time. */
export class SystemTimes {
  readonly #times = new Map<string, number[]>();

  /** Only one may be made in a process. */
  constructor() {
    const calls = system as unknown as Record<string, Call>;
    for (const [name, call] of Object.entries(calls)) {
      if (WAITING.includes(name)) continue;
      const times: number[] = [];
      this.#times.set(name, times);
      calls[name] = (...args) => {
        const start = performance.now();
        try {
          return call(...args);
        } finally {
          times.push(performance.now() - start);
        }
      };
    }
  }

  /** Tells the calls that were made, the longest first. */
  toList(): CallTimes[] {
    return [...this.#times]
      .filter(([, times]) => times.length > 0)
      .map(([call, times]) => ({
        call,
        count: times.length,
        p99: percentile(times, 0.99),
        p999: percentile(times, 0.999),
        max: percentile(times, 1),
        total: times.reduce((sum, each) => sum + each, 0),
      }))
      .toSorted((a, b) => b.max - a.max);
  }
}
