/*
 * What does a session cost on each engine, how near is the store to the
 * engine's own get, and how does that change as sessions become many?
 *
 * Each engine is started for it on this machine, with fsync as its store's
 * documentation says, and asked by the same client for the same bytes: store
 * and bare get take turns, A B A B. Writes engines.md and engines.json.
 *
 * 2026-11-28, Deno 2.9.6, ext4, 2 cores for engine and client: a load has of the
 * speed of the engine's own get with `JSON.parse`, alone and in 32 flows, 0.91 and
 * 0.91 (SQLite), 0.86 and 0.88 (Deno KV), 0.96 and 0.81 (Redis), 0.90 and 0.88
 * (PostgreSQL), in 9 rounds of 400 ms among 1,000.
 * SQLite does the most loads and changes a second, Redis the most changes in 32
 * flows.
 *
 *   --sessions 1000,100000  how many there are, in ascending order
 *   --rounds 5              how many rounds count; one more warms up
 *   --milliseconds 200      how long a turn lasts
 *   --only NAME             directory, sqlite, kv, redis or postgres
 *   --directory, --output, --render: see runBenchmark()
 */
import {
  circumstances,
  count,
  document,
  exact,
  table,
} from "../harness/markdown.ts";
import { type Results, runBenchmark } from "../harness/benchmark.ts";
import { ENGINES } from "./engines.ts";
import {
  type EngineResult,
  measureEngine,
  type Point,
} from "./measure_engine.ts";

interface EnginesResults extends Results {
  readonly engines: readonly EngineResult[];
}

const COLUMNS: readonly (readonly [string, (point: Point) => string])[] = [
  ["sessions", ({ sessions }) => exact(sessions)],
  ["bytes each", ({ bytes }) => count(bytes)],
  ["load", ({ load, loadShareOfParsed }) => share(load, loadShareOfParsed)],
  [
    "load, 32 flows",
    ({ loadOfMany, loadOfManyShareOfParsed }) =>
      share(loadOfMany, loadOfManyShareOfParsed),
  ],
  ["load and touch", ({ touch }) => count(touch)],
  ["save", ({ save }) => count(save)],
  ["load and update", ({ change }) => count(change)],
  ["the same, 32 flows", ({ changeOfMany }) => count(changeOfMany)],
];

if (import.meta.main) {
  await runBenchmark({
    name: "engines",
    options: {
      sessions: "1000,100000",
      rounds: 5,
      milliseconds: 200,
      only: "",
    },
    async measure(base, { sessions, rounds, milliseconds, only }, skip) {
      const counts = sessions.split(",").map(Number);
      const engines: EngineResult[] = [];
      for (const [name, start] of Object.entries(ENGINES)) {
        if (only !== "" && only !== name) continue;
        const directory = `${base}/${name}`;
        await Deno.mkdir(directory);
        try {
          const engine = await start(directory);
          await using stack = new AsyncDisposableStack();
          stack.defer(() => engine.close?.());
          const options = { rounds, turn: milliseconds };
          engines.push(await measureEngine(engine, counts, options));
        } catch (error) {
          // The others are measured all the same.
          skip(name, error);
        }
      }
      return { engines };
    },
    toMarkdown,
  });
}

function toMarkdown(results: EnginesResults): string {
  const { engines, skipped } = results;
  const others = skipped.map(({ name, reason }) => `${name}: ${reason}`);
  return document([
    "# What a session costs on each engine",
    `${
      circumstances(results)
    }; engine and client on this machine. Sessions of ` +
    "500 B, each with a user of its own. Operations per second, the middle " +
    "of the rounds; in brackets in units of the engine's own get of the same " +
    "bytes by the same client, with `JSON.parse`.",
    table(
      ["store", ...COLUMNS.map(([title]) => title)],
      engines.flatMap(({ label, points }) =>
        points.map((point) => [
          label,
          ...COLUMNS.map(([, cell]) => cell(point)),
        ])
      ),
    ),
    others.length === 0 ? "" : `Not measured: ${others.join("; ")}.`,
  ]);
}

function share(speed: number, ratio: number | undefined): string {
  return ratio === undefined
    ? count(speed)
    : `${count(speed)} (${ratio.toFixed(2)})`;
}
