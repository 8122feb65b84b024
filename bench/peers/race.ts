import { Child } from "../harness/child.ts";
import { makePrivate, settle } from "../harness/benchmark.ts";
import { sum } from "../harness/statistics.ts";
import { takeTurns } from "../harness/turns.ts";
import type { Competitor } from "./main.ts";
import type { Tally } from "./protocol.ts";
import { type RaceCell, speedsOf, toCell, troubleIn } from "./results.ts";

const RACE = { processes: 4, sessions: 100, size: 0 };

interface Heat extends Pick<RaceCell, "updates" | "lost" | "ruined"> {
  readonly tally: Tally;
}

/** Lets four processes of each work on the same sessions, in fresh directories. */
export async function holdRaces(
  competitors: readonly Competitor[],
  base: string,
  rounds: number,
  turn: number,
): Promise<void> {
  const racing = competitors.filter(({ columns }) => columns.includes("race"));
  const heats = await takeTurns(racing, rounds, async (each, round) => {
    const directory = `${base}/race-${racing.indexOf(each)}-${round}`;
    return await holdHeat(each, await makePrivate(directory), turn, round);
  });
  const floor = racing.find(({ profile }) => profile.kind === "floor");
  const talliesOf = (heats: readonly Heat[]) => heats.map((it) => it.tally);
  const speeds = floor && speedsOf(talliesOf(heats.get(floor)!));
  for (const [{ result }, all] of heats) {
    const total = (key: "updates" | "lost" | "ruined") =>
      sum(all.map((heat) => heat[key]));
    result.race = {
      ...toCell(talliesOf(all), speeds),
      updates: total("updates"),
      lost: total("lost"),
      ruined: total("ruined"),
    };
  }
}

async function holdHeat(
  { command }: Competitor,
  directory: string,
  turn: number,
  round: number,
): Promise<Heat> {
  await using stack = new AsyncDisposableStack();
  const { size, sessions } = RACE;
  const open = async (sessions: number): Promise<Child> => {
    const process = stack.use(new Child(command));
    await process.next();
    await process.ask({ act: "open", size, directory, sessions });
    return process;
  };
  const processes: Child[] = [];
  for (let n = 0; n < RACE.processes; n++) {
    processes.push(await open(n === 0 ? sessions : 0));
  }
  const run = async (phase: number): Promise<Tally[]> => {
    await settle(directory);
    const at = Date.now() + 20;
    return await Promise.all(processes.map((process, n) =>
      process.ask<Tally>({
        act: "run",
        column: "race",
        size,
        sessions,
        turn: 1 + n + RACE.processes * (phase + 2 * round),
        milliseconds: 2.5 * turn,
        at,
      })
    ));
  };
  const warm = await run(0);
  const timed = await run(1);
  const both = [...warm, ...timed];
  // A fresh process, which cannot answer from what it remembers.
  const counter = await open(0);
  const request = { act: "count", size, sessions };
  const counts = await counter.ask<(number | null)[]>(request);
  const acknowledged = counts.map((_, n) =>
    sum(both.map(({ updates }) => updates![n]!))
  );
  const trouble = troubleIn(both);
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
