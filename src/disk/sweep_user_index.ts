import { isShelfName, parseEntry, shelfPath, userIndexPath } from "./layout.ts";
import { listFiles, type ListOptions } from "./list_directory.ts";
import { system } from "./system.ts";
import { isStale, removeStaleEntry } from "./user_index.ts";

/** At 100,000 sessions of users, 6,000 entries. */
const MOST_SHELVES = 16;

/**
 * Removes entries of the index of users that are there for nothing, from a few
 * of its directories: the first is chosen at random, so that none is left out
 * for long. Anything else in there is somebody else's and stays.
 *
 * @param directory The directory of sessions.
 * @param options See there.
 */
export async function sweepUserIndex(
  directory: string,
  options: ListOptions,
): Promise<void> {
  try {
    const shelves = await listShelves(directory);
    const first = parseInt(system.random().slice(0, 8), 16);
    const count = Math.min(MOST_SHELVES, shelves.length);
    for (let n = 0; n < count; n++) {
      const shelf = shelves[(first + n) % shelves.length]!;
      await sweepShelf(directory, shelf, options);
    }
  } catch (error) {
    // As yet nobody has logged in, or somebody removes the index.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function listShelves(directory: string): Promise<string[]> {
  const entries = system.readDirectory(userIndexPath(directory));
  const shelves: string[] = [];
  for await (const { name, isDirectory } of entries) {
    if (isDirectory && isShelfName(name)) shelves.push(name);
  }
  return shelves.sort();
}

async function sweepShelf(
  directory: string,
  shelf: string,
  options: ListOptions,
): Promise<void> {
  for await (const name of listFiles(shelfPath(directory, shelf), options)) {
    const entry = parseEntry(name);
    // One that is not where its tag belongs is none of ours.
    if (!entry?.tag.startsWith(shelf)) continue;
    if (isStale(directory, entry)) removeStaleEntry(directory, entry);
  }
}
