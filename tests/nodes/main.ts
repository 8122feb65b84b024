/**
 * Task `nodes`: three servers of one application behind a proxy, on an engine of
 * their own, under load, while nodes fail, versions and secrets change and users
 * are revoked. Prints a table; ends with 1 when an answer was wrong.
 *
 * `--seconds 60` is the length of a phase, `--engine redis` or `postgres` chooses
 * one, `--event 2` the events by their number, from 1; several may be given.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import type { EngineName } from "./engines.ts";
import { EVENTS } from "./events.ts";
import { runNodes } from "./run.ts";
import { describe, tabulate } from "./table.ts";

const { seconds, engine, event } = parseArgs(Deno.args, {
  string: ["seconds", "engine", "event"],
  collect: ["engine", "event"],
  default: { seconds: "60" },
});
const engines = engine.length > 0 ? engine : ["redis", "postgres"];
let isRight = true;
for (const name of engines) {
  const result = await runNodes({
    engine: name as EngineName,
    events: event.length > 0
      ? event.map((n: string) => EVENTS[Number(n) - 1]!)
      : EVENTS,
    seconds: Number(seconds),
    visitors: 400,
    onPhase: (phase) => console.error(JSON.stringify(phase)),
  });
  console.log(
    `\n## ${name}\n\n${tabulate(result.phases)}\n\n${describe(result)}`,
  );
  isRight &&= result.violations.length === 0;
}
Deno.exit(isRight ? 0 : 1);
