import { type Cell, COLUMNS, type Result, type Results } from "./results.ts";

const COUNT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const EXACT = new Intl.NumberFormat("en");

/** Makes the tables that a reader wants to see. */
export function toMarkdown(all: Results, sizes: readonly string[]): string {
  const { machine, results, rounds, skipped } = all;
  return [
    "# The store and its peers",
    `${all.date}, ${machine.os}, ${machine.cores} cores, ${machine.fileSystem}, ` +
    `Deno ${machine.deno}` +
    (machine.node === null ? "" : `, Node ${machine.node}`) +
    `. Operations per second, the middle of ${rounds} rounds in which the ` +
    "contestants take turns; in brackets the speed relative to the bare " +
    "system calls, the middle of the rounds' ratios. A dash: the peer does " +
    "not offer it.",
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
    results.map((result) => [
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
        COUNT.format(race.median),
        ...counts.map((count) => EXACT.format(count)),
      ]];
    }),
  );
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

function isSound({ cells, race }: Result): boolean {
  const all = Object.values(cells).flatMap((each) => Object.values(each));
  return [...all, ...(race === undefined ? [] : [race])]
    .every(({ corrupt, failed }) => corrupt + failed === 0) &&
    (race === undefined || race.lost + race.ruined === 0);
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return "—";
  const { median, ratio, corrupt, failed } = cell;
  return COUNT.format(median) +
    (ratio === undefined ? "" : ` (${ratio.toPrecision(2)})`) +
    (corrupt === 0 ? "" : `, ${EXACT.format(corrupt)} corrupt`) +
    (failed === 0 ? "" : `, ${EXACT.format(failed)} refused`);
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
