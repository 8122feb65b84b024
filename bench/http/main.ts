/*
 * What do sessions cost a real server, over real sockets?
 *
 * wrk holds 32 connections to each contestant in turn, A B C A B C, each a
 * server in a process of its own with 1,000 sessions that it made itself, and
 * sends one of their cookies with each request. Before, every session is read
 * and judged; afterwards the changes that were acknowledged are counted against
 * what is there. Writes http.md, http.json and http.svg.
 *
 * wrk takes a core for itself: on two cores the server has the other one.
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
 *   --directory DIR     where the sessions are; a temporary one by default
 *   --only TEXT         peers whose name contains it, and who is no peer
 *   --output DIR        where the results are written; bench/results by default
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path/from-file-url";
import { describeMachine } from "../machine.ts";
import { makeDataSet } from "../data_set.ts";
import type { Action, Visit } from "./contestant.ts";
import { type Contestant, CONTESTANTS } from "./contestants.ts";
import { installExpress } from "./install_express.ts";
import { type Results, toRatios } from "./results.ts";
import { wrkVersion } from "./run_wrk.ts";
import { ServerProcess } from "./server_process.ts";
import { type Competitor, takeTurns } from "./take_turns.ts";
import { toMarkdown } from "./to_markdown.ts";
import { toPlot } from "./to_plot.ts";
import { ownerOf, Visitors } from "./visitors.ts";

const ACTIONS: readonly Action[] = ["read", "change"];
const SIZE = 500;

type Command = readonly [string, ...string[]];

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly only: string;
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: [
      "rounds",
      "seconds",
      "connections",
      "directory",
      "only",
      "output",
    ],
    default: {
      rounds: "5",
      seconds: "3",
      connections: "32",
      only: "",
      output: fromFileUrl(new URL("../results", import.meta.url)),
    },
  });
  const { directory, output } = args;
  const base = await Deno.makeTempDir({
    ...(directory !== undefined && { dir: directory }),
    prefix: "latchkey-http-",
  });
  try {
    await write(
      output,
      await hold(base, {
        rounds: Number(args.rounds),
        seconds: Number(args.seconds),
        connections: Number(args.connections),
        only: args.only,
      }),
    );
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

/** Holds the race, all of it. */
async function hold(base: string, options: Options): Promise<Results> {
  const { rounds, seconds, connections, only } = options;
  const wrk = await wrkVersion();
  const skipped: { name: string; reason: string }[] = [];
  let node: string | null = null;
  await using stack = new AsyncDisposableStack();
  const competitors: Competitor[] = [];
  for (const contestant of CONTESTANTS) {
    const { kind, name } = contestant;
    if (kind === "peer" && !name.includes(only)) continue;
    try {
      const found = await commandFor(contestant, base);
      node ??= found.node;
      const process = stack.use(new ServerProcess(found.command));
      competitors.push(await enter(contestant, process, base));
      say(`started ${name}`);
    } catch (error) {
      const reason = plainReason(error);
      skipped.push({ name, reason });
      say(`skipped ${name}: ${reason}`);
    }
  }

  for (const action of ACTIONS) {
    await takeTurns(competitors, action, { rounds, seconds, connections });
    say(`measured: ${action}`);
  }
  const results = competitors.map(({ result }) => result);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      ...await describeMachine(base),
      node,
      wrk,
    },
    rounds,
    seconds,
    connections,
    sessions: makeVisits().length,
    ratios: toRatios(results, ACTIONS),
    results,
    skipped,
  };
}

/** How to start a contestant; its packages are there when it has been started. */
async function commandFor(
  { module, runtime, packages, directory }: Contestant,
  base: string,
): Promise<{ command: Command; node: string | null }> {
  const sessions = `${base}/${directory}`;
  await Deno.mkdir(sessions, { recursive: true, mode: 0o700 });
  if (runtime === "Node") {
    const place = `${base}/node`;
    await Deno.mkdir(place);
    const { node, server } = await installExpress(place, packages);
    return { command: ["node", server, sessions], node };
  }
  const command: Command = [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    // As Node does; with any list of permissions Deno looks up each part of a
    // path at each call, which is dearer than some calls.
    "--allow-all",
    fromFileUrl(new URL("serve.ts", import.meta.url)),
    module,
    sessions,
  ];
  return { command, node: null };
}

async function enter(
  contestant: Contestant,
  process: ServerProcess,
  base: string,
): Promise<Competitor> {
  const { name, kind, runtime, note, packages } = contestant;
  await process.listening();
  // Who answers a constant looks at no cookie, and is sent ours.
  const isBare = kind === "bare";
  const cookies = `${base}/${isBare ? "latchkey" : contestant.module}.cookies`;
  const visitors = isBare
    ? undefined
    : await Visitors.arrive(process, makeVisits());
  await visitors?.write(cookies);
  const result = { name, kind, runtime, note, packages, cells: {} };
  return { ...contestant, process, visitors, cookies, result };
}

function makeVisits(): Visit[] {
  const { ids, record } = makeDataSet(SIZE);
  return ids.map((_, n) => ({ ...record.data, owner: ownerOf(n), count: 0 }));
}

async function write(directory: string, results: Results): Promise<void> {
  const markdown = toMarkdown(results);
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/http.md`, markdown);
  await Deno.writeTextFile(
    `${directory}/http.json`,
    `${JSON.stringify(results, null, 2)}\n`,
  );
  await Deno.writeTextFile(`${directory}/http.svg`, toPlot(results));
  console.log(`\n${markdown}`);
}

/** Why somebody does not run, without paths: it is read on other machines. */
function plainReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/(file:\/\/)?\/[^\s:]+\//g, "")
    .replaceAll(/\s+/g, " ").slice(0, 200);
}

function say(text: string): void {
  console.error(text);
}
