import { count } from "../harness/markdown.ts";
import {
  COLUMNS,
  fastest,
  labelOf,
  type MeasuredColumn,
  MEBIBYTE,
  type PeersResults,
  type Result,
} from "./results.ts";

/** A goal, and what this run says of it. */
export interface Goal {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  /** `undefined` where nothing was compared, or nothing is asked. */
  readonly isReached?: boolean;
}

/** Something of a contestant that can be compared. */
type Figure = (result: Result) => number | undefined;

const UNKNOWN = "not measured";
const PHP = "PHP files";
const CLEANUP_SPEED = 150_000;
const LONGEST_PAUSE = 10;

/** Returns the speed in a column, in operations per second. */
export function speedIn(size: string, column: MeasuredColumn): Figure {
  return ({ cells }) => cells[size]?.[column]?.median;
}

/**
 * Compares ours with what was aimed at.
 *
 * @param size The title of the size that counts.
 */
export function goalsOf({ results }: PeersResults, size: string): Goal[] {
  const ours = results.find(({ kind }) => kind === "ours");
  if (ours === undefined) return [];
  const peers = results.filter(({ kind }) => kind === "peer");
  const php = peers.filter(({ name }) => name === PHP);
  const npm = peers.filter(({ runtime }) =>
    runtime === "Deno" || runtime === "Node"
  );
  const raceSpeed: Figure = ({ race }) => race?.median;
  const cleanupSpeed: Figure = ({ cleanup }) => cleanup?.median;

  const against = (
    what: string,
    figure: Figure,
    rivals: readonly Result[],
    least: number,
  ): Goal => {
    const own = figure(ours);
    const best = fastest(rivals, figure);
    const ratio = own && best && own / best.value;
    return ratioGoal(what, ratio, least, best ? labelOf(best.result) : "");
  };

  return [
    ratioGoal("load", ours.cells[size]?.load?.ratio, 0.8, "the system calls"),
    against("load", speedIn(size, "load"), php, 1),
    against("load", speedIn(size, "load"), npm, 5),
    against("save", speedIn(size, "save"), php, 2),
    against("mixed 90/10, 32 flows", speedIn(size, "mixed"), php, 1.5),
    against("4 processes", raceSpeed, php, 1),
    raceGoal(ours),
    ...cleanupGoals(ours),
    manyGoal(ours, results),
    memoryFact(ours, peers),
    ...COLUMNS.map(([column, title]) =>
      against(`${title}, fastest peer`, speedIn(size, column), peers, 1)
    ),
    against("4 processes, fastest peer", raceSpeed, peers, 1),
    against("cleanup, fastest peer", cleanupSpeed, peers, 1),
  ];
}

function ratioGoal(
  what: string,
  ratio: number | undefined,
  least: number,
  other: string,
): Goal {
  const goal = `≥ ${least} ×`;
  if (ratio === undefined) return { what, measured: UNKNOWN, goal };
  const measured = `${ratio.toFixed(2)} × ${other}`;
  return { what, measured, goal, isReached: ratio >= least };
}

function raceGoal({ race }: Result): Goal {
  const what = "4 processes";
  const goal = "none";
  if (race === undefined) return { what, measured: UNKNOWN, goal };
  const { corrupt, failed, lost, ruined } = race;
  return {
    what,
    measured: `${lost} lost, ${corrupt + ruined} torn, ${failed} refused`,
    goal,
    isReached: lost + corrupt + ruined + failed === 0,
  };
}

function cleanupGoals({ cleanup }: Result): Goal[] {
  const what = "cleanup";
  if (cleanup === undefined) return [{ what, measured: UNKNOWN, goal: "" }];
  const { median, pauses, wrong } = cleanup;
  const pause = Math.max(...pauses);
  return [{
    what,
    measured: `${count(median)} sessions/s, ${wrong} wrong`,
    goal: `≥ ${count(CLEANUP_SPEED)}, none wrong`,
    isReached: median >= CLEANUP_SPEED && wrong === 0,
  }, {
    what,
    measured: `longest pause ${count(pause)} ms`,
    goal: `≤ ${LONGEST_PAUSE} ms`,
    isReached: pause <= LONGEST_PAUSE,
  }];
}

function manyGoal({ many }: Result, results: readonly Result[]): Goal {
  const floor = results.find((each) =>
    each.kind === "floor" && each.many !== undefined
  )?.many;
  if (many === undefined || floor === undefined) {
    const measured = `${UNKNOWN}, it takes \`--many 1000000\``;
    const goal = "as the system calls";
    return { what: "load among 1,000,000", measured, goal };
  }
  const [own, bare] = [many.many.ratio!, floor.many.ratio!];
  return {
    what: `load among ${many.sessions.toLocaleString("en")}`,
    measured: `${own.toFixed(2)} of the speed among 1,000`,
    goal: `≥ ${bare.toFixed(2)}, as the system calls`,
    isReached: own >= bare,
  };
}

function memoryFact({ memory }: Result, peers: readonly Result[]): Goal {
  const what = "memory";
  const goal = "none set";
  if (memory === undefined) return { what, measured: UNKNOWN, goal };
  const text = (bytes: number) => `${count(bytes / MEBIBYTE)} MiB`;
  const { peak, empty } = memory;
  const others = peers.flatMap((peer) => peer.memory?.peak ?? []);
  const range = others.length === 0
    ? ""
    : `; the peers ${text(Math.min(...others))} to ` +
      text(Math.max(...others));
  const measured = `${text(peak)}, ${text(peak - empty)} of it the store's`;
  return { what, measured: measured + range, goal };
}
