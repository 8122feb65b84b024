import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { makeDataSet } from "../data_set.ts";
import { Floors } from "../floors.ts";
import type { AlternateOptions } from "./alternate.ts";
import type { Chart } from "./chart.ts";
import { median, medianRatio } from "../median.ts";

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
 * @param options How long, and `flows`: how many at once.
 */
export async function measureFlows(
  base: string,
  options: AlternateOptions & { readonly flows: readonly number[] },
): Promise<Chart[]> {
  const path = `${base}/flows`;
  await Deno.mkdir(path, { mode: 0o700 });
  const store = new DirectorySessionStore(path);
  const floors = new Floors(path);
  const { ids, record, walk } = makeDataSet(500);
  for (const id of ids) {
    await store.save(id, record);
    floors.create(id, record);
  }
  const [next, nextBare] = [walk(), walk()];
  const [turn, turnBare] = [saveEvery(SAVE_EVERY), saveEvery(SAVE_EVERY)];
  const ours = () => turn() ? store.save(next(), record) : store.load(next());
  const bare = () =>
    turnBare() ? floors.save(nextBare(), record) : floors.load(nextBare());

  const xTitle = "flows at once";
  const speed: Chart = {
    title: "Mixed, 90 loads to 10 saves",
    xTitle,
    yTitle: "operations per second",
    points: [],
  };
  const longest: Chart = {
    title: "The longest wait of a flow",
    xTitle,
    yTitle: "milliseconds",
    points: [],
  };
  const { rounds } = options;
  for (const flows of options.flows) {
    const [runs, bareRuns]: [Run[], Run[]] = [[], []];
    for (let round = -1; round < rounds; round++) {
      const run = await letFlow(flows, options.turn, ours);
      const bareRun = await letFlow(flows, options.turn, bare);
      if (round < 0) continue;
      runs.push(run);
      bareRuns.push(bareRun);
    }
    const [speeds, bareSpeeds] = [runs, bareRuns]
      .map((all) => all.map((each) => each.speed)) as [number[], number[]];
    const [waits, bareWaits] = [runs, bareRuns]
      .map((all) => all.map((each) => each.longest)) as [number[], number[]];
    speed.points.push({
      x: flows,
      ours: median(speeds),
      floor: median(bareSpeeds),
      ratio: medianRatio(speeds, bareSpeeds),
      rounds,
    });
    longest.points.push({
      x: flows,
      ours: median(waits),
      floor: median(bareWaits),
      ratio: medianRatio(bareWaits, waits),
      rounds,
    });
    console.error(`measured ${flows} flows`);
  }
  await Deno.remove(path, { recursive: true });
  return [speed, longest];
}

function saveEvery(period: number): () => boolean {
  let step = 0;
  return () => step++ % period === 0;
}

async function letFlow(
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
