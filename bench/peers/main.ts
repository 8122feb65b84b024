/*
 * Is the store faster than what anyone would pick instead, and is what is
 * faster still correct?
 *
 * Each contestant runs in processes of its own, on the same 1,000 sessions and
 * the same walk over them, and they take turns: A B C A B C. Between two turns
 * the file system writes out what it holds. Every read is judged. Four
 * processes then update 100 sessions, and what was acknowledged is counted
 * against what is there. Those that can clean up do so among 100,000 sessions,
 * half of them over; what is left is counted. Writes peers.md, peers.json and
 * peers.svg. What is not installed (Node, PHP, Django) is skipped, and said so.
 *
 * 2026-11-27, Deno 2.9.6, Node 20, PHP 8.2, ext4, 2 cores that were half as fast
 * as a week before: at 500 B a load is at 0.77 of the bare calls and a save at
 * 0.65, 0.89 and 1.97 times what PHP does, 1.26 times where four processes
 * race. Of the peers over files only PHP and write-file-atomic with
 * proper-lockfile lose and tear nothing. node:sqlite and lmdb load twice, and
 * node:sqlite saves three times as fast. Among a million files, loads are half as
 * fast, the bare calls' too.
 *
 *   --rounds 5          how many rounds count; one more warms up
 *   --milliseconds 400  how long a turn lasts; a race lasts 2.5 times that, and
 *                       so does its warm-up. What runs for hours in a server is
 *                       to be compiled before it is measured: with 100 ms, four
 *                       processes of ours made 9,800 operations/s, later 17,900
 *   --cleanup-sessions 100000
 *                       how many there are to clean up; 0 leaves it out
 *   --many 1000000      also loads among so many sessions; takes minutes, 5 GB
 *                       of disk and 6 GB of memory, and so is not the default
 *   --directory DIR     where the sessions are; a temporary one by default
 *   --only TEXT         peers whose name contains it, beside us and the floors
 *   --output DIR        where the results are written; bench/results by default
 *   --keep              cleanups and loads among many that are left out here
 *                       stay as they are in the results that are there
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path/from-file-url";
import { makeDataSet, SIZES } from "../data_set.ts";
import { fileSystemOf } from "../machine.ts";
import type { Competitor, Entry } from "./competitor.ts";
import { enter } from "./enter.ts";
import { holdCleanups } from "./hold_cleanups.ts";
import { holdRaces } from "./hold_races.ts";
import { loadAmongMany } from "./load_among_many.ts";
import type { Column } from "./protocol.ts";
import { COLUMNS, type Results } from "./results.ts";
import { RunnerProcess } from "./runner_process.ts";
import { takeTurns } from "./take_turns.ts";
import { toMarkdown } from "./to_markdown.ts";
import { toPlot } from "./to_plot.ts";
import { makeValue, type Workload } from "./values.ts";
import { withKept } from "./with_kept.ts";

const SESSIONS = 1_000;
const STEPS = 1 << 14;
/** Rounds of cleaning up: one is as long as all the rest of a round. */
const CLEANUPS = 3;

interface Options {
  readonly base: string;
  readonly rounds: number;
  readonly turn: number;
  readonly cleanupSessions: number;
  readonly many: number;
  readonly only: string;
}

if (import.meta.main) {
  const { directory, output, only, keep, ...numbers } = parseArgs(Deno.args, {
    boolean: ["keep"],
    string: [
      "rounds",
      "milliseconds",
      "cleanup-sessions",
      "many",
      "directory",
      "only",
      "output",
    ],
    default: {
      rounds: "5",
      milliseconds: "400",
      "cleanup-sessions": "100000",
      many: "0",
      only: "",
      output: fromFileUrl(new URL("../results", import.meta.url)),
    },
  });
  const base = await Deno.makeTempDir({
    ...(directory !== undefined && { dir: directory }),
    prefix: "latchkey-peers-",
  });
  try {
    const results = await hold({
      base,
      rounds: Number(numbers.rounds),
      turn: Number(numbers.milliseconds),
      cleanupSessions: Number(numbers["cleanup-sessions"]),
      many: Number(numbers.many),
      only,
    });
    await write(output, keep ? withKept(await read(output), results) : results);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

/** Holds the race, all of it. */
async function hold(options: Options): Promise<Results> {
  const { base, rounds, turn, cleanupSessions, many, only } = options;
  const workload = `${base}/workload.json`;
  await Deno.writeTextFile(workload, JSON.stringify(makeWorkload()));
  const skipped: Results["skipped"][number][] = [];
  const skip = (name: string, error: unknown) => {
    const reason = reasonOf(error);
    skipped.push({ name, reason });
    say(`skipped ${name}: ${reason}`);
  };
  const { entries, runtimes } = await enter({ base, workload, only, skip });

  await using stack = new AsyncDisposableStack();
  const competitors: Competitor[] = [];
  for (const entry of entries) {
    const process = new RunnerProcess(entry.command);
    try {
      competitors.push(await present(entry, process, base));
      stack.use(process);
      say(`opened ${entry.label}`);
    } catch (error) {
      await process[Symbol.asyncDispose]();
      skip(entry.label, error);
    }
  }

  for (const [size, [title]] of SIZES.entries()) {
    if (size > 0) {
      for (const each of competitors) {
        await open(each, each.process, base, size);
      }
    }
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
    if (size === 0) await weigh(competitors);
  }
  await holdRaces(competitors, { base, rounds, turn });
  say("raced");
  if (cleanupSessions > 0) {
    await holdCleanups(competitors, {
      base,
      rounds: Math.min(rounds, CLEANUPS),
      sessions: cleanupSessions,
      skip,
    });
    say("cleaned up");
  }
  if (many > 0) {
    await loadAmongMany(competitors, {
      base,
      rounds,
      turn,
      sessions: many,
      say,
      skip,
    });
  }

  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      cores: navigator.hardwareConcurrency,
      os: await saidBy("uname", ["-sr"]),
      fileSystem: await fileSystemOf(base),
      runtimes,
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

/** Opens the first size; tells in what it takes part. */
async function present(
  entry: Entry,
  process: RunnerProcess,
  base: string,
): Promise<Competitor> {
  await process.ask({ act: "greet" });
  const empty = await process.peakMemory();
  const can = await open(entry, process, base, 0);
  const columns = can.filter((column) =>
    entry.profile.columns?.includes(column) ?? true
  );
  return { ...entry, process, columns, empty };
}

/** Opens and fills the directory for a size; tells what can be measured. */
async function open(
  { profile, runtime }: Entry,
  process: RunnerProcess,
  base: string,
  size: number,
): Promise<Column[]> {
  const name = profile.beside ?? profile.name;
  const plain = name.replaceAll(/[^a-z0-9]+/gi, "-");
  const directory = `${base}/${plain}-${runtime}-${size}`;
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  const sessions = SESSIONS;
  return await process.ask({ act: "open", size, directory, sessions });
}

/** Asks how much memory those had who have been in all columns. */
async function weigh(competitors: readonly Competitor[]): Promise<void> {
  for (const { columns, empty, process, result } of competitors) {
    if (!columns.includes("mixed") || empty === undefined) continue;
    const peak = await process.peakMemory();
    if (peak !== undefined) result.memory = { empty, peak };
  }
}

async function read(directory: string): Promise<Results> {
  return JSON.parse(await Deno.readTextFile(`${directory}/peers.json`));
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

/** What a program says of this machine, in its last line. */
async function saidBy(program: string, args: string[]): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(program, { args }).output();
    return new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `${program} unknown`;
  }
}

/** Why somebody does not take part; without paths, as others read it. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/(file:\/\/)?\/[^\s:]+\//g, "")
    .replaceAll(/\s+/g, " ").slice(0, 200);
}

function say(text: string): void {
  console.error(text);
}
