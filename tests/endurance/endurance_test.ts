/**
 * Mixed load on a directory and on SQLite, beside each other: nothing grows but
 * the number of requests, and each answer is what its visitor expects. For
 * seconds, to see that it works; `deno task soak --minutes 60` for so long.
 */

import { assert, assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { table } from "../../bench/harness/markdown.ts";
import type { Leak } from "./load.ts";
import {
  type Endurance,
  findGrowth,
  type Sample,
  STORES,
  watch,
} from "./watch.ts";

const { minutes } = parseArgs(Deno.args, {
  string: ["minutes"],
  default: { minutes: Deno.args.includes("soak") ? "60" : "0" },
});
const MINUTES = Number(minutes);
const IS_LONG = MINUTES > 0;

const BRIEF: Endurance = {
  seconds: 4,
  samples: 8,
  rate: 100,
  visitors: 20,
  leastRequests: 20,
};
const LONG: Endurance = {
  seconds: MINUTES * 60,
  samples: Math.max(8, Math.round(MINUTES)),
  rate: 150,
  visitors: 300,
  leastRequests: 0,
};
/** In seconds a process does not even have all its code in memory. */
const LONG_ONLY = "RSS, MiB: ";

const LEAKS: readonly (readonly [
  leak: Leak,
  store: typeof STORES[number],
  name: string,
])[] = [
  ["heap", "sqlite", "heap, MiB"],
  ["descriptors", "sqlite", "descriptors"],
  ["files", "directory", "temporary files"],
];

const isLinux = Deno.build.os === "linux";

Deno.test({
  name: "under mixed load nothing grows but the number of requests",
  ignore: !isLinux,
  fn: async () => {
    const results = await Promise.all(STORES.map(async (store) => {
      const samples = await watch(store, IS_LONG ? LONG : BRIEF, (sample) => {
        if (IS_LONG) console.log(`${store} ${JSON.stringify(sample)}`);
      });
      console.log(`${store}:\n${tabulate(samples)}`);
      return findGrowth(samples).filter((growth) =>
        IS_LONG || !growth.startsWith(LONG_ONLY)
      );
    }));
    assertEquals(results, STORES.map(() => []));
  },
});

for (const [leak, store, name] of LEAKS) {
  Deno.test({
    name: `a leak of ${leak} on purpose is found: ${name}`,
    ignore: !isLinux || IS_LONG,
    fn: async () => {
      const samples = await watch(store, { ...BRIEF, seconds: 2, leak });
      const growth = findGrowth(samples).map((text) => text.split(":", 1)[0]);
      assert(growth.includes(name), `found: ${growth}`);
    },
  });
}

/** Every figure at the first sample, in the middle and at the end. */
function tabulate(samples: readonly Sample[]): string {
  const middle = samples[samples.length >> 1]!;
  const round = (value: number) => String(Math.round(value * 10) / 10);
  const rows = Object.keys(samples[0]!).map((name) => {
    const values = samples.map((sample) => sample[name]!);
    const { [name]: half = 0 } = middle;
    const figures = [values[0]!, half, values.at(-1)!, Math.max(...values)];
    return [name, ...figures.map(round)];
  });
  return table(["", "first", "middle", "last", "most"], rows);
}
