import type { Profile, Results } from "./benchmark.ts";

/** A contestant under one runtime. */
type Entrant = Profile & { readonly runtime: string };

const COUNT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const EXACT = new Intl.NumberFormat("en");

/** Writes a number with three digits. */
export function count(value: number): string {
  return COUNT.format(value);
}

/** Writes a whole number with all of its digits. */
export function exact(value: number): string {
  return EXACT.format(value);
}

/** Puts paragraphs, headings and tables together. */
export function document(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** Makes a table; the first column is text, unless it has numbers only. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const isText = rows.some(([first]) => !/^[\d,]+$/.test(first!));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(head.map((_, n) => n === 0 && isText ? "---" : "---:"));
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** Says when, where and on what it was measured. */
export function circumstances({ date, machine }: Results): string {
  const { os, cores, fileSystem, runtimes } = machine;
  return `${date}, ${os}, ${cores} cores, ${fileSystem}, ${
    runtimes.join(", ")
  }`;
}

/** Makes a table of those contestants that have a part of the results. */
export function tableOf<R extends Entrant, T>(
  results: readonly R[],
  head: readonly string[],
  part: (result: R) => T | undefined,
  cells: (part: T) => readonly string[],
): string {
  const rows = results.flatMap((result) => {
    const found = part(result);
    return found === undefined ? [] : [[titleOf(result), ...cells(found)]];
  });
  return table(["", ...head], rows);
}

function titleOf({ name, kind, runtime }: Entrant): string {
  if (kind === "ours") return `**${name}**`;
  return kind === "bare" ? name : `${name}, ${runtime}`;
}

/** Lists the contestants of a race, and what did not run. */
export function entrants(
  all: readonly Entrant[],
  skipped: Results["skipped"],
): string[] {
  const list = all.map(({ name, runtime, note, packages }) => {
    const versions = Object.entries(packages).map((each) => each.join(" "));
    const loaded = versions.length === 0 ? "" : `; ${versions.join(", ")}`;
    return `- **${name}** (${runtime}): ${note}${loaded}.`;
  });
  const others = skipped.map(({ name, reason }) => `- ${name}: ${reason}`);
  return [
    "## The contestants",
    list.join("\n"),
    others.length === 0 ? "" : "## What did not run",
    others.join("\n"),
  ];
}
