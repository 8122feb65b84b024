/*
 * Is the store faster than what is commonly picked instead, and is what is
 * faster still correct?
 *
 * Each contestant runs in processes of its own, on the same 1,000 sessions and
 * the same walk over them, and they take turns: A B C A B C. Between two turns
 * the file system writes out what it holds. Every read is judged. Four
 * processes then update 100 sessions, and what was acknowledged is counted
 * against what is there. Those that can clean up do so among 100,000 sessions,
 * half of them expired; what is left is counted. Writes peers.md, peers.json and
 * peers.svg. What is not installed (Node, PHP, Django) is skipped, and said so.
 *
 * 2026-11-28, Deno 2.9.6, Node 20, PHP 8.2, ext4, 2 cores, 20 minutes: at 500 B a
 * load is at 0.78 of the bare calls and a save at 0.74, 1.04 and 3.2 times what PHP
 * does, 1.7 times where four processes race. Of the peers over files only PHP and
 * write-file-atomic with proper-lockfile lose and tear nothing. lmdb loads 2.3 times
 * and node:sqlite saves twice as fast. Among a million files (2026-11-20), loads are
 * half as fast, the bare calls' too.
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
 *   --only TEXT         peers whose name contains it, beside us and the floors
 *   --keep              cleanups and loads among many that are left out here
 *                       stay as they are in the results that are there
 *   --directory, --output, --render: see runBenchmark()
 */
import { makeDataSet, SIZES } from "../data_set.ts";
import { Child } from "../harness/child.ts";
import {
  makePrivate,
  readResults,
  runBenchmark,
  say,
  settle,
} from "../harness/benchmark.ts";
import { takeTurns } from "../harness/turns.ts";
import { holdCleanups, loadAmongMany } from "./crowds.ts";
import { enter, type Entry } from "./entries.ts";
import type { Column, Tally } from "./protocol.ts";
import { holdRaces } from "./race.ts";
import { toMarkdown, toPlots } from "./report.ts";
import {
  COLUMNS,
  type MeasuredColumn,
  type PeersResults,
  type Result,
  speedsOf,
  toCell,
} from "./results.ts";
import { makeValue, type Workload } from "./values.ts";

/** An entry that runs. */
export interface Competitor extends Entry {
  readonly process: Child;
  /** What it takes part in. */
  readonly columns: readonly Column[];
  /** The memory that it had before it opened anything, in bytes, if known. */
  readonly empty: number | undefined;
}

const SESSIONS = 1_000;
const STEPS = 1 << 14;
/** Rounds of cleaning up: one is as long as all the rest of a round. */
const CLEANUPS = 3;

if (import.meta.main) {
  await runBenchmark({
    name: "peers",
    options: {
      "rounds": 5,
      "milliseconds": 400,
      "cleanup-sessions": 100_000,
      "many": 0,
      "only": "",
      "keep": false,
    },
    async measure(base, options, skip) {
      const { rounds, milliseconds: turn, many, only, keep, output } = options;
      const workload = `${base}/workload.json`;
      await Deno.writeTextFile(workload, JSON.stringify(makeWorkload()));
      const { entries, runtimes } = await enter(base, workload, only, skip);

      await using stack = new AsyncDisposableStack();
      const competitors: Competitor[] = [];
      for (const entry of entries) {
        const process = stack.use(new Child(entry.command));
        try {
          competitors.push(await present(entry, process, base));
          say(`opened ${entry.label}`);
        } catch (error) {
          skip(entry.label, error);
        }
      }

      for (const size of SIZES.keys()) {
        if (size > 0) {
          for (const each of competitors) {
            await open(each, each.process, base, size);
          }
        }
        for (const [column] of COLUMNS) {
          const settings = { base, column, size, rounds, turn };
          await measureColumn(competitors, settings);
          say(`measured ${column}, ${SIZES[size]![0]}`);
        }
        if (size === 0) await weigh(competitors);
      }
      await holdRaces(competitors, base, rounds, turn);
      say("raced");
      const sessions = options["cleanup-sessions"];
      const crowd = { base, rounds, turn, skip };
      if (sessions > 0) {
        const rounds = Math.min(crowd.rounds, CLEANUPS);
        await holdCleanups(competitors, { ...crowd, rounds, sessions });
        say("cleaned up");
      }
      if (many > 0) {
        await loadAmongMany(competitors, { ...crowd, sessions: many });
      }
      const results = competitors.map(({ result }) => result);
      const kept = keep ? await keepCrowds(results, output) : {};
      return { rounds, ...kept, results, runtimes };
    },
    toMarkdown,
    toPlots,
  });
}

/**
 * Takes the cleanups and the loads among many, which take most of the time,
 * from an earlier run where this one measured none. Returns when that was.
 */
async function keepCrowds(
  results: readonly Result[],
  directory: string,
): Promise<{ kept: string }> {
  const earlier = await readResults<PeersResults>(directory, "peers");
  for (const result of results) {
    const { cleanup, many } = earlier.results.find(({ name, runtime }) =>
      name === result.name && runtime === result.runtime
    ) ?? {};
    if (cleanup !== undefined) {
      result.cleanup ??= cleanup;
    }
    if (many !== undefined) {
      result.many ??= many;
    }
  }
  return { kept: earlier.date };
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

/** Opens the first size, and finds in what it takes part. */
async function present(
  entry: Entry,
  process: Child,
  base: string,
): Promise<Competitor> {
  await process.next();
  const empty = await process.peakMemory();
  const can = await open(entry, process, base, 0);
  const columns = can.filter((column) =>
    entry.profile.columns?.includes(column) ?? true
  );
  return { ...entry, process, columns, empty };
}

/** Opens and fills the directory for a size; returns what can be measured. */
async function open(
  { profile, runtime }: Entry,
  process: Child,
  base: string,
  size: number,
): Promise<Column[]> {
  const name = profile.beside ?? profile.name;
  const plain = name.replaceAll(/[^a-z0-9]+/gi, "-");
  const directory = await makePrivate(`${base}/${plain}-${runtime}-${size}`);
  const sessions = SESSIONS;
  return await process.ask({ act: "open", size, directory, sessions });
}

/** Lets all take turns in one column. */
async function measureColumn(
  competitors: readonly Competitor[],
  { base, column, size, rounds, turn }: {
    base: string;
    column: MeasuredColumn;
    size: number;
    rounds: number;
    turn: number;
  },
): Promise<void> {
  const able = competitors.filter(({ columns }) => columns.includes(column));
  const tallies = await takeTurns(able, rounds + 1, async (each, round) => {
    await settle(base);
    // Another walk each time: a store that finds what it is to save may save
    // nothing.
    const run = (milliseconds: number, turn: number): Promise<Tally> => {
      const sessions = SESSIONS;
      const what = { act: "run", column, size, sessions, turn, milliseconds };
      return each.process.ask(what);
    };
    // What it needs is in the caches of others until it has begun.
    await run(turn / 8, 2 * round);
    return await run(turn, 2 * round + 1);
  });
  const [title] = SIZES[size]!;
  let floor: number[] | undefined;
  for (const [{ profile, result }, all] of tallies) {
    const timed = all.slice(1);
    // It comes first.
    if (profile.kind === "floor") floor = speedsOf(timed);
    (result.cells[title] ??= {})[column] = toCell(timed, floor);
  }
}

/** Asks how much memory those had that have been in all columns. */
async function weigh(competitors: readonly Competitor[]): Promise<void> {
  for (const { columns, empty, process, result } of competitors) {
    if (!columns.includes("mixed") || empty === undefined) continue;
    const peak = await process.peakMemory();
    if (peak !== undefined) result.memory = { empty, peak };
  }
}
