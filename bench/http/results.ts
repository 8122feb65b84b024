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

/** What one run of wrk found. */
export interface WrkRun {
  /** How many were answered, with whatever status. */
  readonly requests: number;
  readonly seconds: number;
  /** How many were answered with a status from 400 on. */
  readonly refused: number;
  /** How many were not answered: connect, read, write, 2 seconds without. */
  readonly broken: number;
  /** Latencies, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** What one contestant did at one action; latencies are middles of the rounds. */
export interface Cell extends Omit<WrkRun, "requests" | "seconds"> {
  /** Requests per second, round by round. */
  readonly rounds: readonly number[];
  readonly median: number;
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
  changes?: Changes;
}

/** Our speed relative to another's, the middle of the rounds' ratios. */
export interface Ratio {
  readonly action: Action;
  readonly to: string;
  readonly ratio: number;
  readonly goal: number;
}

/** All that is written down. */
export interface HttpResults extends Results {
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly sessions: number;
  readonly ratios: readonly Ratio[];
  readonly results: readonly Result[];
}

const GOAL_TO_FLOOR = 0.7;
const GOAL_TO_PEER = 3;

const TITLES: Readonly<Record<Action, string>> = {
  read: "Reading the session at every request",
  change: "Changing the session at every request",
};

/** Sums up the rounds of one contestant. */
export function toCell(runs: readonly WrkRun[]): Cell {
  const rounds = runs.map(({ requests, seconds }) => requests / seconds);
  return {
    rounds,
    median: median(rounds),
    p50: median(runs.map(({ p50 }) => p50)),
    p99: median(runs.map(({ p99 }) => p99)),
    refused: sum(runs.map(({ refused }) => refused)),
    broken: sum(runs.map(({ broken }) => broken)),
  };
}

/** Compares ours to each floor and to the fastest peer. */
export function toRatios(results: readonly Result[]): Ratio[] {
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
      ratio: medianRatio(ours.cell.rounds, cell.rounds),
      goal: kind === "peer" ? GOAL_TO_PEER : GOAL_TO_FLOOR,
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
      tableOf(
        results,
        ["requests/s", "p50, ms", "p99, ms", "status ≥ 400", "broken"],
        ({ cells }) => cells[action],
        ({ median, p50, p99, refused, broken }) => [
          ...[median, p50, p99].map(count),
          ...[refused, broken].map(exact),
        ],
      ),
    ]),
    "## Ours relative to others",
    "The middle of the rounds' ratios.",
    table(
      ["", "relative to", "ratio", "goal"],
      all.ratios.map(({ action, to, ratio, goal }) => [
        action,
        to,
        ratio.toPrecision(2),
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
