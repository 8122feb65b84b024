import type { Competitor } from "./competitor.ts";
import type { Cleanup } from "./protocol.ts";
import { median } from "../median.ts";
import { sum } from "./results.ts";
import { RunnerProcess } from "./runner_process.ts";
import { settle } from "./settle.ts";
import { numberIn } from "./values.ts";

const SIZE = 0;
const WARM_UP = 1_000;

/** What it takes to clean up. */
export interface CleanupOptions {
  readonly base: string;
  readonly rounds: number;
  /** How many there are each time; half of them are over. */
  readonly sessions: number;
  /** Is told who could not. */
  readonly skip: (name: string, error: unknown) => void;
}

interface Cleaner {
  readonly competitor: Competitor;
  readonly process: RunnerProcess;
  readonly directory: string;
  readonly done: (Cleanup & { readonly wrong: number })[];
}

/**
 * Lets everybody who can clean up do so in turn, in a directory of its own.
 * What was deleted is made again before the next round. The first one, of a few
 * that are over, warms up.
 */
export async function holdCleanups(
  competitors: readonly Competitor[],
  { base, rounds, sessions, skip }: CleanupOptions,
): Promise<void> {
  const half = sessions / 2;
  await using stack = new AsyncDisposableStack();
  const able = competitors.filter(({ columns }) => columns.includes("clean"));
  const cleaners = new Set(able.map((competitor, n): Cleaner => ({
    competitor,
    process: stack.use(new RunnerProcess(competitor.command)),
    directory: `${base}/clean-${n}`,
    done: [],
  })));
  for (let round = 0; round <= rounds; round++) {
    for (const cleaner of cleaners) {
      const { competitor, directory, done, process } = cleaner;
      try {
        if (round === 0) await prepare(cleaner, half);
        const count = round === 0 ? Math.min(half, WARM_UP) : half;
        const over = { from: half, to: half + count, isOver: true };
        await process.ask({ act: "fill", size: SIZE, ...over });
        await settle(base);
        const went = await process.ask<Cleanup>({ act: "clean", size: SIZE });
        // Some say that they are done a moment before they are.
        await settle(base);
        const wrong = await countWrong(directory, half, went.left);
        done.push({ ...went, wrong });
      } catch (error) {
        cleaners.delete(cleaner);
        skip(`cleanup, ${competitor.label}`, error);
      }
    }
  }
  const speedsOf = ({ done }: Cleaner) =>
    done.slice(1).map(({ milliseconds }) => 1_000 * sessions / milliseconds);
  const floor = [...cleaners].find(({ competitor }) =>
    competitor.profile.kind === "floor"
  );
  const speeds = floor && speedsOf(floor);
  for (const cleaner of cleaners) {
    const all = cleaner.done.slice(1);
    const each = speedsOf(cleaner);
    const pauses = all.map(({ pause }) => pause);
    const shares = all.flatMap(({ deleting, milliseconds }) =>
      typeof deleting === "number" ? [deleting / milliseconds] : []
    );
    cleaner.competitor.result.cleanup = {
      sessions,
      rounds: each,
      median: median(each),
      ...(speeds !== undefined && {
        ratio: median(each.map((speed, n) => speed / speeds[n]!)),
      }),
      pauses,
      pause: median(pauses),
      ...(shares.length > 0 && { deleting: median(shares) }),
      wrong: sum(cleaner.done.map(({ wrong }) => wrong)),
    };
  }
}

/** Opens its directory, and makes the half that stays. */
async function prepare(
  { directory, process }: Cleaner,
  half: number,
): Promise<void> {
  const size = SIZE;
  await Deno.mkdir(directory, { mode: 0o700 });
  await process.ask({ act: "open", size, directory, sessions: 0 });
  await process.ask({ act: "fill", size, from: 0, to: half, isOver: false });
}

/** How many stayed that were over, or went that were not. */
async function countWrong(
  directory: string,
  half: number,
  left: number | null | undefined,
): Promise<number> {
  if (typeof left === "number") return Math.abs(left - half);
  let live = 0;
  let over = 0;
  for await (const { name } of Deno.readDir(directory)) {
    const n = numberIn(name);
    if (n === undefined) continue;
    if (n < half) live++;
    else over++;
  }
  return half - live + over;
}
