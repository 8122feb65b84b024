import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { Floors } from "../floors.ts";
import { makePrivate, say } from "../harness/benchmark.ts";
import { takeTurns, type TurnOptions } from "../harness/turns.ts";
import {
  type Chart,
  type ChartPoint,
  measurePoint,
  type MemoryPoint,
  toPoint,
} from "./chart.ts";
import { FilledDirectories } from "./filled_directories.ts";
import { measureMemory } from "./memory.ts";

const FILES = [1_000, 10_000, 100_000, 1_000_000];
const MINUTES = 60;
const HOUR = 60 * 60 * 1000;
const STEPS = 1 << 16;
/** Above it a cleanup takes minutes, and is run once. */
const MANY = 200_000;

/**
 * Measures what an operation costs as the directory grows. The store and the
 * bare calls have a directory each, with as many files, and both walk over all
 * of theirs at random.
 *
 * @param base A directory to work in.
 * @param most The most files.
 */
export async function measureFiles(
  base: string,
  most: number,
  options: TurnOptions,
): Promise<{ charts: readonly Chart[]; memory: readonly MemoryPoint[] }> {
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

  const ours = await makePrivate(`${base}/ours`);
  const bare = await makePrivate(`${base}/bare`);
  const store = new DirectorySessionStore(ours);
  await store.setup();
  const floors = new Floors(bare);
  const directories = new FilledDirectories(ours, bare, store);

  for (const count of FILES.filter((count) => count <= most)) {
    await directories.fill(count);
    const [next, nextBare] = [directories.walk(STEPS), directories.walk(STEPS)];
    const loadOurs = () => store.load(next());
    const loadBare = () => floors.load(nextBare());
    await measurePoint(load, count, loadOurs, loadBare, options);
    const saveOurs = () => {
      const id = next();
      return store.save(id, directories.recordOf(id));
    };
    const saveBare = () => {
      const id = nextBare();
      floors.save(id, directories.recordOf(id));
    };
    await measurePoint(save, count, saveOurs, saveBare, options);

    const cleanOurs = async () =>
      (await store.deleteOldSessions(MINUTES)).deleted;
    const cleaners = [cleanOurs, () => cleanBare(bare, floors)];
    const clean = async (old: number): Promise<ChartPoint> => {
      const rounds = count > MANY ? 1 : options.rounds;
      const speeds = await takeTurns(cleaners, rounds, async (clean) => {
        if (clean === cleanOurs) {
          await directories.fill(count);
          if (old > 0) directories.ageHalf(Date.now() - 2 * HOUR);
        }
        const start = performance.now();
        const deleted = await clean();
        const spent = performance.now() - start;
        if (deleted === old) return 1_000 * count / spent;
        throw new Error(`Cannot measure: ${deleted} of ${old} were deleted`);
      });
      const [ourSpeeds, bareSpeeds] = speeds.values();
      return toPoint(count, ourSpeeds!, bareSpeeds);
    };
    cleanNone.points.push(await clean(0));
    for (const act of ["entries", "deleteOldSessions"] as const) {
      memory.push(await measureMemory(ours, act, count));
    }
    cleanHalf.points.push(await clean(Math.ceil(count / 2)));
    say(`measured ${count} files`);
  }
  return { charts: [load, save, cleanNone, cleanHalf], memory };
}

/** What a cleanup cannot do without: list, read all, remove the old. */
async function cleanBare(directory: string, floors: Floors): Promise<number> {
  const oldest = Date.now() - MINUTES * 60 * 1000;
  let deleted = 0;
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.endsWith(".json")) continue;
    const id = name.slice(0, -".json".length);
    floors.load(id);
    const { mtime } = Deno.lstatSync(`${directory}/${name}`);
    if (mtime!.getTime() >= oldest) continue;
    floors.delete(id);
    deleted++;
  }
  return deleted;
}
