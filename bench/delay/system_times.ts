import { system } from "../../src/disk/system.ts";
import { type Delays, delaysOf, sum } from "../harness/statistics.ts";

/** How long one kind of call took. */
export interface CallTimes extends Delays {
  readonly call: string;
  readonly count: number;
  /** All of them together, in milliseconds. */
  readonly total: number;
}

type Call = (...args: unknown[]) => unknown;

/** These wait, which is no stall. */
const WAITING = ["wait", "pause", "readDirectory"];

/** Measures the calls between the store and the operating system. */
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

  /** Returns the calls that were made, the longest first. */
  toList(): CallTimes[] {
    return [...this.#times]
      .filter(([, times]) => times.length > 0)
      .map(([call, times]) => ({
        call,
        count: times.length,
        total: sum(times),
        ...delaysOf(times),
      }))
      .toSorted((a, b) => b.max - a.max);
  }
}
