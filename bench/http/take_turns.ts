import { makeDataSet } from "../data_set.ts";
import { settle } from "../peers/settle.ts";
import type { Action } from "./contestant.ts";
import type { Contestant } from "./contestants.ts";
import { type Changes, type Result, toCell } from "./results.ts";
import { type Run, runWrk } from "./run_wrk.ts";
import type { ServerProcess } from "./server_process.ts";
import type { Visitors } from "./visitors.ts";

/** A contestant that runs. */
export interface Competitor extends Contestant {
  readonly process: ServerProcess;
  readonly visitors: Visitors | undefined;
  readonly cookies: string;
  readonly result: Result;
}

/** What {@linkcode takeTurns} takes. */
export interface TurnOptions {
  /** How many rounds count; one more warms up. */
  readonly rounds: number;
  /** How long a turn lasts, in whole seconds. */
  readonly seconds: number;
  /** How many connections are kept open. */
  readonly connections: number;
}

/** How many changes are made and awaited, on how many sessions. */
const AWAITED = 4_000;
const CROWDED = 100;

/** Lets everybody take turns at one action, and counts what is left of it. */
export async function takeTurns(
  competitors: readonly Competitor[],
  action: Action,
  { rounds, seconds, connections }: TurnOptions,
): Promise<void> {
  const racers = competitors.filter(({ actions }) => actions.includes(action));
  const runs = new Map<Competitor, Run[]>(racers.map((each) => [each, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const each of racers) {
      const { cookies, process } = each;
      await settle(cookies);
      const options = { cookies, connections, seconds };
      runs.get(each)!.push(await runWrk(process.port(action), options));
    }
  }
  for (const [{ result, visitors }, [warmUp, ...counted]] of runs) {
    result.cells[action] = toCell(counted);
    if (action !== "change" || visitors === undefined) continue;
    const acknowledged = [warmUp!, ...counted].reduce(
      (total, { requests, refused }) => total + requests - refused,
      0,
    );
    result.changes = { acknowledged, ...await countChanges(visitors) };
  }
}

/** Counts what is there, and what is lost of changes that are all awaited. */
async function countChanges(
  visitors: Visitors,
): Promise<Omit<Changes, "acknowledged">> {
  const { found } = await visitors.count();
  const { ids, walk } = makeDataSet(500);
  const numbers = new Map(ids.map((id, n) => [id, n % CROWDED]));
  const next = walk();
  const steps = Array.from({ length: AWAITED }, () => numbers.get(next())!);
  const awaited = await visitors.change(steps);
  const after = await visitors.count();
  const lost = Math.max(0, found + awaited - after.found);
  return { found, awaited, lost, ruined: after.ruined };
}
