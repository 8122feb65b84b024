import type { Competitor } from "./competitor.ts";
import type { Tally } from "./protocol.ts";
import { firstTrouble, type RaceCell, sum, toCell } from "./results.ts";
import { RunnerProcess } from "./runner_process.ts";
import { settle } from "./settle.ts";

const RACE = { processes: 4, sessions: 100, size: 0 };

/** Lets four processes of each work on the same sessions, in fresh directories. */
export async function holdRaces(
  competitors: readonly Competitor[],
  { base, rounds, turn }: { base: string; rounds: number; turn: number },
): Promise<void> {
  const racing = competitors.filter(({ columns }) => columns.includes("race"));
  const heats = new Map<Competitor, Heat[]>(racing.map((each) => [each, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [n, each] of racing.entries()) {
      const directory = `${base}/race-${n}-${round}`;
      await Deno.mkdir(directory, { mode: 0o700 });
      heats.get(each)!.push(await holdHeat(each, directory, turn, round));
    }
  }
  const floor = racing.find(({ profile }) => profile.kind === "floor");
  const speeds = floor &&
    toCell(heats.get(floor)!.map(({ tally }) => tally)).rounds;
  for (const [{ result }, all] of heats) {
    const total = (key: "updates" | "lost" | "ruined") =>
      sum(all.map((heat) => heat[key]));
    result.race = {
      ...toCell(all.map(({ tally }) => tally), speeds),
      updates: total("updates"),
      lost: total("lost"),
      ruined: total("ruined"),
    };
  }
}

interface Heat extends Pick<RaceCell, "updates" | "lost" | "ruined"> {
  readonly tally: Tally;
}

async function holdHeat(
  { command }: Competitor,
  directory: string,
  turn: number,
  round: number,
): Promise<Heat> {
  await using stack = new AsyncDisposableStack();
  const processes = Array.from(
    { length: RACE.processes },
    () => stack.use(new RunnerProcess(command)),
  );
  const { size, sessions } = RACE;
  for (const [n, process] of processes.entries()) {
    const filled = n === 0 ? sessions : 0;
    await process.ask({ act: "open", size, directory, sessions: filled });
  }
  const run = async (milliseconds: number, phase: number): Promise<Tally[]> => {
    await settle(directory);
    const at = Date.now() + 20;
    return await Promise.all(processes.map((process, n) =>
      process.ask<Tally>({
        act: "run",
        column: "race",
        size,
        sessions,
        turn: 1 + n + RACE.processes * (phase + 2 * round),
        milliseconds,
        at,
      })
    ));
  };
  const warm = await run(2.5 * turn, 0);
  const timed = await run(2.5 * turn, 1);
  const both = [...warm, ...timed];
  // A fresh process, which cannot answer from what it remembers.
  const counter = stack.use(new RunnerProcess(command));
  await counter.ask({ act: "open", size, directory, sessions: 0 });
  const counts = await counter.ask<(number | null)[]>({
    act: "count",
    size,
    sessions,
  });
  const acknowledged = counts.map((_, n) =>
    sum(both.map(({ updates }) => updates![n]!))
  );
  const trouble = firstTrouble(both);
  return {
    tally: {
      ops: sum(timed.map(({ ops }) => ops)),
      milliseconds: Math.max(...timed.map((each) => each.milliseconds)),
      corrupt: sum(both.map(({ corrupt }) => corrupt)),
      failed: sum(both.map(({ failed }) => failed)),
      ...(trouble !== undefined && { trouble }),
    },
    updates: sum(acknowledged),
    lost: sum(
      acknowledged.map((all, n) => Math.max(0, all - (counts[n] ?? 0))),
    ),
    ruined: counts.filter((count) => count === null).length,
  };
}
