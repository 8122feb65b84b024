import type { Competitor } from "./competitor.ts";
import { toCell } from "./results.ts";
import type { Column, Tally } from "./runner.ts";
import { settle } from "./settle.ts";

/** Lets everybody take turns in one column. */
export async function takeTurns(
  competitors: readonly Competitor[],
  { base, column, size, title, sessions, rounds, turn }: {
    base: string;
    column: Column;
    size: number;
    title: string;
    sessions: number;
    rounds: number;
    turn: number;
  },
): Promise<void> {
  const tallies = new Map<Competitor, Tally[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const each of competitors) {
      if (column === "touch" && !each.hasTouch) continue;
      await settle(base);
      const run = (milliseconds: number): Promise<Tally> =>
        each.process.ask({
          act: "run",
          column,
          size,
          sessions,
          turn: round,
          milliseconds,
        });
      // What it needs is in the caches of others until it has begun.
      await run(turn / 8);
      const tally = await run(turn);
      // The first one warms up.
      if (round === 0) tallies.set(each, []);
      else tallies.get(each)!.push(tally);
    }
  }
  const floor = competitors.find(({ adapter }) => adapter.kind === "floor");
  const speeds = floor && toCell(tallies.get(floor)!).rounds;
  for (const [{ result }, each] of tallies) {
    (result.cells[title] ??= {})[column] = toCell(each, speeds);
  }
}
