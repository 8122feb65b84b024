/*
 * Is the store faster than what anyone would pick instead, and is what is
 * faster still correct?
 *
 * Each contestant runs in processes of its own, on the same 1,000 sessions and
 * the same walk over them, and they take turns: A B C A B C. Between two turns
 * the file system writes out what it holds. Every read is judged. Four
 * processes then update 100 sessions, and what was acknowledged is counted
 * against what is there. Writes peers.md, peers.json and peers.svg.
 *
 * 2026-11-20, Deno 2.9.6, Node 20, ext4, 2 cores, a busy disk: at 500 B saves
 * and updates are at 0.95 and 0.84 of the bare calls, a load at 0.70 in this run
 * and 0.88 and 1.1 in two before. Of the peers over files only write-file-atomic
 * with proper-lockfile loses and tears nothing; its load runs at half our speed,
 * its save at a third. With 32 flows whoever saves asynchronously overtakes,
 * probably as our rename, like the bare one, holds up the other flows: there
 * the floor is no bound. node:sqlite and lmdb load, and node:sqlite saves, a
 * good deal faster.
 *
 *   --rounds 5          how many rounds count; one more warms up
 *   --milliseconds 80   how long a turn lasts; a race lasts 2.5 times that
 *   --directory DIR     where the sessions are; a temporary one by default
 *   --only TEXT         contestants whose name contains it, and the floor
 *   --output DIR        where the results are written; bench/results by default
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path/from-file-url";
import { makeDataSet, SIZES } from "../data_set.ts";
import type { Competitor, Entry } from "./competitor.ts";
import type { Adapter, Runtime } from "./contestant.ts";
import { holdRaces } from "./hold_races.ts";
import { installForNode } from "./node_installation.ts";
import { COLUMNS, type Results } from "./results.ts";
import { RunnerProcess } from "./runner_process.ts";
import { takeTurns } from "./take_turns.ts";
import { toMarkdown } from "./to_markdown.ts";
import { toPlot } from "./to_plot.ts";
import { makeValue, type Workload } from "./values.ts";

const MODULES = [
  "floors",
  "latchkey",
  "sqlite",
  "lmdb",
  "session_file_store",
  "react_router",
  "remix_session",
  "unstorage",
  "write_file_atomic",
];
const SESSIONS = 1_000;
const STEPS = 1 << 14;

type Skipped = Results["skipped"][number];

if (import.meta.main) {
  const { rounds, milliseconds, directory, only, output } = parseArgs(
    Deno.args,
    {
      string: ["rounds", "milliseconds", "directory", "only", "output"],
      default: {
        rounds: "5",
        milliseconds: "80",
        only: "",
        output: fromFileUrl(new URL("../results", import.meta.url)),
      },
    },
  );
  const base = await Deno.makeTempDir({
    ...(directory !== undefined && { dir: directory }),
    prefix: "latchkey-peers-",
  });
  try {
    const options = {
      rounds: Number(rounds),
      turn: Number(milliseconds),
      only,
    };
    const results = await hold(base, options);
    await write(output, results);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

/** Holds the race, all of it. */
async function hold(
  base: string,
  options: { rounds: number; turn: number; only: string },
): Promise<Results> {
  const { rounds, turn, only } = options;
  const workload = `${base}/workload.json`;
  await Deno.writeTextFile(workload, JSON.stringify(makeWorkload()));
  const skipped: Skipped[] = [
    { name: "Django, PHP", reason: "there is no adapter for them yet" },
  ];
  const { entries, node } = await enter(base, workload, only, skipped);

  await using stack = new AsyncDisposableStack();
  const competitors: Competitor[] = [];
  for (const entry of entries) {
    const process = new RunnerProcess(entry.command);
    try {
      const hasTouch = await openAll(process, entry, base);
      competitors.push({ ...entry, process: stack.use(process), hasTouch });
      say(`opened ${entry.label}`);
    } catch (error) {
      await process[Symbol.asyncDispose]();
      skip(skipped, entry.label, error);
    }
  }

  for (const [size, [title]] of SIZES.entries()) {
    for (const [column] of COLUMNS) {
      await takeTurns(competitors, {
        base,
        column,
        size,
        title,
        sessions: SESSIONS,
        rounds,
        turn,
      });
      say(`measured ${column}, ${title}`);
    }
  }
  await holdRaces(competitors, { base, rounds, turn });

  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      cores: navigator.hardwareConcurrency,
      os: Deno.build.os,
      fileSystem: await fileSystemOf(base),
      deno: Deno.version.deno,
      node,
    },
    rounds,
    results: competitors.map(({ result }) => result),
    skipped,
  };
}

function makeWorkload(): Workload {
  const [, first] = SIZES[0]!;
  const { ids, walk } = makeDataSet(first);
  const numbers = new Map(ids.map((id, n) => [id, n]));
  const next = walk();
  return {
    ids,
    steps: Array.from({ length: STEPS }, () => numbers.get(next())!),
    values: SIZES.map(([, size]) => makeValue(makeDataSet(size).record, size)),
  };
}

/** Finds out who can take part: under Deno all, under Node when it is there. */
async function enter(
  base: string,
  workload: string,
  only: string,
  skipped: Skipped[],
): Promise<{ entries: Entry[]; node: string | null }> {
  const adapters = new Map<string, Adapter>();
  for (const name of MODULES) {
    const { adapter } = await import(`./adapters/${name}.ts`) as {
      adapter: Adapter;
    };
    const isWanted = adapter.kind === "floor" || adapter.name.includes(only);
    if (isWanted) adapters.set(name, adapter);
  }
  const entry = (name: string, runtime: Runtime, command: Entry["command"]) => {
    const adapter = adapters.get(name)!;
    const { kind, note, packages } = adapter;
    return {
      adapter,
      runtime,
      label: `${adapter.name}, ${runtime}`,
      command,
      result: { name: adapter.name, runtime, kind, note, packages, cells: {} },
    };
  };

  const runner = fromFileUrl(new URL("runner.ts", import.meta.url));
  const entries = [...adapters.keys()].map((name): Entry =>
    entry(name, "Deno", [
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      `--allow-write=${base}`,
      "--allow-env",
      "--allow-sys",
      ...(name === "lmdb" ? ["--allow-ffi"] : []),
      runner,
      name,
      workload,
    ])
  );
  const forNode = new Map(
    [...adapters].filter(([, { runtimes }]) => runtimes.includes("Node")),
  );
  if (forNode.size === 0) return { entries, node: null };
  try {
    const directory = `${base}/node`;
    await Deno.mkdir(directory);
    const node = await installForNode(directory, forNode);
    for (const name of forNode.keys()) {
      const command = ["node", `${directory}/runner.mjs`, name, workload];
      entries.push(entry(name, "Node", command as [string, ...string[]]));
    }
    return { entries, node };
  } catch (error) {
    skip(skipped, "everything on Node", error);
    return { entries, node: null };
  }
}

/** Opens and fills a directory for each size; tells whether it can touch. */
async function openAll(
  process: RunnerProcess,
  { adapter, runtime }: Entry,
  base: string,
): Promise<boolean> {
  let can: readonly string[] = [];
  for (const size of SIZES.keys()) {
    const name = adapter.beside ?? adapter.name;
    const directory = `${base}/${plain(name)}-${runtime}-${size}`;
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    const sessions = SESSIONS;
    can = await process.ask({ act: "open", size, directory, sessions });
  }
  return can.includes("touch");
}

async function write(directory: string, results: Results): Promise<void> {
  const sizes = SIZES.map(([title]) => title);
  const markdown = toMarkdown(results, sizes);
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/peers.md`, markdown);
  await Deno.writeTextFile(
    `${directory}/peers.json`,
    `${JSON.stringify(results, null, 2)}\n`,
  );
  await Deno.writeTextFile(
    `${directory}/peers.svg`,
    toPlot(results, sizes[0]!),
  );
  console.log(`\n${markdown}`);
}

async function fileSystemOf(path: string): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("df", {
      args: ["--output=fstype", path],
    }).output();
    return new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return "file system unknown";
  }
}

function skip(skipped: Skipped[], name: string, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  // No paths: a table is read on other machines.
  const reason = message.replaceAll(/(file:\/\/)?\/[^\s:]+\//g, "")
    .replaceAll(/\s+/g, " ").slice(0, 200);
  skipped.push({ name, reason });
  say(`skipped ${name}: ${reason}`);
}

function plain(name: string): string {
  return name.replaceAll(/[^a-z0-9]+/gi, "-");
}

function say(text: string): void {
  console.error(text);
}
