/*
 * What do sessions cost a real server, over real sockets?
 *
 * wrk holds 32 connections to each contestant in turn, A B C A B C, each a
 * server in a process of its own with 1,000 sessions that it made itself, and
 * sends one of their cookies with each request. Before, every session is read
 * and judged; afterwards the changes that were acknowledged are counted against
 * what is there. Writes http.md, http.json and http.svg.
 *
 * wrk takes a core for itself: on two cores the server has the other one. What is
 * not installed (Node) is skipped, and said so; wrk must be.
 *
 * 2026-11-28, Deno 2.9.6, Node 20, ext4, 2 cores, 8 rounds of 2 s: we read at 0.56 of
 * the speed of the handler that is written by hand and change at 0.59, by processor
 * time at half of our speed at 0.62 and 0.58. We read 3.9 times as fast as the best
 * JavaScript stack, and change 1.5 times as fast as hono-sessions, which writes in
 * place without a lock and loses updates.
 *
 *   --rounds 8          how many rounds count; one more warms up
 *   --seconds 3         how long a turn lasts, in whole seconds
 *   --connections 32    how many connections wrk keeps open
 *   --half              then asks us and the floors at half of our speed, too, so
 *                       that to be faster than wrk gains nothing
 *   --only TEXT         peers whose name contains it, beside us and the floors
 *   --directory, --output, --render: see runBenchmark()
 */
import { makeDataSet } from "../data_set.ts";
import { type Child, readProgram } from "../harness/child.ts";
import { runBenchmark, say } from "../harness/benchmark.ts";
import { takeTurns } from "../harness/turns.ts";
import {
  type Action,
  ACTIONS,
  type Contestant,
  CONTESTANTS,
} from "./contestants.ts";
import {
  type Changes,
  type Result,
  toCell,
  toMarkdown,
  toPlots,
  type Turn,
} from "./results.ts";
import { prepareServer } from "./servers.ts";
import { makeVisits, type Ports, SIZE, Visitors } from "./visitors.ts";
import { runWrk, type WrkOptions } from "./wrk.ts";

/** A contestant that runs. */
interface Competitor extends Contestant {
  readonly process: Child;
  readonly ports: Ports;
  /** None for the one that answers a constant. */
  readonly visitors: Visitors | undefined;
  /** A file of cookies, one a line. */
  readonly cookies: string;
  readonly result: Result;
}

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
}

/** How many changes are made and awaited, on how many sessions. */
const AWAITED = 4_000;
const CROWDED = 100;

if (import.meta.main) {
  await runBenchmark({
    name: "http",
    options: { rounds: 8, seconds: 3, connections: 32, half: false, only: "" },
    async measure(base, options, skip) {
      const { rounds, seconds, connections, half, only } = options;
      const runtimes = new Set<string>();
      const wrk = await wrkVersion();
      await using stack = new AsyncDisposableStack();
      const competitors: Competitor[] = [];
      for (const contestant of CONTESTANTS) {
        const { kind, name } = contestant;
        if (kind === "peer" && !name.includes(only)) continue;
        try {
          const { start, node } = await prepareServer(contestant, base);
          const process = stack.use(start());
          if (node !== undefined) runtimes.add(node);
          competitors.push(await enter(contestant, process, base));
          say(`started ${name}`);
        } catch (error) {
          skip(name, error);
        }
      }
      for (const action of ACTIONS) {
        await measureAction(competitors, action, options);
        say(`measured: ${action}`);
      }
      for (const action of half ? ACTIONS : []) {
        await measureHalf(competitors, action, options);
        say(`measured at half the speed: ${action}`);
      }
      const results = competitors.map(({ result }) => result);
      return {
        rounds,
        seconds,
        connections,
        sessions: makeVisits().length,
        results,
        runtimes: [...runtimes, wrk],
      };
    },
    toMarkdown,
    toPlots,
  });
}

async function wrkVersion(): Promise<string> {
  // It has no option for that, and tells it with its usage.
  const usage = await readProgram("sh", ["-c", "wrk -v; true"]) ?? "";
  const version = /^wrk (?:debian\/)?([\d.]+)/.exec(usage)?.[1];
  if (version !== undefined) return `wrk ${version}`;
  throw new Error("Cannot measure: wrk is missing (apt-get install wrk)");
}

async function enter(
  contestant: Contestant,
  process: Child,
  base: string,
): Promise<Competitor> {
  const { name, kind, runtime, note, packages, module } = contestant;
  const ports = await process.next<Ports>();
  // The one that answers a constant looks at no cookie, and is sent ours.
  const isBare = kind === "bare";
  const cookies = `${base}/${isBare ? "latchkey.ts" : module}.cookies`;
  const visitors = isBare ? undefined : new Visitors(ports);
  await visitors?.arrive(makeVisits(), cookies);
  const result = { name, kind, runtime, note, packages, cells: {} };
  return { ...contestant, process, ports, visitors, cookies, result };
}

/** Lets all that can take turns at one action; the first turn warms up. */
async function askAll(
  competitors: readonly Competitor[],
  action: Action,
  rounds: number,
  options: WrkOptions,
): Promise<Map<Competitor, Turn[]>> {
  const able = competitors.filter(({ actions }) => actions.includes(action));
  return await takeTurns(able, rounds + 1, async (each) => {
    const { cookies, ports, process } = each;
    const before = await process.processorTime();
    const run = await runWrk(ports[action], cookies, options);
    const after = await process.processorTime();
    return { ...run, processor: after! - before! };
  });
}

/** Lets all take turns at one action, and counts what is left of it. */
async function measureAction(
  competitors: readonly Competitor[],
  action: Action,
  { rounds, seconds, connections }: Options,
): Promise<void> {
  const options = { seconds, connections };
  const runs = await askAll(competitors, action, rounds, options);
  for (const [{ result, visitors }, all] of runs) {
    result.cells[action] = toCell(all.slice(1));
    if (action !== "change" || visitors === undefined) continue;
    const acknowledged = all.reduce(
      (total, { requests, refused }) => total + requests - refused,
      0,
    );
    result.changes = { acknowledged, ...await countChanges(visitors) };
  }
}

/** Lets us and the floors be asked at half of our speed; no peer reaches it. */
async function measureHalf(
  competitors: readonly Competitor[],
  action: Action,
  { rounds, seconds, connections }: Options,
): Promise<void> {
  const ours = competitors.find(({ kind }) => kind === "ours")!;
  const able = competitors.filter(({ kind }) => kind !== "peer");
  const speed = ours.result.cells[action]!.median / 2;
  const options = { seconds, connections, pause: 1_000 * connections / speed };
  const runs = await askAll(able, action, rounds, options);
  for (const [{ result }, all] of runs) {
    result.half ??= {};
    result.half[action] = toCell(all.slice(1));
  }
}

/** Counts what is there, and what is lost of changes that are all awaited. */
async function countChanges(
  visitors: Visitors,
): Promise<Omit<Changes, "acknowledged">> {
  const { found } = await visitors.count();
  const { ids, walk } = makeDataSet(SIZE);
  const numbers = new Map(ids.map((id, n) => [id, n % CROWDED]));
  const next = walk();
  const steps = Array.from({ length: AWAITED }, () => numbers.get(next())!);
  const awaited = await visitors.change(steps);
  const after = await visitors.count();
  const lost = Math.max(0, found + awaited - after.found);
  return { found, awaited, lost, ruined: after.ruined };
}
