import type { Competitor } from "./competitor.ts";
import type { Tally } from "./protocol.ts";
import { type ManyCell, toCell } from "./results.ts";
import { RunnerProcess } from "./runner_process.ts";
import { settle } from "./settle.ts";

const FEW = 1_000;
const SIZE = 0;

// In each round the walk begins where no other comes.
const APART = 1_000;

/** What it takes to load among many. */
export interface ManyOptions {
  readonly base: string;
  readonly rounds: number;
  readonly turn: number;
  /** How many there are. */
  readonly sessions: number;
  /** Is told who is done. */
  readonly say: (text: string) => void;
  /** Is told who could not. */
  readonly skip: (name: string, error: unknown) => void;
}

/**
 * Lets everybody whose directory can be filled in a reasonable time load among
 * 1,000 sessions and among many, in turn. One contestant after the other: not
 * all of the directories would stay in memory.
 */
export async function loadAmongMany(
  competitors: readonly Competitor[],
  options: ManyOptions,
): Promise<void> {
  for (const competitor of competitors) {
    const { columns, label, result } = competitor;
    if (!columns.includes("many")) continue;
    try {
      result.many = await loadOne(competitor, options);
      options.say(`loaded among ${options.sessions}: ${label}`);
    } catch (error) {
      options.skip(`load among many, ${label}`, error);
    }
  }
}

async function loadOne(
  { command }: Competitor,
  { base, rounds, turn, sessions }: ManyOptions,
): Promise<ManyCell> {
  const directory = `${base}/many`;
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  await Deno.mkdir(directory);
  const crowds = [];
  for (const count of [FEW, sessions]) {
    const process = stack.use(new RunnerProcess(command));
    const own = `${directory}/${crowds.length}`;
    await Deno.mkdir(own, { mode: 0o700 });
    const size = SIZE;
    await process.ask({ act: "open", size, directory: own, sessions: 0 });
    await process.ask({ act: "fill", size, from: 0, to: count, isOver: false });
    crowds.push({ process, count, tallies: [] as Tally[] });
  }
  await settle(base);
  for (let round = 0; round <= rounds; round++) {
    for (const { process, count, tallies } of crowds) {
      tallies.push(
        await process.ask<Tally>({
          act: "run",
          column: "many",
          size: SIZE,
          sessions: count,
          turn: round * APART,
          milliseconds: turn,
        }),
      );
    }
  }
  // The first round warms up.
  const [few, many] = crowds.map(({ tallies }) => tallies.slice(1));
  const cell = toCell(few!);
  return { sessions, few: cell, many: toCell(many!, cell.rounds) };
}
