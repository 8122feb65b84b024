import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { makeDataSet } from "../data_set.ts";
import { Floors } from "../floors.ts";
import { alternate, type AlternateOptions, repeat } from "./alternate.ts";
import {
  type Chart,
  type ChartPoint,
  type MemoryPoint,
  toPoint,
} from "./chart.ts";
import { FilledDirectories } from "./filled_directories.ts";
import { measureMemory } from "./memory.ts";

const MINUTES = 60;
const HOUR = 60 * 60 * 1000;
const STEPS = 1 << 16;
/** Above it a cleanup takes minutes, and is run once. */
const MANY = 200_000;

/** What {@linkcode measureFiles} found. */
export interface FilesResult {
  readonly charts: readonly Chart[];
  readonly memory: readonly MemoryPoint[];
}

/**
 * Measures what an operation costs as the directory grows. The store and the
 * bare calls have a directory each, with as many files, and both walk over all
 * of theirs at random.
 *
 * @param base A directory to work in.
 * @param options How long, and `counts`: of files, in ascending order.
 */
export async function measureFiles(
  base: string,
  options: AlternateOptions & { readonly counts: readonly number[] },
): Promise<FilesResult> {
  const chart = (title: string, yTitle: string): Chart => ({
    title,
    xTitle: "files in the directory",
    yTitle,
    points: [],
  });
  const load = chart("Load", "µs per load");
  const save = chart("Save", "µs per save");
  const cleanNone = chart("Cleanup, none old", "µs per file");
  const cleanHalf = chart("Cleanup, half old", "µs per file");
  const memory: MemoryPoint[] = [];

  const { record } = makeDataSet(500);
  const ours = `${base}/ours`;
  const bare = `${base}/bare`;
  await Deno.mkdir(ours, { mode: 0o700 });
  await Deno.mkdir(bare, { mode: 0o700 });
  const store = new DirectorySessionStore(ours);
  await store.setup();
  const floors = new Floors(bare);
  const directories = new FilledDirectories(ours, bare, store, record);

  for (const count of options.counts) {
    await directories.fill(count);
    const [next, nextBare] = [directories.walk(STEPS), directories.walk(STEPS)];
    const loads = await alternate([
      repeat(() => store.load(next())),
      repeat(() => floors.load(nextBare())),
    ], options);
    load.points.push(toPoint(count, loads[0]!, loads[1]));
    const saves = await alternate([
      repeat(() => {
        const id = next();
        return store.save(id, directories.recordOf(id));
      }),
      repeat(() => {
        const id = nextBare();
        floors.save(id, directories.recordOf(id));
      }),
    ], options);
    save.points.push(toPoint(count, saves[0]!, saves[1]));

    const rounds = count > MANY ? 1 : options.rounds;
    const clean = async (old: number): Promise<ChartPoint> => {
      const [ourSpeeds, bareSpeeds]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        await directories.fill(count);
        if (old > 0) directories.ageHalf(Date.now() - 2 * HOUR);
        const start = performance.now();
        const { deleted } = await store.deleteOldSessions(MINUTES);
        const between = performance.now();
        const deletedBare = await cleanBare(bare, floors);
        const end = performance.now();
        if (deleted !== old || deletedBare !== old) {
          throw new Error(
            `Cannot measure: ${deleted} and ${deletedBare} of ${old} old files were deleted`,
          );
        }
        ourSpeeds.push(1_000 * count / (between - start));
        bareSpeeds.push(1_000 * count / (end - between));
      }
      return toPoint(count, ourSpeeds, bareSpeeds);
    };
    cleanNone.points.push(await clean(0));
    for (const act of ["entries", "deleteOldSessions"] as const) {
      memory.push(await measureMemory(ours, act, count));
    }
    cleanHalf.points.push(await clean(Math.ceil(count / 2)));
    console.error(`measured ${count} files`);
  }
  return { charts: [load, save, cleanNone, cleanHalf], memory };
}

/** What a cleanup cannot do without: list, read all, remove the old. */
async function cleanBare(directory: string, floors: Floors): Promise<number> {
  const oldest = Date.now() - MINUTES * 60 * 1000;
  let deleted = 0;
  let isDue = false;
  const look = (lastAccess: number) => {
    isDue = lastAccess < oldest;
    return false;
  };
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.endsWith(".json")) continue;
    const id = name.slice(0, -".json".length);
    floors.loadAndTouch(id, look);
    if (!isDue) continue;
    floors.delete(id);
    deleted++;
  }
  return deleted;
}
