/*
 * Where does the time go that we take above the floor? By function.
 *
 * Each side runs in a process of its own, sampled by perf (Linux) once it is warm. A
 * sample counts for the system call that it is in; or else for the function of
 * JavaScript that runs, or has called what of V8 and Deno runs; what no function has
 * called is the server, the event loop and the garbage collection. Other threads
 * compile and collect garbage; other processes are an engine's server. A function that V8 has put into its caller counts for
 * the caller. Prints a table for each
 * workload; bench/README.md tells what was found.
 *
 *   --only http        workloads whose name contains it
 *   --seconds 4        how long each side is sampled
 *   --least 0.02       what is not told one by one, in µs an operation
 *   --directory DIR    where the sessions are; a temporary one by default
 */
import { makeBase, readOptions, say } from "../harness/benchmark.ts";
import { Child, type Command, runProgram } from "../harness/child.ts";
import { table } from "../harness/markdown.ts";
import { type Sampled, WORKLOADS } from "./workloads.ts";

/** Microseconds an operation, by what takes them. */
type Costs = ReadonlyMap<string, number>;

const ROOT = import.meta.resolve("../../");
const SYSTEM_CALL = /^(?:__x64_sys|__do_sys|ksys)_(\w+)$/;
const HEAD = /^\s*(.*?)\s+(\d+)\/(\d+)\s+(\d+)/;
const FRAME = /^\s+[0-9a-f]+ (.*) \((.*)\)$/;
const FUNCTION = /^JS:(?:o?[*+~^']+)?(.*?) ?(\S+):\d+:\d+$/;

if (import.meta.main) {
  const { only, seconds, least, directory } = readOptions({
    only: "",
    seconds: 4,
    least: 0.02,
    directory: "",
  });
  await using base = await makeBase("profile", directory);
  for (const [name, prepare] of Object.entries(WORKLOADS)) {
    if (!name.includes(only)) continue;
    const costs: Costs[] = [];
    for (const side of ["floor", "ours"] as const) {
      // perf takes a path with a comma for two.
      const path = `${base.path}/${name.replaceAll(/\W+/g, "-")}-${side}`;
      await Deno.mkdir(path);
      costs.push(await sample(path, await prepare(side, path), seconds));
      say(`sampled ${name}, ${side}`);
    }
    const [floor, ours] = costs as [Costs, Costs];
    console.log(`\n## ${name}\n\n${compare(floor, ours, least)}`);
  }
}

/** Lets one side work, and returns what an operation of it costs. */
async function sample(
  path: string,
  { command, work }: Sampled,
  seconds: number,
): Promise<Costs> {
  const file = `${path}/perf.data`;
  const control = `${path}/control`;
  await runProgram("mkfifo", [control]);
  const perf: Command = [
    "perf",
    "record",
    ...["--quiet", "--call-graph=fp", "--event=cpu-clock", "--freq=3000"],
    ...["--delay=-1", `--control=fifo:${control}`, `--output=${file}`, "--"],
    ...command,
  ];
  let operations: number;
  {
    await using child = new Child(perf);
    const sampling = () => Deno.writeTextFile(control, "enable\n");
    operations = await work(child, seconds, sampling);
  }
  const text = await runProgram("perf", [
    "script",
    `--input=${file}`,
    "--fields=comm,pid,tid,period,ip,sym,dso",
  ]);
  const costs = new Map<string, number>();
  const processes = new Set<string>();
  for (const block of text.split("\n\n")) {
    const [head, ...frames] = block.split("\n");
    const [, program, pid, tid, period] = HEAD.exec(head!)!;
    processes.add(pid!);
    const name = program === "deno" && pid === tid
      ? nameOf(frames.map((each) => FRAME.exec(each)!.slice(1)))
      : "other threads and processes";
    const spent = Number(period) / 1_000 / operations;
    costs.set(name, (costs.get(name) ?? 0) + spent);
  }
  // V8 writes them for perf, and leaves them.
  for (const pid of processes) {
    await Deno.remove(`/tmp/perf-${pid}.map`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  return costs;
}

/** Names what a sample counts for; the innermost frame is the first. */
function nameOf(frames: readonly (readonly string[])[]): string {
  const isKernel = frames[0]?.[1]?.includes("kernel");
  for (const [symbol = ""] of frames) {
    const call = isKernel ? SYSTEM_CALL.exec(symbol) : null;
    if (call !== null) return `system call ${call[1]}`;
    const found = isKernel ? null : FUNCTION.exec(symbol);
    if (found === null) continue;
    const [, name, url] = found as unknown as [string, string, string];
    return `${name || "(anonymous)"}, ${url.replace(ROOT, "")}`;
  }
  return isKernel ? "system, other" : "no function: server, loop, garbage";
}

/** Makes the table, what we take most above the floor first. */
function compare(floor: Costs, ours: Costs, least: number): string {
  const names = [...new Set([...ours.keys(), ...floor.keys()])];
  const rows = names.map((name) => {
    const [bare = 0, own = 0] = [floor.get(name), ours.get(name)];
    return { name, bare, own, more: own - bare };
  }).sort((a, b) => b.more - a.more);
  const isTold = ({ more }: { more: number }) => Math.abs(more) >= least;
  const total = (name: string, some: typeof rows) => ({
    name,
    bare: some.reduce((sum, { bare }) => sum + bare, 0),
    own: some.reduce((sum, { own }) => sum + own, 0),
    more: some.reduce((sum, { more }) => sum + more, 0),
  });
  const lines = [
    ...rows.filter(isTold),
    total("the rest", rows.filter((row) => !isTold(row))),
    total("all", rows),
  ];
  return table(
    ["µs an operation", "floor", "ours", "more"],
    lines.map(({ name, bare, own, more }) => [
      name,
      ...[bare, own, more].map((each) => each.toFixed(2)),
    ]),
  );
}
