import {
  COLUMNS,
  type MeasuredColumn,
  type Result,
  type Results,
} from "./results.ts";

/** A goal, and what this run says of it. */
export interface Goal {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  /** `undefined` where nobody was there to compare with, or nothing is asked. */
  readonly isReached?: boolean;
}

/** Something of a contestant that can be compared. */
type Figure = (result: Result) => number | undefined;

const UNKNOWN = "not measured";
const PHP = "PHP files";
const CLEANUP_SPEED = 150_000;
const LONGEST_PAUSE = 10;
const MEBIBYTE = 1_024 * 1_024;

const COUNT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/**
 * Compares ours with what was aimed at.
 *
 * @param all What was measured.
 * @param size The title of the size that counts.
 */
export function goalsOf({ results }: Results, size: string): Goal[] {
  const ours = results.find(({ kind }) => kind === "ours");
  if (ours === undefined) return [];
  const peers = results.filter(({ kind }) => kind === "peer");
  const php = peers.filter(({ name }) => name === PHP);
  const npm = peers.filter(({ runtime }) =>
    runtime === "Deno" || runtime === "Node"
  );
  const speedIn = (column: MeasuredColumn): Figure => ({ cells }) =>
    cells[size]?.[column]?.median;
  const raceSpeed: Figure = ({ race }) => race?.median;
  const cleanupSpeed: Figure = ({ cleanup }) => cleanup?.median;

  const against = (
    what: string,
    figure: Figure,
    rivals: readonly Result[],
    least: number,
  ): Goal => {
    const own = figure(ours);
    const fastest =
      rivals.toSorted((a, b) => (figure(b) ?? 0) - (figure(a) ?? 0))[0];
    const other = fastest && figure(fastest);
    const goal = `≥ ${least} ×`;
    if (own === undefined) return { what, measured: UNKNOWN, goal };
    if (other === undefined) {
      return { what, measured: "nobody to compare with", goal };
    }
    const { name, runtime } = fastest!;
    return ratioGoal(what, own / other, least, `${name}, ${runtime}`);
  };

  return [
    ratioGoal("load", ours.cells[size]?.load?.ratio, 0.8, "the system calls"),
    against("load", speedIn("load"), php, 1),
    against("load", speedIn("load"), npm, 5),
    against("save", speedIn("save"), php, 2),
    against("mixed 90/10, 32 flows", speedIn("mixed"), php, 1.5),
    against("4 processes", raceSpeed, php, 1),
    ...raceGoals(ours),
    ...cleanupGoals(ours),
    ...manyGoals(ours, results),
    ...memoryFacts(ours, peers),
    ...COLUMNS.map(([column, title]) =>
      against(`${title}, fastest peer`, speedIn(column), peers, 1)
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

function raceGoals({ race }: Result): Goal[] {
  if (race === undefined) {
    return [{ what: "4 processes", measured: UNKNOWN, goal: "none" }];
  }
  const { corrupt, failed, lost, ruined } = race;
  return [{
    what: "4 processes",
    measured: `${lost} lost, ${corrupt + ruined} torn, ${failed} refused`,
    goal: "none",
    isReached: lost + corrupt + ruined + failed === 0,
  }];
}

function cleanupGoals({ cleanup }: Result): Goal[] {
  if (cleanup === undefined) {
    return [{ what: "cleanup", measured: UNKNOWN, goal: "" }];
  }
  const { median, pauses, wrong } = cleanup;
  const pause = Math.max(...pauses);
  return [{
    what: "cleanup",
    measured: `${COUNT.format(median)} sessions/s, ${wrong} wrong`,
    goal: `≥ ${COUNT.format(CLEANUP_SPEED)}, none wrong`,
    isReached: median >= CLEANUP_SPEED && wrong === 0,
  }, {
    what: "cleanup",
    measured: `longest pause ${COUNT.format(pause)} ms`,
    goal: `≤ ${LONGEST_PAUSE} ms`,
    isReached: pause <= LONGEST_PAUSE,
  }];
}

function manyGoals({ many }: Result, results: readonly Result[]): Goal[] {
  const floor = results.find((each) =>
    each.kind === "floor" && each.many !== undefined
  )?.many;
  if (many === undefined || floor === undefined) {
    const measured = `${UNKNOWN}, it takes \`--many 1000000\``;
    const goal = "as the system calls";
    return [{ what: "load among 1,000,000", measured, goal }];
  }
  const [own, bare] = [many.many.ratio!, floor.many.ratio!];
  return [{
    what: `load among ${many.sessions.toLocaleString("en")}`,
    measured: `${own.toFixed(2)} of the speed among 1,000`,
    goal: `≥ ${bare.toFixed(2)}, as the system calls`,
    isReached: own >= bare,
  }];
}

function memoryFacts(
  { memory }: Result,
  peers: readonly Result[],
): Goal[] {
  if (memory === undefined) {
    return [{ what: "memory", measured: UNKNOWN, goal: "none set" }];
  }
  const text = (bytes: number) => `${COUNT.format(bytes / MEBIBYTE)} MiB`;
  const { peak, empty } = memory;
  const others = peers.flatMap((peer) => peer.memory?.peak ?? []);
  const range = others.length === 0
    ? ""
    : `; the peers ${text(Math.min(...others))} to ` +
      text(Math.max(...others));
  return [{
    what: "memory",
    measured: `${text(peak)}, ${text(peak - empty)} of it the store's${range}`,
    goal: "none set",
  }];
}
