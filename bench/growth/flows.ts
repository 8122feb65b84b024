import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { makeDataSet } from "../data_set.ts";
import { Floors } from "../floors.ts";
import { makePrivate, say } from "../harness/benchmark.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import { takeTurns, type TurnOptions } from "../harness/turns.ts";
import type { Chart } from "./chart.ts";

const FLOWS = [1, 3, 10, 32, 100, 320, 1_000];

/** A tenth of the operations saves, the others load. */
const SAVE_EVERY = 10;

interface Run {
  /** Operations per second, all flows together. */
  readonly speed: number;
  /** The longest time between two answers that one flow got, in milliseconds. */
  readonly longest: number;
}

/**
 * Measures what many flows of one process get done at once, nine loads to one
 * save, over 1,000 sessions of 500 B.
 *
 * @param base A directory to work in.
 */
export async function measureFlows(
  base: string,
  { rounds, turn }: TurnOptions,
): Promise<Chart[]> {
  const path = await makePrivate(`${base}/flows`);
  const store = new DirectorySessionStore(path);
  const floors = new Floors(path);
  const { ids, record, walk } = makeDataSet(500);
  for (const id of ids) {
    await store.save(id, record);
    floors.create(id, record);
  }
  const mixed = (
    save: (id: string) => unknown,
    load: (id: string) => unknown,
  ) => {
    const next = walk();
    let step = 0;
    return () => (step++ % SAVE_EVERY === 0 ? save : load)(next());
  };
  const sides = [
    mixed((id) => store.save(id, record), (id) => store.load(id)),
    mixed((id) => floors.save(id, record), (id) => floors.load(id)),
  ];
  const chart = (title: string, yTitle: string): Chart => ({
    title,
    xTitle: "flows at once",
    yTitle,
    points: [],
  });
  const speed = chart("Mixed, 90 loads to 10 saves", "operations per second");
  const longest = chart("The longest wait of a flow", "milliseconds");
  for (const flows of FLOWS) {
    const runs = await takeTurns(
      sides,
      rounds + 1,
      (operate) => runFlows(flows, turn, operate),
    );
    const of = (key: keyof Run) =>
      [...runs.values()].map((each) =>
        each.slice(1).map((run) => run[key])
      ) as [
        number[],
        number[],
      ];
    const point = (
      [ours, floor]: [number[], number[]],
      ratio: number,
    ) => ({
      x: flows,
      ours: median(ours),
      floor: median(floor),
      ratio,
      rounds,
    });
    const [speeds, waits] = [of("speed"), of("longest")];
    speed.points.push(point(speeds, medianRatio(...speeds)));
    longest.points.push(point(waits, medianRatio(waits[1], waits[0])));
    say(`measured ${flows} flows`);
  }
  return [speed, longest];
}

async function runFlows(
  flows: number,
  milliseconds: number,
  operate: () => unknown,
): Promise<Run> {
  const start = performance.now();
  const end = start + milliseconds;
  let done = 0;
  let longest = 0;
  await Promise.all(Array.from({ length: flows }, async () => {
    let before = performance.now();
    do {
      await operate();
      const now = performance.now();
      longest = Math.max(longest, now - before);
      before = now;
      done++;
    } while (before < end);
  }));
  return { speed: 1_000 * done / (performance.now() - start), longest };
}
