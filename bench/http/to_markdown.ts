import type { Action } from "./contestant.ts";
import type { Result, Results } from "./results.ts";

/** What the tables call an action. */
export const TITLES: Readonly<Record<Action, string>> = {
  read: "Reading the session at every request",
  change: "Changing the session at every request",
};

const COUNT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const EXACT = new Intl.NumberFormat("en");
const ACTIONS = Object.keys(TITLES) as Action[];

/** Makes the tables that a reader wants to see. */
export function toMarkdown(all: Results): string {
  const { machine, results, skipped } = all;
  const parts = [
    "# Sessions over HTTP",
    `${circumstances(all)} Each contestant is a server in a process of its ` +
    "own; they take turns, and the middle of the rounds counts, after one " +
    `that warms up. ${EXACT.format(all.sessions)} sessions of 500 B, one at ` +
    "random for each request. wrk runs on the same machine and takes a core " +
    `for itself: the servers have what is left of ${machine.cores}.`,
    ...ACTIONS.flatMap((action) => [
      `## ${TITLES[action]}`,
      actionTable(results, action),
    ]),
    "## Ours relative to others",
    "The middle of the rounds' ratios.",
    table(
      ["", "relative to", "ratio", "goal"],
      all.ratios.map(({ action, to, ratio, goal }) => [
        action,
        to,
        ratio.toPrecision(2),
        `≥ ${goal}`,
      ]),
    ),
    "## What became of the changes",
    "Found should be what wrk was told had succeeded and somewhat more, since " +
    `up to ${all.connections} of a round were done when it had stopped ` +
    "waiting. Then 4,000 more were made in 32 flows on 100 sessions, and " +
    "every answer awaited. Lost: those of them that were acknowledged and " +
    "not there. Ruined: sessions that cannot be read at the end.",
    changesTable(results),
    "## Who they are",
    results.map(({ name, runtime, note, packages }) =>
      `- **${name}** (${runtime}): ${note}${versions(packages)}.`
    ).join("\n"),
  ];
  if (skipped.length > 0) {
    parts.push(
      "## Who did not run",
      skipped.map(({ name, reason }) => `- ${name}: ${reason}`).join("\n"),
    );
  }
  return parts.join("\n\n") + "\n";
}

/** Says when, where and how it was measured. */
export function circumstances(all: Results): string {
  const { machine, rounds, seconds, connections } = all;
  return `${all.date}, ${machine.os}, ${machine.cores} cores, ` +
    `${machine.fileSystem}, Deno ${machine.deno}` +
    (machine.node === null ? "" : `, Node ${machine.node}`) +
    `, wrk ${machine.wrk}: ${connections} connections, keep-alive, ` +
    `${rounds} rounds of ${seconds} s.`;
}

function actionTable(results: readonly Result[], action: Action): string {
  return table(
    ["", "requests/s", "p50, ms", "p99, ms", "status ≥ 400", "broken"],
    results.flatMap((result) => {
      const cell = result.cells[action];
      if (cell === undefined) return [];
      return [[
        title(result),
        COUNT.format(cell.median),
        COUNT.format(cell.p50),
        COUNT.format(cell.p99),
        EXACT.format(cell.refused),
        EXACT.format(cell.broken),
      ]];
    }),
  );
}

function changesTable(results: readonly Result[]): string {
  return table(
    ["", "wrk was told", "found", "of 4,000 acknowledged", "lost", "ruined"],
    results.flatMap((result) => {
      const { changes } = result;
      if (changes === undefined) return [];
      const { acknowledged, found, awaited, lost, ruined } = changes;
      const counts = [acknowledged, found, awaited, lost, ruined];
      return [[title(result), ...counts.map((it) => EXACT.format(it))]];
    }),
  );
}

function title({ name, runtime, kind }: Result): string {
  if (kind === "ours") return `**${name}**`;
  return kind === "peer" ? `${name}, ${runtime}` : name;
}

function versions(packages: Readonly<Record<string, string>>): string {
  const all = Object.entries(packages).map((each) => each.join(" "));
  return all.length === 0 ? "" : `; ${all.join(", ")}`;
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(head.map((name) => name === "" ? "---" : "---:"));
  return [line(head), rule, ...rows.map(line)].join("\n");
}
