import { Child } from "../harness/child.ts";
import { makePrivate, say, settle } from "../harness/benchmark.ts";
import { median, sum } from "../harness/statistics.ts";
import { takeTurns } from "../harness/turns.ts";
import { numberIn } from "../ids.ts";
import type { Competitor } from "./main.ts";
import type { Cleanup, Tally } from "./protocol.ts";
import { type ManyCell, speedsOf, toCell, toSpeeds } from "./results.ts";

const SIZE = 0;
const WARM_UP = 1_000;
const FEW = 1_000;

// In each round the walk begins where no other comes.
const APART = 1_000;

/** What {@linkcode holdCleanups} and {@linkcode loadAmongMany} take. */
export interface CrowdOptions {
  readonly base: string;
  readonly rounds: number;
  /** In milliseconds. */
  readonly turn: number;
  /** How many there are each time. */
  readonly sessions: number;
  readonly skip: (name: string, error: unknown) => void;
}

/**
 * Lets all that can clean up do so in turn, in a directory of its own. Half of
 * the sessions are expired, and made again before the next round. The first
 * round, of a few that are expired, warms up.
 */
export async function holdCleanups(
  competitors: readonly Competitor[],
  { base, rounds, sessions, skip }: CrowdOptions,
): Promise<void> {
  const half = sessions / 2;
  await using stack = new AsyncDisposableStack();
  const cleaners = competitors
    .filter(({ columns }) => columns.includes("clean"))
    .map((competitor, n) => ({
      competitor,
      process: stack.use(new Child(competitor.command)),
      directory: `${base}/clean-${n}`,
    }));
  const all = await takeTurns(
    cleaners,
    rounds + 1,
    async ({ process, directory }, round) => {
      if (round === 0) {
        await process.next();
        await open(process, directory);
        await fill(process, 0, half, false);
      }
      const count = round === 0 ? Math.min(half, WARM_UP) : half;
      await fill(process, half, half + count, true);
      await settle(base);
      const went = await process.ask<Cleanup>({ act: "clean", size: SIZE });
      // Some say that they are done a moment before they are.
      await settle(base);
      return { ...went, wrong: await countWrong(directory, half, went.left) };
    },
    ({ competitor }, error) => skip(`cleanup, ${competitor.label}`, error),
  );
  let floor: number[] | undefined;
  for (const [{ competitor }, rounds] of all) {
    const timed = rounds.slice(1);
    const speeds = timed.map((it) => 1_000 * sessions / it.milliseconds);
    // It comes first.
    if (competitor.profile.kind === "floor") floor = speeds;
    const pauses = timed.map(({ pause }) => pause);
    const shares = timed.flatMap(({ deleting, milliseconds }) =>
      typeof deleting === "number" ? [deleting / milliseconds] : []
    );
    competitor.result.cleanup = {
      sessions,
      ...toSpeeds(speeds, floor),
      pauses,
      pause: median(pauses),
      ...(shares.length > 0 && { deleting: median(shares) }),
      wrong: sum(rounds.map(({ wrong }) => wrong)),
    };
  }
}

/** Counts what stayed that was expired, and what went that was not. */
async function countWrong(
  directory: string,
  half: number,
  left: number | null | undefined,
): Promise<number> {
  if (typeof left === "number") return Math.abs(left - half);
  let live = 0;
  let expired = 0;
  for await (const { name } of Deno.readDir(directory)) {
    const n = numberIn(name);
    if (n === undefined) continue;
    if (n < half) live++;
    else expired++;
  }
  return half - live + expired;
}

/**
 * Lets all whose directory can be filled in a reasonable time load among 1,000
 * sessions and among many, in turn. One contestant after the other: not all of
 * the directories would stay in memory.
 */
export async function loadAmongMany(
  competitors: readonly Competitor[],
  options: CrowdOptions,
): Promise<void> {
  for (const competitor of competitors) {
    const { columns, label, result } = competitor;
    if (!columns.includes("many")) continue;
    try {
      result.many = await loadOne(competitor, options);
      say(`loaded among ${options.sessions}: ${label}`);
    } catch (error) {
      options.skip(`load among many, ${label}`, error);
    }
  }
}

async function loadOne(
  { command }: Competitor,
  { base, rounds, turn, sessions }: CrowdOptions,
): Promise<ManyCell> {
  const directory = `${base}/many`;
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const crowds = [];
  for (const count of [FEW, sessions]) {
    const process = stack.use(new Child(command));
    await process.next();
    await open(process, `${directory}/${crowds.length}`);
    await fill(process, 0, count, false);
    crowds.push({ process, count });
  }
  await settle(base);
  const tallies = await takeTurns(
    crowds,
    rounds + 1,
    ({ process, count }, round) =>
      process.ask<Tally>({
        act: "run",
        column: "many",
        size: SIZE,
        sessions: count,
        turn: round * APART,
        milliseconds: turn,
      }),
  );
  // The first round warms up.
  const [few, many] = [...tallies.values()].map((each) => each.slice(1));
  return {
    sessions,
    few: toCell(few!, undefined),
    many: toCell(many!, speedsOf(few!)),
  };
}

async function open(process: Child, directory: string): Promise<void> {
  await makePrivate(directory);
  await process.ask({ act: "open", size: SIZE, directory, sessions: 0 });
}

async function fill(
  process: Child,
  from: number,
  to: number,
  isExpired: boolean,
): Promise<void> {
  await process.ask({ act: "fill", size: SIZE, from, to, isExpired });
}
