import { goalsOf } from "./goals.ts";
import { isSound } from "./is_sound.ts";
import { type Cell, COLUMNS, type Result, type Results } from "./results.ts";

const COUNT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const MEBIBYTE = 1_024 * 1_024;
const EXACT = new Intl.NumberFormat("en");

/** Makes the tables that a reader wants to see. */
export function toMarkdown(all: Results, sizes: readonly string[]): string {
  const { machine, results, rounds, skipped } = all;
  return [
    "# The store and its peers",
    `${all.date}, ${machine.os}, ${machine.cores} cores, ${machine.fileSystem}, ` +
    machine.runtimes.join(", ") +
    `. Operations per second, the middle of ${rounds} rounds in which the ` +
    "contestants take turns; in brackets the speed relative to the bare " +
    "system calls, the middle of the rounds' ratios. A dash: the peer does " +
    "not offer it." +
    (all.kept === undefined
      ? ""
      : ` Cleanups and loads among many: an earlier run, ${all.kept}.`),
    "## The goals",
    table(
      ["", "measured", "goal", ""],
      goalsOf(all, sizes[0]!).map(({ what, measured, goal, isReached }) => [
        what,
        measured,
        goal,
        isReached === undefined ? "" : isReached ? "reached" : "**short**",
      ]),
    ),
    ...sizes.flatMap((size) => [
      `## 1,000 sessions of ${size}`,
      columnTable(results, size),
      ...best(results, size),
    ]),
    "## Four processes, 100 sessions of " + sizes[0],
    "Half loads, half read-modify-write. Lost: acknowledged and not there at " +
    "the end. Corrupt: a read that was empty, torn or another's. Refused: a " +
    "change that threw. Ruined: sessions that cannot be read at the end.",
    raceTable(results),
    ...cleanupPart(results),
    ...manyPart(results),
    ...memoryPart(results, sizes[0]!),
    "## Who they are",
    ...results.map(({ name, runtime, note, packages }) =>
      `- **${name}** (${runtime}): ${note}${versions(packages)}.`
    ),
    ...(skipped.length === 0 ? [] : ["## Who did not run"]),
    ...skipped.map(({ name, reason }) => `- ${name}: ${reason}`),
  ].reduce((text, part) =>
    text + (part.startsWith("- ") && text.split("\n").at(-1)!.startsWith("- ")
      ? "\n"
      : "\n\n") +
    part
  ) + "\n";
}

function columnTable(results: readonly Result[], size: string): string {
  return table(
    ["", ...COLUMNS.map(([, title]) => title)],
    results.filter(({ cells }) => cells[size] !== undefined).map((result) => [
      title(result),
      ...COLUMNS.map(([column]) => cellText(result.cells[size]?.[column])),
    ]),
  );
}

function raceTable(results: readonly Result[]): string {
  return table(
    ["", "ops/s", "updates", "lost", "corrupt", "refused", "ruined"],
    results.flatMap((result) => {
      const { race } = result;
      if (race === undefined) return [];
      const { updates, lost, corrupt, failed, ruined } = race;
      const counts = [updates, lost, corrupt, failed, ruined];
      return [[
        title(result),
        speedText(race.median, race.ratio),
        ...counts.map((count) => EXACT.format(count)),
      ]];
    }),
  );
}

function cleanupPart(results: readonly Result[]): string[] {
  const cleaned = results.filter(({ cleanup }) => cleanup !== undefined);
  if (cleaned.length === 0) return [];
  const others = results.filter((each) =>
    each.cleanup === undefined && each.memory !== undefined
  ).map(({ name }) => name);
  const [{ cleanup }] = cleaned as [Result];
  return [
    `## Cleanup of ${EXACT.format(cleanup!.sessions)} sessions, half expired`,
    "Sessions gone through in a second, those that stay included; how much of " +
    "that time the deletions themselves took; the longest time in which the " +
    "process could do nothing else, the middle of the rounds and the worst; " +
    "sessions that wrongly stayed or went, all rounds together.",
    table(
      ["", "sessions/s", "deletions", "pause, ms", "worst, ms", "wrong"],
      cleaned.map((result) => {
        const { median, ratio, deleting, pause, pauses, wrong } = result
          .cleanup!;
        return [
          title(result),
          speedText(median, ratio),
          deleting === undefined ? "" : `${(100 * deleting).toFixed(0)} %`,
          COUNT.format(pause),
          COUNT.format(Math.max(...pauses)),
          EXACT.format(wrong),
        ];
      }),
    ),
    ...(others.length === 0
      ? []
      : [`No cleanup of their own: ${[...new Set(others)].join(", ")}.`]),
  ];
}

function manyPart(results: readonly Result[]): string[] {
  const loaded = results.filter(({ many }) => many !== undefined);
  if (loaded.length === 0) return [];
  const [{ many }] = loaded as [Result];
  const count = EXACT.format(many!.sessions);
  return [
    `## Load among ${count} sessions`,
    "Random loads after the directory was filled; in brackets the speed " +
    "relative to that among 1,000.",
    table(
      ["", "1,000 sessions", `${count} sessions`],
      loaded.map((result) => [
        title(result),
        cellText(result.many!.few),
        cellText(result.many!.many),
      ]),
    ),
  ];
}

function memoryPart(results: readonly Result[], size: string): string[] {
  const weighed = results.filter(({ memory }) => memory !== undefined);
  if (weighed.length === 0) return [];
  return [
    "## Memory",
    `The most that the process ever had, after the columns of ${size}, in MiB; ` +
    "beside it, what it had before the store was opened.",
    table(
      ["", "peak", "empty", "more"],
      weighed.map((result) => {
        const { peak, empty } = result.memory!;
        return [
          title(result),
          ...[peak, empty, peak - empty].map((bytes) =>
            COUNT.format(bytes / MEBIBYTE)
          ),
        ];
      }),
    ),
  ];
}

/** How far ahead ours is of the fastest of each kind, or behind. */
function best(results: readonly Result[], size: string): string[] {
  const ours = results.find(({ kind }) => kind === "ours");
  if (ours === undefined) return [];
  const peers = results.filter(({ kind }) => kind === "peer");
  const databases = results.filter(({ kind }) => kind === "database");
  return ([
    ["peer", peers],
    ["peer that lost, tore and refused nothing", peers.filter(isSound)],
    ["database", databases],
  ] as const).flatMap(([kind, rivals]) => {
    const parts = COLUMNS.flatMap(([column, columnTitle]) => {
      const own = ours.cells[size]?.[column]?.median;
      const [fastest] = rivals.flatMap((rival) => {
        const speed = rival.cells[size]?.[column]?.median;
        return speed === undefined ? [] : [{ rival, speed }];
      }).sort((a, b) => b.speed - a.speed);
      if (own === undefined || fastest === undefined) return [];
      const { rival: { name, runtime }, speed } = fastest;
      const ratio = (own / speed).toFixed(2);
      return [`${columnTitle} ${ratio} × ${name} (${runtime})`];
    });
    if (parts.length === 0) return [];
    return [`Ours against the fastest ${kind}: ${parts.join(", ")}.`];
  });
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return "—";
  const { median, ratio, corrupt, failed } = cell;
  return speedText(median, ratio) +
    (corrupt === 0 ? "" : `, ${EXACT.format(corrupt)} corrupt`) +
    (failed === 0 ? "" : `, ${EXACT.format(failed)} refused`);
}

function speedText(median: number, ratio: number | undefined): string {
  return COUNT.format(median) +
    (ratio === undefined
      ? ""
      : ` (${ratio < 100 ? ratio.toPrecision(2) : COUNT.format(ratio)})`);
}

function title({ name, runtime, kind }: Result): string {
  return kind === "ours" ? `**${name}**` : `${name}, ${runtime}`;
}

function versions(packages: Readonly<Record<string, string>>): string {
  const all = Object.entries(packages).map(([name, version]) =>
    `${name} ${version}`
  );
  return all.length === 0 ? "" : `; ${all.join(", ")}`;
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(head.map((_, n) => n === 0 ? "---" : "---:"));
  return [line(head), rule, ...rows.map(line)].join("\n");
}
