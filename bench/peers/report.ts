import { SIZES } from "../data_set.ts";
import {
  circumstances,
  count,
  document,
  entrants,
  exact,
  table,
  tableOf,
} from "../harness/markdown.ts";
import { plot, powersAround } from "../harness/plot.ts";
import { goalRows, speedIn } from "./goals.ts";
import {
  type Cell,
  type CleanupCell,
  COLUMNS,
  fastest,
  isSound,
  labelOf,
  MEBIBYTE,
  type PeersResults,
  type RaceCell,
  type Result,
} from "./results.ts";

const [FIRST] = SIZES[0]!;

/** What of a cell a plot shows. */
type Point =
  & Pick<Cell, "median">
  & Partial<
    Pick<RaceCell & CleanupCell, "corrupt" | "failed" | "lost" | "wrong">
  >;

/** Makes the tables that a reader wants to see. */
export function toMarkdown(all: PeersResults): string {
  const { results, rounds, skipped, kept } = all;
  return document([
    "# The store and its peers",
    `${circumstances(all)}. Operations per second, the middle of ${rounds} ` +
    "rounds in which the " +
    "contestants take turns; in brackets the speed relative to the bare " +
    "system calls, the middle of the rounds' ratios. A dash: the peer does " +
    "not offer it." +
    (kept === undefined
      ? ""
      : ` Cleanups and loads among many: an earlier run, ${kept}.`),
    "## The goals",
    table(["", "measured", "goal", ""], goalRows(all, FIRST)),
    ...SIZES.flatMap(([size]) => [
      `## 1,000 sessions of ${size}`,
      tableOf(
        results,
        COLUMNS.map(([, title]) => title),
        ({ cells }) => cells[size],
        (cells) => COLUMNS.map(([column]) => cellText(cells[column])),
      ),
      ...best(results, size),
    ]),
    "## Four processes, 100 sessions of " + FIRST,
    "Half loads, half read-modify-write. Lost: acknowledged and not there at " +
    "the end. Corrupt: a read that was empty, torn or another's. Refused: a " +
    "change that threw. Ruined: sessions that cannot be read at the end.",
    tableOf(
      results,
      ["ops/s", "updates", "lost", "corrupt", "refused", "ruined"],
      ({ race }) => race,
      ({ median, ratio, updates, lost, corrupt, failed, ruined }) => [
        speedText(median, ratio),
        ...[updates, lost, corrupt, failed, ruined].map(exact),
      ],
    ),
    ...cleanupPart(results),
    ...manyPart(results),
    "## Memory",
    `The most that the process ever had, after the columns of ${FIRST}, in MiB; ` +
    "beside it, what it had before the store was opened.",
    tableOf(
      results,
      ["peak", "empty", "more"],
      ({ memory }) => memory,
      ({ peak, empty }) =>
        [peak, empty, peak - empty].map((bytes) => count(bytes / MEBIBYTE)),
    ),
    ...entrants(results, skipped),
  ]);
}

function cleanupPart(results: readonly Result[]): string[] {
  const sessions = results.find((it) => it.cleanup !== undefined)?.cleanup
    ?.sessions;
  if (sessions === undefined) return [];
  const others = results.filter((each) =>
    each.cleanup === undefined && each.memory !== undefined
  ).map(({ name }) => name);
  return [
    `## Cleanup of ${exact(sessions)} sessions, half expired`,
    "Sessions gone through in a second, those that stay included; how much of " +
    "that time the deletions themselves took; the longest time in which the " +
    "process could do nothing else, the middle of the rounds and the worst; " +
    "sessions that wrongly stayed or went, all rounds together.",
    tableOf(
      results,
      ["sessions/s", "deletions", "pause, ms", "worst, ms", "wrong"],
      ({ cleanup }) => cleanup,
      ({ median, ratio, deleting, pause, pauses, wrong }) => [
        speedText(median, ratio),
        deleting === undefined ? "" : `${(100 * deleting).toFixed(0)} %`,
        count(pause),
        count(Math.max(...pauses)),
        exact(wrong),
      ],
    ),
    others.length === 0
      ? ""
      : `No cleanup of their own: ${[...new Set(others)].join(", ")}.`,
  ];
}

function manyPart(results: readonly Result[]): string[] {
  const sessions = results.find((it) => it.many !== undefined)?.many?.sessions;
  if (sessions === undefined) return [];
  return [
    `## Load among ${exact(sessions)} sessions`,
    "Random loads after the directory was filled; in brackets the speed " +
    "relative to that among 1,000.",
    tableOf(
      results,
      ["1,000 sessions", `${exact(sessions)} sessions`],
      ({ many }) => many,
      ({ few, many }) => [cellText(few), cellText(many)],
    ),
  ];
}

/** How far ahead ours is of the fastest of each kind, or behind. */
function best(results: readonly Result[], size: string): string[] {
  const ours = results.find(({ kind }) => kind === "ours");
  if (ours === undefined) return [];
  const peers = results.filter(({ kind }) => kind === "peer");
  const rivals = {
    "peer": peers,
    "peer that lost, tore and refused nothing": peers.filter(isSound),
    "database": results.filter(({ kind }) => kind === "database"),
  };
  return Object.entries(rivals).flatMap(([kind, rivals]) => {
    const parts = COLUMNS.flatMap(([column, title]) => {
      const speed = speedIn(size, column);
      const own = speed(ours);
      const rival = fastest(rivals, speed);
      if (own === undefined || rival === undefined) return [];
      const { result: { name, runtime }, value } = rival;
      return [`${title} ${(own / value).toFixed(2)} × ${name} (${runtime})`];
    });
    if (parts.length === 0) return [];
    return [`Ours against the fastest ${kind}: ${parts.join(", ")}.`];
  });
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return "—";
  const { median, ratio, corrupt, failed } = cell;
  return speedText(median, ratio) +
    (corrupt === 0 ? "" : `, ${exact(corrupt)} corrupt`) +
    (failed === 0 ? "" : `, ${exact(failed)} refused`);
}

function speedText(median: number, ratio: number | undefined): string {
  if (ratio === undefined) return count(median);
  const share = ratio < 100 ? ratio.toPrecision(2) : count(ratio);
  return `${count(median)} (${share})`;
}

/** Draws a panel for each thing that was measured. */
export async function toPlots(
  all: PeersResults,
): Promise<Record<string, string>> {
  const { results, rounds } = all;
  const cleaned = results.find(({ cleanup }) => cleanup !== undefined);
  const loaded = results.find(({ many }) => many !== undefined);
  const panelOf = (
    title: string,
    pointOf: (result: Result) => Point | undefined,
    unit = "operations per second",
  ) => ({
    title,
    unit,
    rows: results.flatMap((result) => {
      const point = pointOf(result);
      if (point === undefined) return [];
      const { median, corrupt = 0, failed = 0, lost = 0, wrong = 0 } = point;
      const isBad = corrupt + failed + lost + wrong > 0;
      const kind = isBad ? "bad" as const : result.kind;
      return [{ label: labelOf(result), kind, value: median }];
    }),
  });
  const panels = [
    ...COLUMNS.map(([column, title]) =>
      panelOf(title, ({ cells }) => cells[FIRST]?.[column])
    ),
    panelOf("4 processes, load and update, 50/50", ({ race }) => race),
    panelOf(
      `cleanup of ${exact(cleaned?.cleanup?.sessions ?? 0)}, half expired`,
      ({ cleanup }) => cleanup,
      "sessions per second",
    ),
    panelOf(
      "memory, the peak of the process",
      ({ memory }) => memory && { median: memory.peak / MEBIBYTE },
      "MiB",
    ),
    panelOf("load among 1,000", ({ many }) => many?.few),
    panelOf(
      `load among ${exact(loaded?.many?.sessions ?? 0)}`,
      ({ many }) => many?.many,
    ),
  ].filter(({ rows }) => rows.length > 0);
  // Panels of the same unit have the same scale.
  const domainOf = (unit: string) =>
    powersAround(
      panels.filter((panel) => panel.unit === unit)
        .flatMap(({ rows }) => rows.map(({ value }) => value)),
    );
  const heading = `The store and its peers, 1,000 sessions of ${FIRST}`;
  const subtitle = [
    `${circumstances(all)}; the middle of ${rounds} rounds`,
    "Further right is faster, but for memory. " +
    "× in red: lost updates, corrupt reads, refused changes, wrong cleanup.",
  ];
  const drawn = panels.map((it) => ({ ...it, domain: domainOf(it.unit) }));
  return { "peers.svg": await plot(heading, subtitle, drawn) };
}
