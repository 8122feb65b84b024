/*
 * What does a session cost on each engine, how near is the store to the
 * engine's own get, and how does that change as sessions become many?
 *
 * Each engine is started for it on this machine, with fsync as its store's
 * documentation says, and asked by the same client for the same bytes: store
 * and bare get take turns, A B A B. Writes engines.md and engines.json.
 *
 *   --sessions 1000,100000  how many there are, in ascending order
 *   --rounds 5              how many rounds count; one more warms up
 *   --milliseconds 200      how long a turn lasts
 *   --only NAME             directory, sqlite, kv, redis or postgres
 *   --output DIR            where the results go; bench/results by default
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path/from-file-url";
import { describeMachine } from "../machine.ts";
import { ENGINES } from "./engines.ts";
import { measureEngine } from "./measure_engine.ts";
import { type Results, toMarkdown } from "./to_markdown.ts";

if (import.meta.main) {
  const { sessions, rounds, milliseconds, only, output } = parseArgs(
    Deno.args,
    {
      string: ["sessions", "rounds", "milliseconds", "only", "output"],
      default: {
        sessions: "1000,100000",
        rounds: "5",
        milliseconds: "200",
        output: fromFileUrl(new URL("../results", import.meta.url)),
      },
    },
  );
  const counts = sessions.split(",").map(Number);
  const options = {
    counts,
    rounds: Number(rounds),
    turn: Number(milliseconds),
  };
  const base = await Deno.makeTempDir({ prefix: "latchkey-engines-" });
  const results: Results = {
    date: new Date().toISOString().slice(0, 10),
    machine: await describeMachine(base),
    engines: [],
    skipped: [],
  };
  try {
    for (const [name, start] of Object.entries(ENGINES)) {
      if (only !== undefined && only !== name) continue;
      const directory = `${base}/${name}`;
      await Deno.mkdir(directory);
      const started = await start(directory);
      if (typeof started === "string") {
        results.skipped.push(`${name}: ${started}`);
        continue;
      }
      await using engine = started;
      results.engines.push(await measureEngine(engine, options));
      await write(output, results);
    }
  } finally {
    await Deno.remove(base, { recursive: true });
  }
  console.log(`\n${toMarkdown(results)}`);
}

/** Writes what there is so far, lest an engine that fails takes it along. */
async function write(directory: string, results: Results): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/engines.md`, toMarkdown(results));
  await Deno.writeTextFile(
    `${directory}/engines.json`,
    `${JSON.stringify(results, null, 2)}\n`,
  );
}
