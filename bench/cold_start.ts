/*
 * How long does a fresh process take, to import the package and to answer its first
 * request?
 *
 * The package's import is compared with that of its `node:` modules alone; the
 * server of `bench:http` with those beside it, from the start of the process until
 * the answer that gives a new session its cookie is there. They take turns.
 *
 *   --rounds 15         how many turns of each count; one more warms up
 *   --directory DIR     where the sessions are; a temporary one by default
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { makeBase, readOptions, say } from "./harness/benchmark.ts";
import { runProgram } from "./harness/child.ts";
import { table } from "./harness/markdown.ts";
import { median, medianRatio } from "./harness/statistics.ts";
import { takeTurns } from "./harness/turns.ts";
import { CONTESTANTS } from "./http/contestants.ts";
import { prepareServer, type Server } from "./http/servers.ts";
import { makeVisits, type Ports } from "./http/visitors.ts";

const NODE_MODULES = ["node:crypto", "node:fs", "node:zlib"];

if (import.meta.main) {
  const { rounds, directory } = readOptions({ rounds: 15, directory: "" });
  await using base = await makeBase("start", directory);
  const sides = new Map<string, () => Promise<number>>([
    ["empty module", () => importAlone([])],
    ["its node: modules", importNode],
    ["import of mod.ts", importPackage],
  ]);
  for (const contestant of CONTESTANTS) {
    try {
      const server = await prepareServer(contestant, base.path);
      sides.set(`server: ${contestant.name}`, () => answerOnce(server));
    } catch (error) {
      say(`skipped ${contestant.name}: ${error}`);
    }
  }
  console.log(await measure(sides, rounds));
}

/** Makes a table of how long they take. */
async function measure(
  sides: ReadonlyMap<string, () => Promise<number>>,
  rounds: number,
): Promise<string> {
  const names = [...sides.keys()];
  const turns = await takeTurns(
    names,
    rounds + 1,
    (name) => sides.get(name)!(),
  );
  const timesOf = (name: string) => turns.get(name)!.slice(1);
  return table(
    ["", "ms", "of its node: modules", "of our server"],
    names.map((name) => [
      name,
      median(timesOf(name)).toFixed(0),
      medianRatio(timesOf(name), timesOf("its node: modules")).toFixed(2),
      medianRatio(timesOf(name), timesOf("server: @latchkey/session"))
        .toFixed(2),
    ]),
  );
}

/** Starts a server and lets it make a session; returns how many ms that took. */
async function answerOnce(server: Server): Promise<number> {
  const start = performance.now();
  await using process = server.start();
  const { make } = await process.next<Ports>();
  const response = await fetch(`http://127.0.0.1:${make}/`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(makeVisits()[0]),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`Cannot start: ${response.status}`);
  return performance.now() - start;
}

/** Runs a process that imports the package and ends; returns its ms. */
export function importPackage(): Promise<number> {
  return importAlone([import.meta.resolve("../mod.ts")]);
}

/** The same with only the modules of Node that the package imports. */
export function importNode(): Promise<number> {
  return importAlone(NODE_MODULES);
}

async function importAlone(specifiers: readonly string[]): Promise<number> {
  const config = fromFileUrl(import.meta.resolve("../deno.json"));
  const code = specifiers.map((each) => `import "${each}";`).join("");
  const args = ["eval", "--quiet", "--no-check", `--config=${config}`, code];
  const start = performance.now();
  await runProgram(Deno.execPath(), args);
  return performance.now() - start;
}
