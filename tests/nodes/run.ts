/** Lets nodes go through events under load, and tells how they did. */

import { quantile } from "../../bench/harness/statistics.ts";
import { Crowd, type Timing } from "./crowd.ts";
import { type EngineName, startEngine } from "./engines.ts";
import { AT_FIRST, type EventName, Events, putLater } from "./events.ts";
import { Fleet } from "./fleet.ts";

/** What {@linkcode runNodes} takes. */
export interface NodesOptions {
  readonly engine: EngineName;
  readonly events: readonly EventName[];
  /** How long a phase lasts: a third before the event, a third for it, a third after. */
  readonly seconds: number;
  readonly visitors: number;
  /** Called at the end of each phase. */
  readonly onPhase?: (phase: Phase) => void;
}

/** Waits of some requests, in ms. */
export interface Waits {
  readonly seconds: number;
  readonly requests: number;
  /** Answered by 5xx, or not at all. */
  readonly failed: number;
  readonly median: number;
  readonly p99: number;
  readonly longest: number;
}

/** An event, and the requests around it. */
export interface Phase {
  readonly event: EventName;
  readonly before: Waits;
  readonly during: Waits;
  readonly after: Waits;
}

/** How nodes did. */
export interface NodesResult {
  readonly phases: readonly Phase[];
  /** Answers that were compared with what a visitor knows. */
  readonly compared: number;
  /** What must not be. */
  readonly violations: readonly string[];
  /** How often a request failed, by the reason. */
  readonly failures: ReadonlyMap<string, number>;
}

/** The rate of the visitors, in requests a second; it may not fall below 200. */
const RATE = 220;

/** Runs the events one after the other on the same nodes. */
export async function runNodes(options: NodesOptions): Promise<NodesResult> {
  const { events, seconds, visitors, onPhase = () => {} } = options;
  const third = seconds * 1000 / 3;
  await using engine = await startEngine(options.engine);
  await using fleet = await Fleet.start({
    ...AT_FIRST,
    place: engine.place,
    rotateEvery: third,
  });
  const later = await putLater(engine);
  const phases: Phase[] = [];
  const crowd = new Crowd({ port: fleet.port, visitors, rate: RATE });
  const found: string[] = [];
  {
    await using stack = new AsyncDisposableStack();
    stack.use(crowd);
    const happening = new Events({ engine, fleet, crowd }, later);
    for (const event of events) {
      const times = [performance.now()];
      await pause(third);
      times.push(performance.now());
      await happening.happen(event, third);
      times.push(performance.now());
      await pause(third);
      times.push(performance.now());
      const [before, during, after] = times.slice(1).map((end, n) =>
        sumUp(crowd.timings, times[n]!, end)
      );
      const phase: Phase = {
        event,
        before: before!,
        during: during!,
        after: after!,
      };
      phases.push(phase);
      onPhase(phase);
      found.push(...await happening.findOverwritten());
    }
  }
  const { unopenable, dropped } = await fleet.count();
  if (unopenable > 0) found.push(`${unopenable} sessions were not opened`);
  if (dropped > 0) found.push(`${dropped} changes dropped a member`);
  const { compared, failures, violations } = crowd;
  return { phases, compared, failures, violations: [...violations, ...found] };
}

function sumUp(all: readonly Timing[], begin: number, end: number): Waits {
  const timings = all.filter((one) => begin <= one.begin && one.begin < end);
  const waits = timings.map(({ wait }) => wait);
  return {
    seconds: (end - begin) / 1000,
    requests: timings.length,
    failed: timings.filter(({ status }) => status === 0 || status >= 500)
      .length,
    median: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    longest: quantile(waits, 1),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
