import type { Chart, Growth } from "./chart.ts";

const COUNT = new Intl.NumberFormat("en");
const FIGURE = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** Writes the tables, and the answer to whether directories must be split. */
export function toMarkdown(growth: Growth): string {
  const { date, machine, filesOn, size, files, flows, memory } = growth;
  const chapter = (title: string, image: string, charts: readonly Chart[]) =>
    charts.length === 0
      ? []
      : [`## ${title}`, `![${title}](${image})`, ...charts.map(tableOf)];
  const parts = [
    "# What growth costs",
    `${date}, ${machine.os}, ${machine.cores} cores, ${machine.fileSystem}, ` +
    `Deno ${machine.deno}. The store and the bare system calls take turns; the ` +
    "middle of the rounds. Speed: ours, the bare calls' being 1. A dash: the " +
    "bare calls were not measured.",
    ...chapter("With the size of a session", "growth-size.svg", size),
    ...chapter("With the number of files", "growth-files.svg", files),
    ...(files.length === 0
      ? []
      : [`These files are on ${filesOn}.`, answer(files)]),
    ...chapter("With the number of flows", "growth-flows.svg", flows),
  ];
  if (memory.length > 0) {
    parts.push(
      "## Memory of a walk over a directory",
      "In a process of its own. The pause is the longest of its event loop.",
      table(
        ["walk", "files", "before, MiB", "growth, MiB", "pause, ms"],
        memory.map(({ act, files, before, growth, longestPause }) => [
          `\`${act}\``,
          COUNT.format(files),
          FIGURE.format(before),
          FIGURE.format(growth),
          FIGURE.format(longestPause),
        ]),
      ),
    );
  }
  return `${parts.join("\n\n")}\n`;
}

function tableOf({ title, xTitle, yTitle, points }: Chart): string {
  const rows = points.map(({ x, ours, floor, ratio, rounds }) => [
    COUNT.format(x),
    FIGURE.format(ours),
    floor === null ? "—" : FIGURE.format(floor),
    ratio === null ? "—" : ratio.toFixed(2),
    String(rounds),
  ]);
  const head = [xTitle, "ours", "bare calls", "speed", "rounds"];
  return `### ${title}, ${yTitle}\n\n${table(head, rows)}`;
}

/** Compares how much slower both became from the fewest files to the most. */
function answer(charts: readonly Chart[]): string {
  const lines = charts.map(({ title, points }) => {
    const first = points[0]!;
    const last = points.at(-1)!;
    const factor = (of: "ours" | "floor") =>
      FIGURE.format(last[of]! / first[of]!);
    return `- ${title}: from ${COUNT.format(first.x)} to ${
      COUNT.format(last.x)
    } files ours takes ${factor("ours")} × as long, the bare calls ${
      factor("floor")
    } ×; our speed in units of theirs goes from ${first.ratio!.toFixed(2)} to ${
      last.ratio!.toFixed(2)
    }.`;
  });
  return `### Does a flat directory hurt more than the bare calls do?\n\n${
    lines.join("\n")
  }`;
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(head.map(() => "---:"));
  return [line(head), rule, ...rows.map(line)].join("\n");
}
