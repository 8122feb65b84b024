import type { Machine } from "../machine.ts";
import type { EngineResult, Point } from "./measure_engine.ts";

/** All that was found. */
export interface Results {
  readonly date: string;
  readonly machine: Machine;
  readonly engines: EngineResult[];
  /** What was not measured, and why. */
  readonly skipped: string[];
}

const COUNT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

const COLUMNS: readonly (readonly [string, (point: Point) => string])[] = [
  ["sessions", ({ sessions }) => sessions.toLocaleString("en")],
  ["bytes each", ({ bytes }) => COUNT.format(bytes)],
  [
    "load",
    ({ load, loadShare, loadShareOfParsed }) =>
      share(load, loadShare, loadShareOfParsed),
  ],
  [
    "load, 32 flows",
    ({ loadOfMany, loadOfManyShare }) => share(loadOfMany, loadOfManyShare),
  ],
  ["load and touch", ({ touch }) => COUNT.format(touch)],
  ["save", ({ save }) => COUNT.format(save)],
  ["load and update", ({ change }) => COUNT.format(change)],
  ["the same, 32 flows", ({ changeOfMany }) => COUNT.format(changeOfMany)],
];

/** Writes the table. */
export function toMarkdown(results: Results): string {
  const { date, machine, engines, skipped } = results;
  const rows = engines.flatMap(({ label, points }) =>
    points.map((point) => [label, ...COLUMNS.map(([, cell]) => cell(point))])
  );
  const head = ["store", ...COLUMNS.map(([title]) => title)];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(head.map((_, n) => n === 0 ? "---" : "---:"));
  return `${
    [
      "# What a session costs on each engine",
      `${date}, ${machine.os}, ${machine.cores} cores, ${machine.fileSystem}, ` +
      `Deno ${machine.deno}; engine and client on this machine. Sessions of ` +
      "500 B, each with a user of its own. Operations per second, the middle " +
      "of the rounds; in brackets in units of the engine's own get of the same " +
      "bytes by the same client, then of that with `JSON.parse`.",
      [line(head), rule, ...rows.map(line)].join("\n"),
      ...(skipped.length > 0 ? [`Not measured: ${skipped.join("; ")}.`] : []),
    ].join("\n\n")
  }\n`;
}

function share(speed: number, ...ratios: number[]): string {
  const shares = ratios.map((ratio) => ratio.toFixed(2)).join("; ");
  return `${COUNT.format(speed)} (${shares})`;
}
