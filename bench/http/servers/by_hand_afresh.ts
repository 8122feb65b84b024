import { Floors } from "../../floors.ts";
import type { Open } from "../contestant.ts";
import { byHand } from "./by_hand.ts";

/** As `by_hand`, with a new temporary file for each change. */
export const open: Open = (directory) => {
  const floors = new Floors(directory);
  return byHand(
    floors,
    // One process, and no gap between the read and this: nothing is lost.
    (id, kept, raise) => floors.saveAfresh(id, raise(kept)),
  );
};
