import {
  circumstances,
  count,
  document,
  entrants,
  exact,
  table,
  tableOf,
} from "../harness/markdown.ts";
import { plot } from "../harness/plot.ts";
import type { Profile, Results } from "../harness/benchmark.ts";
import { median, medianRatio, sum } from "../harness/statistics.ts";
import { type Action, ACTIONS } from "./contestants.ts";
import type { WrkRun } from "./wrk.ts";

/** What was found in one turn of a contestant. */
export interface Turn extends WrkRun {
  /** The processor time that its process took, in milliseconds. */
  readonly processor: number;
}

/** What one contestant did at one action; latencies are middles of the rounds. */
export interface Cell extends Omit<WrkRun, "requests" | "seconds"> {
  /** Requests per second, round by round. */
  readonly rounds: readonly number[];
  readonly median: number;
  /** Microseconds of its process for a request, round by round. */
  readonly processor: readonly number[];
}

/** What became of the changes. */
export interface Changes {
  /** How many wrk was told had succeeded, in the warm-up and all rounds. */
  readonly acknowledged: number;
  /** How many of these, and of those that wrk did not wait for, were there. */
  readonly found: number;
  /** How many were then acknowledged, when every answer was awaited. */
  readonly awaited: number;
  /** How many of these were not there. */
  readonly lost: number;
  /** How many sessions could not be read at the end. */
  readonly ruined: number;
}

/** What one contestant did. */
export interface Result extends Profile {
  readonly runtime: string;
  readonly cells: Partial<Record<Action, Cell>>;
  /** The same when all were asked at half of our speed. */
  half?: Partial<Record<Action, Cell>>;
  changes?: Changes;
}

/** Ours relative to another, the middle of the rounds' ratios. */
interface Ratio {
  readonly action: Action;
  readonly to: string;
  readonly speed: number;
  /** Another's processor time for a request, in units of ours. */
  readonly processor: number;
  readonly goal: number;
}

/** All that is written down. */
export interface HttpResults extends Results {
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly sessions: number;
  readonly results: readonly Result[];
}

const GOAL_TO_FLOOR: Readonly<Record<Action, number>> = {
  read: 0.75,
  change: 0.8,
};
const GOAL_TO_PEER = 3;

const TITLES: Readonly<Record<Action, string>> = {
  read: "Reading the session at every request",
  change: "Changing the session at every request",
};

/** Sums up the rounds of one contestant. */
export function toCell(runs: readonly Turn[]): Cell {
  const rounds = runs.map(({ requests, seconds }) => requests / seconds);
  return {
    rounds,
    median: median(rounds),
    processor: runs.map((run) => 1_000 * run.processor / run.requests),
    p50: median(runs.map(({ p50 }) => p50)),
    p99: median(runs.map(({ p99 }) => p99)),
    refused: sum(runs.map(({ refused }) => refused)),
    broken: sum(runs.map(({ broken }) => broken)),
  };
}

/** Compares ours to each floor and to the fastest peer. */
function toRatios(results: readonly Result[]): Ratio[] {
  return ACTIONS.flatMap((action) => {
    const done = results.flatMap(({ name, kind, cells }) => {
      const cell = cells[action];
      return cell === undefined ? [] : [{ name, kind, cell }];
    });
    const ours = done.find(({ kind }) => kind === "ours");
    if (ours === undefined) return [];
    const floors = done.filter(({ kind }) => kind === "floor");
    const peers = done.filter(({ kind }) => kind === "peer")
      .sort((a, b) => b.cell.median - a.cell.median);
    return [...floors, ...peers.slice(0, 1)].map(({ name, kind, cell }) => ({
      action,
      to: name,
      speed: medianRatio(ours.cell.rounds, cell.rounds),
      processor: medianRatio(cell.processor, ours.cell.processor),
      goal: kind === "peer" ? GOAL_TO_PEER : GOAL_TO_FLOOR[action],
    }));
  });
}

/** Makes the tables that a reader wants to see. */
export function toMarkdown(all: HttpResults): string {
  const { machine, results, skipped } = all;
  return document([
    "# Sessions over HTTP",
    `${legend(all)} Each contestant is a server in a process of its ` +
    "own; they take turns, and the middle of the rounds counts, after one " +
    `that warms up. ${exact(all.sessions)} sessions of 500 B, one at ` +
    "random for each request. wrk runs on the same machine and takes a core " +
    `for itself: the servers have what is left of ${machine.cores}.`,
    ...ACTIONS.flatMap((action) => [
      `## ${TITLES[action]}`,
      speeds(results, ({ cells }) => cells[action]),
    ]),
    ...atHalf(results),
    "## Ours relative to others",
    "The middle of the rounds' ratios, of requests a second and of requests by " +
    "the processor time that the server spends. A server that is slower than " +
    "wrk also pays for waking it up.",
    table(
      ["", "relative to", "requests/s", "by processor", "goal"],
      toRatios(results).map(({ action, to, speed, processor, goal }) => [
        action,
        to,
        ...[speed, processor].map((each) => each.toPrecision(2)),
        `≥ ${goal}`,
      ]),
    ),
    "## What became of the changes",
    "Found should be what wrk was told had succeeded and somewhat more, since " +
    `up to ${all.connections} of a round were done when it had stopped ` +
    "waiting. Then 4,000 more were made in 32 flows on 100 sessions, and " +
    "every answer awaited. Lost: those of them that were acknowledged and " +
    "not there. Ruined: sessions that cannot be read at the end.",
    tableOf(
      results,
      ["wrk was told", "found", "of 4,000 acknowledged", "lost", "ruined"],
      ({ changes }) => changes,
      ({ acknowledged, found, awaited, lost, ruined }) =>
        [acknowledged, found, awaited, lost, ruined].map(exact),
    ),
    ...entrants(results, skipped),
  ]);
}

/** Makes the table of one action; the processor time is that of the server. */
function speeds(
  results: readonly Result[],
  part: (result: Result) => Cell | undefined,
): string {
  return tableOf(
    results,
    [
      "requests/s",
      "p50, ms",
      "p99, ms",
      "processor, µs",
      "status ≥ 400",
      "broken",
    ],
    part,
    ({ median: speed, p50, p99, processor, refused, broken }) => [
      ...[speed, p50, p99, median(processor)].map(count),
      ...[refused, broken].map(exact),
    ],
  );
}

/** Tells what was measured at half of our speed, if it was. */
function atHalf(results: readonly Result[]): string[] {
  const part = (action: Action) => ({ half }: Result) => half?.[action];
  const actions = ACTIONS.filter((action) => results.some(part(action)));
  return actions.flatMap((action) => [
    `## ${TITLES[action]}, at half of our speed`,
    "Each connection waits before it asks again, so that to be faster than wrk " +
    "gains nothing. What counts is the server's processor time for a request.",
    speeds(results, part(action)),
  ]);
}

/** Draws a bar for each contestant at each action. */
export async function toPlots(
  all: HttpResults,
): Promise<Record<string, string>> {
  const heading = `Requests per second, ${exact(all.sessions)} sessions of ` +
    "500 B";
  const subtitle = [
    legend(all),
    "The middle of the rounds; wrk takes one core for itself. " +
    "In red: updates lost, in 32 flows on 100 sessions.",
  ];
  const panels = ACTIONS.map((action) => ({
    title: TITLES[action],
    unit: "requests per second",
    rows: all.results.flatMap(({ name, kind, cells, changes }) => {
      const value = cells[action]?.median;
      if (value === undefined) return [];
      const { lost = 0, awaited = 0 } = changes ?? {};
      const trouble = action === "change" && lost > 0
        ? { trouble: `${exact(lost)} of ${exact(awaited)} lost` }
        : {};
      return [{ label: name, kind, value, ...trouble }];
    }),
  }));
  return { "http.svg": await plot(heading, subtitle, panels, 1) };
}

/** Says when, where and how it was measured. */
function legend(all: HttpResults): string {
  const { rounds, seconds, connections } = all;
  return `${circumstances(all)}: ${connections} connections, keep-alive, ` +
    `${rounds} rounds of ${seconds} s.`;
}
