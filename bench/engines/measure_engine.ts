import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { makeDataSet } from "../data_set.ts";
import { nameOf, scattered } from "../ids.ts";
import { say } from "../harness/benchmark.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import {
  inFlows,
  measureSpeeds,
  repeat,
  type Side,
  type TurnOptions,
} from "../harness/turns.ts";

const SIZE = 500;
const FLOWS = 32;
const FILLERS = 64;
const DAY = 24 * 60 * 60 * 1000;

/** An engine with a store on it, both open. */
export interface Engine {
  /** What it is called in the table. */
  readonly label: string;
  readonly store: SessionStore;
  /** How many sessions it can be filled with in a few minutes. */
  readonly most: number;
  /** Asks the engine by the store's own client for the JSON of a session. */
  bareGet(id: string): Promise<string> | string;
  /** How many bytes it takes for what it holds by now. */
  bytes(): Promise<number>;
  close?(): void | Promise<void>;
}

/** What it costs with so many sessions. */
export interface Point {
  readonly sessions: number;
  /** Bytes for each of them, all told. */
  readonly bytes: number;
  /** Loads per second, one after the other. */
  readonly load: number;
  /** In units of the engine's own get with `JSON.parse`. */
  readonly loadShareOfParsed: number;
  /** The same of 32 flows at once. */
  readonly loadOfMany: number;
  /** Missing in what was measured before 2026-11-28. */
  readonly loadOfManyShareOfParsed?: number;
  /** Loads with a touch that is due, per second. */
  readonly touch: number;
  readonly save: number;
  /** As a request does it: a load, and the update that follows. */
  readonly change: number;
  /** The same of 32 flows at once. */
  readonly changeOfMany: number;
}

/** What was found of one engine. */
export interface EngineResult {
  readonly label: string;
  readonly points: readonly Point[];
}

/**
 * Measures a store on its engine as the sessions become more.
 *
 * @param counts How many sessions there are, in ascending order.
 */
export async function measureEngine(
  engine: Engine,
  counts: readonly number[],
  options: TurnOptions,
): Promise<EngineResult> {
  const { label, store, most, bytes } = engine;
  await store.setup();
  const empty = await bytes();
  const points: Point[] = [];
  let filled = 0;
  for (const count of counts.filter((count) => count <= most)) {
    await inFlows(FILLERS, count - filled, (n) => {
      const mine = filled + n;
      return store.save(nameOf(mine), recordOf(mine));
    });
    filled = count;
    const size = (await bytes() - empty) / count;
    let step = 0;
    const next = () => scattered(++step) % count;
    const id = () => nameOf(next());
    const touch = () => true;
    const get = () => getBare(engine, id());
    const load = () => store.load(id());
    const change = () => changeOne(store, id());
    const speeds = await measureSpeeds([
      repeat(get),
      repeat(load),
      of32(get),
      of32(load),
      repeat(() => store.load(id(), { touch })),
      repeat(() => {
        const n = next();
        return store.save(nameOf(n), recordOf(n));
      }),
      repeat(change),
      of32(change),
    ], options);
    const [bare, loads, bareOfMany, loadsOfMany, ...rest] = speeds;
    const [touches, saves, changes, changesOfMany] = rest;
    points.push({
      sessions: count,
      bytes: size,
      load: median(loads!),
      loadShareOfParsed: medianRatio(loads!, bare!),
      loadOfMany: median(loadsOfMany!),
      loadOfManyShareOfParsed: medianRatio(loadsOfMany!, bareOfMany!),
      touch: median(touches!),
      save: median(saves!),
      change: median(changes!),
      changeOfMany: median(changesOfMany!),
    });
    say(`measured ${label} with ${count} sessions`);
  }
  return { label, points };
}

/** Asks the engine by the store's own client for a session. */
export function getBare({ bareGet }: Engine, id: string): unknown {
  const json = bareGet(id);
  if (typeof json === "string") return JSON.parse(json);
  return json.then((json) => JSON.parse(json));
}

/** What a request that changes its session does to the store. */
async function changeOne(store: SessionStore, id: string): Promise<void> {
  const found = await store.load(id);
  const kept = await store.update(id, (record) => ({
    ...record,
    data: { ...record.data, visits: Number(record.data.visits) + 1 },
  }));
  if (found === undefined || !kept) throw new Error(`Cannot find ${id}`);
}

const { record } = makeDataSet(SIZE, DAY);

/** Every session has a user of its own. */
function recordOf(n: number): SessionRecord {
  return { ...record, user: `customer-${n}@example.org` };
}

/** One side that has 32 flows at work at once. */
function of32(operate: () => unknown): Side {
  const operations = FLOWS * 20;
  return {
    operations,
    batch: async () => {
      const start = performance.now();
      await inFlows(FLOWS, operations, operate);
      return performance.now() - start;
    },
  };
}
