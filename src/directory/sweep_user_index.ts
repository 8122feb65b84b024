import {
  bucketPath,
  isBucketName,
  parseEntry,
  type UserEntry,
  userIndexPath,
} from "./layout.ts";
import { listFiles, type ListOptions } from "../system/list_directory.ts";
import { Pacer } from "../system/waiting.ts";
import { system } from "../system/system.ts";
import { isStale, removeStaleEntries } from "./user_index.ts";

/** At 100,000 sessions of users, 6,000 entries. */
const MOST_BUCKETS = 16;

/** Entries that are removed under one lock: who logs in starts again meanwhile. */
const MOST_AT_ONCE = 32;

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
    const buckets = await listBuckets(directory);
    const first = parseInt(system.random().slice(0, 8), 16);
    const count = Math.min(MOST_BUCKETS, buckets.length);
    for (let n = 0; n < count; n++) {
      const bucket = buckets[(first + n) % buckets.length]!;
      await sweepBucket(directory, bucket, options);
    }
  } catch (error) {
    // As yet nobody has logged in, or somebody removes the index.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Removes the entries of sessions that were removed, unless they are back.
 *
 * @param directory The directory of sessions.
 * @param entries The entries, some of which may be missing.
 * @param options See there.
 */
export async function removeEntries(
  directory: string,
  entries: readonly UserEntry[],
  { signal, onPause }: ListOptions,
): Promise<void> {
  const pacer = new Pacer(onPause);
  const byBucket = Map.groupBy(
    entries,
    ({ tag }) => bucketPath(directory, tag),
  );
  for (const shared of byBucket.values()) {
    while (shared.length > 0) {
      if (pacer.isDue) await pacer.pause();
      signal?.throwIfAborted();
      removeStaleEntries(directory, shared.splice(-MOST_AT_ONCE));
    }
  }
}

async function listBuckets(directory: string): Promise<string[]> {
  const entries = system.readDirectory(userIndexPath(directory));
  const buckets: string[] = [];
  for await (const { name, isDirectory } of entries) {
    if (isDirectory && isBucketName(name)) buckets.push(name);
  }
  return buckets.sort();
}

async function sweepBucket(
  directory: string,
  bucket: string,
  options: ListOptions,
): Promise<void> {
  for await (const name of listFiles(bucketPath(directory, bucket), options)) {
    const entry = parseEntry(name);
    // One that is not where its tag belongs is none of ours.
    if (!entry?.tag.startsWith(bucket)) continue;
    if (isStale(directory, entry)) removeStaleEntries(directory, [entry]);
  }
}
