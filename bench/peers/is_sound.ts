import type { Result } from "./results.ts";

/** Tells whether somebody read, lost, refused and cleaned up nothing wrongly. */
export function isSound({ cells, race, cleanup }: Result): boolean {
  const all = Object.values(cells).flatMap((each) => Object.values(each));
  return [...all, ...(race === undefined ? [] : [race])]
    .every(({ corrupt, failed }) => corrupt + failed === 0) &&
    (race === undefined || race.lost + race.ruined === 0) &&
    (cleanup === undefined || cleanup.wrong === 0);
}
