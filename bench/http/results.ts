import type { Machine } from "../machine.ts";
import { median } from "../median.ts";
import type { Action } from "./contestant.ts";
import type { Contestant } from "./contestants.ts";
import type { Run } from "./run_wrk.ts";

/** What one contestant did at one action. */
export interface Cell {
  /** Requests per second, round by round. */
  readonly rounds: readonly number[];
  /** The middle of them. */
  readonly median: number;
  /** The middle of the rounds' medians of the latency, in milliseconds. */
  readonly p50: number;
  /** The middle of the rounds' 99th percentiles, in milliseconds. */
  readonly p99: number;
  /** How many were answered with a status from 400 on, all rounds together. */
  readonly refused: number;
  /** How many were not answered, all rounds together. */
  readonly broken: number;
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
export interface Result {
  readonly name: string;
  readonly kind: Contestant["kind"];
  readonly runtime: Contestant["runtime"];
  readonly note: string;
  readonly packages: Readonly<Record<string, string>>;
  readonly cells: Partial<Record<Action, Cell>>;
  changes?: Changes;
}

/** One speed relative to another, the middle of the rounds' ratios. */
export interface Ratio {
  readonly action: Action;
  /** To whom ours is compared. */
  readonly to: string;
  readonly ratio: number;
  readonly goal: number;
}

/** All that is written down. */
export interface Results {
  readonly date: string;
  readonly machine: Machine & {
    readonly node: string | null;
    readonly wrk: string;
  };
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly sessions: number;
  readonly ratios: readonly Ratio[];
  readonly results: readonly Result[];
  /** Who did not run, and why. */
  readonly skipped: readonly {
    readonly name: string;
    readonly reason: string;
  }[];
}

const GOAL_TO_FLOOR = 0.7;
const GOAL_TO_PEER = 3;

/** Sums up the rounds of one contestant. */
export function toCell(runs: readonly Run[]): Cell {
  const rounds = runs.map(({ requests, seconds }) => requests / seconds);
  return {
    rounds,
    median: median(rounds),
    p50: median(runs.map(({ p50 }) => p50)),
    p99: median(runs.map(({ p99 }) => p99)),
    refused: runs.reduce((total, { refused }) => total + refused, 0),
    broken: runs.reduce((total, { broken }) => total + broken, 0),
  };
}

/**
 * Compares ours to each floor and to the fastest peer.
 *
 * @param results Of everybody.
 * @param actions What was measured.
 */
export function toRatios(
  results: readonly Result[],
  actions: readonly Action[],
): Ratio[] {
  return actions.flatMap((action) => {
    const done = results.flatMap(({ name, kind, cells }) => {
      const cell = cells[action];
      return cell === undefined ? [] : [{ name, kind, cell }];
    });
    const ours = done.find(({ kind }) => kind === "ours");
    if (ours === undefined) return [];
    const floors = done.filter(({ kind }) => kind === "floor");
    const [fastest] = done.filter(({ kind }) => kind === "peer")
      .sort((a, b) => b.cell.median - a.cell.median);
    return [...floors, ...(fastest === undefined ? [] : [fastest])]
      .map(({ name, kind, cell }) => ({
        action,
        to: name,
        ratio: median(
          ours.cell.rounds.map((speed, round) => speed / cell.rounds[round]!),
        ),
        goal: kind === "peer" ? GOAL_TO_PEER : GOAL_TO_FLOOR,
      }));
  });
}
