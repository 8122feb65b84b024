import type { Competitor } from "./competitor.ts";
import type { Tally } from "./protocol.ts";
import { type MeasuredColumn, toCell } from "./results.ts";
import { settle } from "./settle.ts";

/** Lets everybody take turns in one column. */
export async function takeTurns(
  competitors: readonly Competitor[],
  { base, column, size, title, sessions, rounds, turn }: {
    base: string;
    column: MeasuredColumn;
    size: number;
    title: string;
    sessions: number;
    rounds: number;
    turn: number;
  },
): Promise<void> {
  const tallies = new Map<Competitor, Tally[]>();
  const able = competitors.filter(({ columns }) => columns.includes(column));
  for (let round = 0; round <= rounds; round++) {
    for (const each of able) {
      await settle(base);
      // Another walk each time: who finds what it is to save may save nothing.
      const run = (milliseconds: number, walk: number): Promise<Tally> =>
        each.process.ask({
          act: "run",
          column,
          size,
          sessions,
          turn: walk,
          milliseconds,
        });
      // What it needs is in the caches of others until it has begun.
      await run(turn / 8, 2 * round);
      const tally = await run(turn, 2 * round + 1);
      // The first one warms up.
      if (round === 0) tallies.set(each, []);
      else tallies.get(each)!.push(tally);
    }
  }
  const floor = able.find(({ profile }) => profile.kind === "floor");
  const speeds = floor && toCell(tallies.get(floor)!).rounds;
  for (const [{ result }, each] of tallies) {
    (result.cells[title] ??= {})[column] = toCell(each, speeds);
  }
}
