/*
 * What does an operation cost as a session, a directory or the number of flows
 * grows, and is it the store or the system that makes it dearer?
 *
 * The bare system calls do the same in the same run, A B A B. Writes growth.md,
 * growth.json and a plot for each chapter.
 *
 *   --rounds 5           how many rounds count; one more warms up
 *   --milliseconds 400   how long a turn lasts
 *   --files 100000       the most files: 1,000, 10,000 … up to it. A million
 *                        takes 11 GB and, in memory (a tmpfs, not below /dev,
 *                        which Deno guards), a quarter of an hour; on
 *                        a disk that is told of each free block, hours
 *   --files-directory DIR  where these are; in --directory by default
 *   --only CHAPTER       size, files or flows; growth.md then holds no other
 *   --directory DIR      where the sessions are; a temporary one by default
 *   --output DIR         where the results go; bench/results by default
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path/from-file-url";
import type { Growth } from "./chart.ts";
import { measureFiles } from "./files.ts";
import { measureFlows } from "./flows.ts";
import { measureSize } from "./size.ts";
import { toLinePlot } from "./to_line_plot.ts";
import { toMarkdown } from "./to_markdown.ts";
import { describeMachine, fileSystemOf } from "../machine.ts";

const SIZES = [100, 500, 4_096, 32_768, 262_144, 1_048_576];
const FLOWS = [1, 3, 10, 32, 100, 320, 1_000];
const FILES = [1_000, 10_000, 100_000, 1_000_000];

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: [
      "rounds",
      "milliseconds",
      "files",
      "only",
      "directory",
      "files-directory",
      "output",
    ],
    default: {
      rounds: "5",
      milliseconds: "400",
      files: "100000",
      output: fromFileUrl(new URL("../results", import.meta.url)),
    },
  });
  const makeBase = (dir: string | undefined) =>
    Deno.makeTempDir({
      ...(dir !== undefined && { dir }),
      prefix: "latchkey-growth-",
    });
  const base = await makeBase(args.directory);
  const filesBase = await makeBase(args["files-directory"] ?? args.directory);
  try {
    const growth = await measure(base, filesBase, {
      rounds: Number(args.rounds),
      turn: Number(args.milliseconds),
      files: Number(args.files),
      only: args.only,
    });
    await write(args.output, growth);
  } finally {
    await Deno.remove(base, { recursive: true });
    await Deno.remove(filesBase, { recursive: true });
  }
}

async function measure(
  base: string,
  filesBase: string,
  options: {
    rounds: number;
    turn: number;
    files: number;
    only: string | undefined;
  },
): Promise<Growth> {
  const { only, files } = options;
  const isWanted = (chapter: string) => only === undefined || only === chapter;
  const counts = FILES.filter((count) => count <= files);
  const size = isWanted("size")
    ? await measureSize(base, { ...options, sizes: SIZES })
    : [];
  const flows = isWanted("flows")
    ? await measureFlows(base, { ...options, flows: FLOWS })
    : [];
  const { charts, memory } = isWanted("files")
    ? await measureFiles(filesBase, { ...options, counts })
    : { charts: [], memory: [] };
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: await describeMachine(base),
    filesOn: await fileSystemOf(filesBase),
    size,
    files: charts,
    flows,
    memory,
  };
}

async function write(directory: string, growth: Growth): Promise<void> {
  const { date, machine, filesOn, size, files, flows } = growth;
  const markdown = toMarkdown(growth);
  const legendOf = (fileSystem: string) =>
    `${date}, ${machine.cores} cores, ${fileSystem}, Deno ${machine.deno}; ` +
    "the middle of the rounds";
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/growth.md`, markdown);
  await Deno.writeTextFile(
    `${directory}/growth.json`,
    `${JSON.stringify(growth, null, 2)}\n`,
  );
  for (
    const [name, heading, charts, fileSystem] of [
      ["size", "Cost over the size of a session", size, machine.fileSystem],
      [
        "files",
        "Cost over the number of files in the directory",
        files,
        filesOn,
      ],
      ["flows", "1 to 1,000 flows of one process", flows, machine.fileSystem],
    ] as const
  ) {
    if (charts.length === 0) continue;
    const plot = toLinePlot(heading, legendOf(fileSystem), charts);
    await Deno.writeTextFile(`${directory}/growth-${name}.svg`, plot);
  }
  console.log(`\n${markdown}`);
}
