/*
 * What does an operation cost as a session, a directory or the number of flows
 * grows, and is it the store or the system that makes it dearer?
 *
 * The bare system calls do the same in the same run, A B A B. Writes growth.md,
 * growth.json and a plot for each chapter.
 *
 * 2026-11-27, Deno 2.9.6, 2 cores, ext4, the many files in memory (tmpfs); our
 * speed, the bare calls' being 1: from 100 B to 1 MiB a load has 0.70 to 0.93, a
 * save 0.74 to 0.89, a commit 0.57 to 0.29. From 1,000 to 1,000,000 files a load
 * goes from 0.70 to 0.63, a save stays at 0.62: a flat directory is not what
 * hurts.
 *
 *   --rounds 5           how many rounds count; one more warms up
 *   --milliseconds 400   how long a turn lasts
 *   --files 100000       the most files: 1,000, 10,000 … up to it. A million
 *                        takes 11 GB and, in memory (a tmpfs, not below /dev,
 *                        which Deno guards), a quarter of an hour; on
 *                        a disk that is told of each free block, hours
 *   --files-directory DIR  where these are; in --directory by default
 *   --only CHAPTER       size, files or flows; growth.md then holds no other
 *   --directory, --output, --render: see runBenchmark()
 */
import {
  circumstances,
  count,
  document,
  exact,
  table,
} from "../harness/markdown.ts";
import { plot } from "../harness/plot.ts";
import { fileSystemOf, makeBase, runBenchmark } from "../harness/benchmark.ts";
import type { Chart, Growth } from "./chart.ts";
import { measureFiles } from "./files.ts";
import { measureFlows } from "./flows.ts";
import { measureSize } from "./size.ts";

/** Each chapter, with the heading of its plot and that of its tables. */
const CHAPTERS = [
  ["size", "Cost over the size of a session", "With the size of a session"],
  [
    "files",
    "Cost over the number of files in the directory",
    "With the number of files",
  ],
  ["flows", "1 to 1,000 flows of one process", "With the number of flows"],
] as const;

if (import.meta.main) {
  await runBenchmark({
    name: "growth",
    options: {
      "rounds": 5,
      "milliseconds": 400,
      "files": 100_000,
      "files-directory": "",
      "only": "",
    },
    async measure(base, options) {
      const { only, files: most, rounds, milliseconds } = options;
      const isWanted = (chapter: string) => only === "" || only === chapter;
      const turns = { rounds, turn: milliseconds };
      const size = isWanted("size") ? await measureSize(base, turns) : [];
      const flows = isWanted("flows") ? await measureFlows(base, turns) : [];
      const directory = options["files-directory"] || options.directory;
      await using filesBase = await makeBase("growth", directory);
      const { charts: files, memory } = isWanted("files")
        ? await measureFiles(filesBase.path, most, turns)
        : { charts: [], memory: [] };
      const filesOn = await fileSystemOf(filesBase.path);
      return { filesOn, size, files, flows, memory };
    },
    toMarkdown,
    async toPlots(growth: Growth) {
      const plots: Record<string, string> = {};
      for (const [name, heading] of CHAPTERS) {
        if (growth[name].length === 0) continue;
        const { machine, filesOn } = growth;
        const fileSystem = name === "files" ? filesOn : machine.fileSystem;
        const legend = circumstances({
          ...growth,
          machine: { ...machine, fileSystem },
        });
        plots[`growth-${name}.svg`] = await plot(heading, [
          `${legend}; the middle of the rounds`,
        ], growth[name]);
      }
      return plots;
    },
  });
}

/** Writes the tables, and the answer to whether directories must be split. */
function toMarkdown(growth: Growth): string {
  const { filesOn, files, memory } = growth;
  return document([
    "# What growth costs",
    `${
      circumstances(growth)
    }. The store and the bare system calls take turns; ` +
    "the middle of the rounds. Speed: ours, the bare calls' being 1. A dash: " +
    "the bare calls were not measured.",
    ...CHAPTERS.flatMap(([name, , title]) => {
      if (growth[name].length === 0) return [];
      const image = `![${title}](growth-${name}.svg)`;
      const parts = [`## ${title}`, image, ...growth[name].map(tableOf)];
      return name === "files"
        ? [...parts, `These files are on ${filesOn}.`, answer(files)]
        : parts;
    }),
    ...(memory.length === 0 ? [] : [
      "## Memory of a walk over a directory",
      "In a process of its own. The pause is the longest of its event loop.",
      table(
        ["walk", "files", "before, MiB", "growth, MiB", "pause, ms"],
        memory.map(({ act, files, before, growth, longestPause }) => [
          `\`${act}\``,
          exact(files),
          count(before),
          count(growth),
          count(longestPause),
        ]),
      ),
    ]),
  ]);
}

function tableOf({ title, xTitle, yTitle, points }: Chart): string {
  const rows = points.map(({ x, ours, floor, ratio, rounds }) => [
    exact(x),
    count(ours),
    floor === null ? "—" : count(floor),
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
    const factor = (of: "ours" | "floor") => count(last[of]! / first[of]!);
    return `- ${title}: from ${exact(first.x)} to ${
      exact(last.x)
    } files ours ` +
      `takes ${factor("ours")} × as long, the bare calls ${
        factor("floor")
      } ×; ` +
      `our speed in units of theirs goes from ${first.ratio!.toFixed(2)} to ${
        last.ratio!.toFixed(2)
      }.`;
  });
  return `### Does a flat directory hurt more than the bare calls do?\n\n${
    lines.join("\n")
  }`;
}
