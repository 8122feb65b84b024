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
 * 2026-11-27, Deno 2.9.6, Node 20, ext4, 2 cores, 4 rounds of 2 s: we read at
 * 0.68 of the speed of the handler that is written by hand, and 2.8 times as fast
 * as the best JavaScript stack. We change at 0.67 of the save floor, 3.1 times as
 * fast as one with fresh files, and 1.1 times as hono-sessions, which writes in
 * place without a lock and loses updates.
 *
 *   --rounds 5          how many rounds count; one more warms up
 *   --seconds 3         how long a turn lasts, in whole seconds
 *   --connections 32    how many connections wrk keeps open
 *   --only TEXT         peers whose name contains it, beside us and the floors
 *   --directory, --output, --render: see runBenchmark()
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { makeDataSet } from "../data_set.ts";
import { Child, denoCommand, readProgram } from "../harness/child.ts";
import { installForNode } from "../harness/install_for_node.ts";
import {
  makePrivate,
  runBenchmark,
  say,
  settle,
} from "../harness/benchmark.ts";
import { takeTurns } from "../harness/turns.ts";
import {
  type Action,
  ACTIONS,
  type Contestant,
  CONTESTANTS,
  type Visit,
} from "./contestants.ts";
import {
  type Changes,
  type Result,
  toCell,
  toMarkdown,
  toPlots,
  toRatios,
  type WrkRun,
} from "./results.ts";
import { ownerOf, type Ports, Visitors } from "./visitors.ts";

/** A contestant that runs. */
interface Competitor extends Contestant {
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

const SIZE = 500;
const SCRIPT = fromFileUrl(new URL("requests.lua", import.meta.url));
/** How many changes are made and awaited, on how many sessions. */
const AWAITED = 4_000;
const CROWDED = 100;

if (import.meta.main) {
  await runBenchmark({
    name: "http",
    options: { rounds: 5, seconds: 3, connections: 32, only: "" },
    async measure(base, options, skip) {
      const { rounds, seconds, connections, only } = options;
      const runtimes = new Set<string>();
      const wrk = await wrkVersion();
      await using stack = new AsyncDisposableStack();
      const competitors: Competitor[] = [];
      for (const contestant of CONTESTANTS) {
        const { kind, name } = contestant;
        if (kind === "peer" && !name.includes(only)) continue;
        try {
          const { process, node } = await start(contestant, base);
          stack.use(process);
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
      const results = competitors.map(({ result }) => result);
      return {
        rounds,
        seconds,
        connections,
        sessions: makeVisits().length,
        ratios: toRatios(results),
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

/** Starts a contestant; its packages are installed before. */
async function start(
  { module, runtime, packages, directory }: Contestant,
  base: string,
): Promise<{ process: Child; node?: string }> {
  const sessions = await makePrivate(`${base}/${directory}`);
  const env = { NODE_ENV: "production" };
  if (runtime === "Deno") {
    const serve = new URL("serve.ts", import.meta.url);
    // As in Node, all permissions: with any list of them Deno looks up each
    // part of a path at each call, which is dearer than some calls.
    const command = denoCommand(serve, [module, sessions]);
    return { process: new Child(command, env) };
  }
  const place = `${base}/node`;
  await Deno.mkdir(place);
  const server = new URL(`servers/${module}`, import.meta.url);
  const node = await installForNode(place, packages, [server]);
  const command = ["node", `${place}/express.mjs`, sessions] as const;
  return { process: new Child(command, env), node };
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
  return { ...contestant, ports, visitors, cookies, result };
}

function makeVisits(): Visit[] {
  const { ids, record } = makeDataSet(SIZE);
  return ids.map((_, n) => ({ ...record.data, owner: ownerOf(n), count: 0 }));
}

/** Lets all take turns at one action, and counts what is left of it. */
async function measureAction(
  competitors: readonly Competitor[],
  action: Action,
  { rounds, seconds, connections }: Options,
): Promise<void> {
  const able = competitors.filter(({ actions }) => actions.includes(action));
  const runs = await takeTurns(able, rounds + 1, async (each) => {
    const { cookies, ports } = each;
    await settle(cookies);
    const url = `http://127.0.0.1:${ports[action]}/`;
    await using wrk = new Child([
      "wrk",
      "-t1",
      `-c${connections}`,
      `-d${seconds}s`,
      ...["--latency", "-s", SCRIPT, url, "--", cookies],
    ]);
    return await wrk.next<WrkRun>();
  });
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
