/**
 * Nodes under load, in short; `deno task nodes` is the same for longer. Of the
 * engines the commit chooses one.
 */

import { assert, assertEquals } from "@std/assert";
import { missing as missingPostgres } from "../engines/postgres_server.ts";
import { missingRedis } from "../engines/redis_server.ts";
import { takeShare } from "../share.ts";
import { EVENTS } from "./events.ts";
import { runNodes } from "./run.ts";
import { describe, tabulate } from "./table.ts";

const ENGINES = [
  ["redis", missingRedis],
  ["postgres", missingPostgres],
] as const;

for (const [engine, missing] of takeShare(ENGINES)) {
  Deno.test({
    name:
      `three servers on ${engine} lose no session, revive none and mistake none, whatever fails`,
    ignore: missing !== undefined,
    fn: async () => {
      const result = await runNodes({
        engine,
        events: EVENTS,
        seconds: 6,
        visitors: 60,
      });
      console.log(`${tabulate(result.phases)}\n${describe(result)}`);
      assertEquals(result.violations, []);
      assert(result.compared > 1_000, `${result.compared} answers`);
    },
  });
}
