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
 * Compares ours with what was aimed at, as rows of a table.
 *
 * @param size The title of the size that counts.
 */
export function goalRows({ results }: PeersResults, size: string): string[][] {
  const ours = results.find(({ kind }) => kind === "ours");
  if (ours === undefined) return [];
  const peers = results.filter(({ kind }) => kind === "peer");
  const php = peers.filter(({ name }) => name === PHP);
  const npm = peers.filter(({ runtime }) =>
    runtime === "Deno" || runtime === "Node"
  );
  const against = (
    what: string,
    figure: Figure,
    rivals: readonly Result[],
    least: number,
  ): string[] => {
    const own = figure(ours);
    const best = fastest(rivals, figure);
    const ratio = own && best && own / best.value;
    return ratioRow(what, ratio, least, best ? labelOf(best.result) : "");
  };
  const speed = (column: MeasuredColumn) => speedIn(size, column);
  const raceSpeed: Figure = ({ race }) => race?.median;
  const cleanupSpeed: Figure = ({ cleanup }) => cleanup?.median;
  return [
    ratioRow("load", ours.cells[size]?.load?.ratio, 0.8, "the system calls"),
    against("load", speed("load"), php, 1),
    against("load", speed("load"), npm, 5),
    against("save", speed("save"), php, 2),
    against("mixed 90/10, 32 flows", speed("mixed"), php, 1.5),
    against("4 processes", raceSpeed, php, 1),
    ...raceRows(ours),
    ...cleanupRows(ours),
    ...manyRows(ours, results),
    ...memoryRows(ours, peers),
    ...COLUMNS.map(([column, title]) =>
      against(`${title}, fastest peer`, speed(column), peers, 1)
    ),
    against("4 processes, fastest peer", raceSpeed, peers, 1),
    against("cleanup, fastest peer", cleanupSpeed, peers, 1),
  ];
}

function row(
  what: string,
  measured: string,
  goal: string,
  isReached: boolean,
): string[] {
  return [what, measured, goal, isReached ? "reached" : "**short**"];
}

function ratioRow(
  what: string,
  ratio: number | undefined,
  least: number,
  other: string,
): string[] {
  const goal = `≥ ${least} ×`;
  if (ratio === undefined) return [what, UNKNOWN, goal, ""];
  return row(what, `${ratio.toFixed(2)} × ${other}`, goal, ratio >= least);
}

function raceRows({ race }: Result): string[][] {
  const what = "4 processes";
  if (race === undefined) return [[what, UNKNOWN, "none", ""]];
  const { corrupt, failed, lost, ruined } = race;
  const torn = corrupt + ruined;
  const measured = `${lost} lost, ${torn} torn, ${failed} refused`;
  return [row(what, measured, "none", lost + torn + failed === 0)];
}

function cleanupRows({ cleanup }: Result): string[][] {
  const what = "cleanup";
  if (cleanup === undefined) return [[what, UNKNOWN, "", ""]];
  const { median, pauses, wrong } = cleanup;
  const pause = Math.max(...pauses);
  const goal = `≥ ${count(CLEANUP_SPEED)}, none wrong`;
  const isReached = median >= CLEANUP_SPEED && wrong === 0;
  return [
    row(what, `${count(median)} sessions/s, ${wrong} wrong`, goal, isReached),
    row(
      what,
      `longest pause ${count(pause)} ms`,
      `≤ ${LONGEST_PAUSE} ms`,
      pause <= LONGEST_PAUSE,
    ),
  ];
}

function manyRows({ many }: Result, results: readonly Result[]): string[][] {
  const floor = results.find((each) =>
    each.kind === "floor" && each.many !== undefined
  )?.many;
  if (many === undefined || floor === undefined) {
    const measured = `${UNKNOWN}, it takes \`--many 1000000\``;
    return [["load among 1,000,000", measured, "as the system calls", ""]];
  }
  const [own, bare] = [many.many.ratio!, floor.many.ratio!];
  const what = `load among ${many.sessions.toLocaleString("en")}`;
  const measured = `${own.toFixed(2)} of the speed among 1,000`;
  const goal = `≥ ${bare.toFixed(2)}, as the system calls`;
  return [row(what, measured, goal, own >= bare)];
}

function memoryRows({ memory }: Result, peers: readonly Result[]): string[][] {
  const what = "memory";
  const goal = "none set";
  if (memory === undefined) return [[what, UNKNOWN, goal, ""]];
  const text = (bytes: number) => `${count(bytes / MEBIBYTE)} MiB`;
  const { peak, empty } = memory;
  const others = peers.flatMap((peer) => peer.memory?.peak ?? []);
  const range = others.length === 0
    ? ""
    : `; the peers ${text(Math.min(...others))} to ` +
      text(Math.max(...others));
  const measured = `${text(peak)}, ${text(peak - empty)} of it the store's`;
  return [[what, measured + range, goal, ""]];
}
