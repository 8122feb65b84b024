import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { makeDataSet } from "../data_set.ts";
import { alternate, repeat, type Side } from "../growth/alternate.ts";
import { median, medianRatio } from "../median.ts";

const SIZE = 500;
const FLOWS = 32;
const FILLERS = 64;
const DAY = 24 * 60 * 60 * 1000;
const ODD = 0x9e3779b1;

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
}

/** What it costs with so many sessions. */
export interface Point {
  readonly sessions: number;
  /** Bytes for each of them, all told. */
  readonly bytes: number;
  /** Loads per second, one after the other. */
  readonly load: number;
  /** In units of the bare get, and of that with `JSON.parse`. */
  readonly loadShare: number;
  readonly loadShareOfParsed: number;
  /** The same of 32 flows at once. */
  readonly loadOfMany: number;
  readonly loadOfManyShare: number;
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

/** What {@linkcode measureEngine} takes. */
export interface EngineOptions {
  readonly counts: readonly number[];
  readonly rounds: number;
  /** In milliseconds. */
  readonly turn: number;
}

/**
 * Measures a store on its engine as the sessions become more.
 *
 * @param engine The engine.
 * @param options See there.
 */
export async function measureEngine(
  { label, store, most, bareGet, bytes }: Engine,
  { counts, ...options }: EngineOptions,
): Promise<EngineResult> {
  await store.setup();
  const empty = await bytes();
  const points: Point[] = [];
  let filled = 0;
  for (const count of counts.filter((count) => count <= most)) {
    await fill(store, filled, count);
    filled = count;
    const size = (await bytes() - empty) / count;
    let step = 0;
    const next = () => Math.imul(++step, ODD) >>> 0;
    const id = () => idOf(next() % count);
    const touch = () => true;
    const bare = [repeat(() => bareGet(id())), of32(() => bareGet(id()))];
    const parsed = repeat(async () => JSON.parse(await bareGet(id())));
    const load = [repeat(() => store.load(id())), of32(() => store.load(id()))];
    const change = () => changeOne(store, id());
    const speeds = await alternate([
      bare[0]!,
      load[0]!,
      bare[1]!,
      load[1]!,
      repeat(() => store.load(id(), { touch })),
      repeat(() => {
        const n = next() % count;
        return store.save(idOf(n), recordOf(n));
      }),
      repeat(change),
      of32(change),
      parsed,
    ], options);
    points.push({
      sessions: count,
      bytes: size,
      load: median(speeds[1]!),
      loadShare: medianRatio(speeds[1]!, speeds[0]!),
      loadShareOfParsed: medianRatio(speeds[1]!, speeds[8]!),
      loadOfMany: median(speeds[3]!),
      loadOfManyShare: medianRatio(speeds[3]!, speeds[2]!),
      touch: median(speeds[4]!),
      save: median(speeds[5]!),
      change: median(speeds[6]!),
      changeOfMany: median(speeds[7]!),
    });
    console.error(`measured ${label} with ${count} sessions`);
  }
  return { label, points };
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

async function fill(
  store: SessionStore,
  from: number,
  to: number,
): Promise<void> {
  let n = from;
  await Promise.all(Array.from({ length: FILLERS }, async () => {
    while (n < to) {
      const mine = n++;
      await store.save(idOf(mine), recordOf(mine));
    }
  }));
}

const { record } = makeDataSet(SIZE, { idleTimeout: DAY });

/** Every session has a user of its own. */
function recordOf(n: number): SessionRecord {
  return { ...record, user: `customer-${n}@example.org` };
}

function idOf(n: number): string {
  // Ones that follow each other lie far apart, as random ones do.
  const scattered = Math.imul(n + 1, ODD) >>> 0;
  const head = scattered.toString(16).padStart(8, "0");
  return `${head}${n.toString(16).padStart(24, "0")}`;
}

/** One side that has 32 flows at work at once. */
function of32(operate: () => unknown): Side {
  return {
    operations: FLOWS * 20,
    batch: async () => {
      const start = performance.now();
      await Promise.all(Array.from({ length: FLOWS }, async () => {
        for (let n = 0; n < 20; n++) await operate();
      }));
      return performance.now() - start;
    },
  };
}
