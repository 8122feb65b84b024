/** Reads the index of users of a directory of sessions, and adds entries to it. */

import { decodeTag } from "../src/core/codec.ts";
import { isSessionId } from "../src/core/token.ts";
import {
  bucketLockPath,
  bucketPath,
  entryPath,
  parseEntry,
  type UserEntry,
  userIndexPath,
} from "../src/directory/layout.ts";

/** The index and the sessions, compared. */
export interface IndexState {
  /** The names of all entries, sorted. */
  readonly entries: readonly string[];
  /** The missing entries: there must never be one. */
  readonly missing: readonly string[];
  /** The stale entries. */
  readonly stale: readonly string[];
}

/**
 * Compares the index of a directory with its sessions.
 *
 * @param directory The directory, which no process uses at the same time.
 */
export function describeIndex(directory: string): IndexState {
  const buckets = list(userIndexPath(directory)).filter((name) =>
    /^[0-9a-f]{2}$/.test(name)
  );
  const entries = buckets.flatMap((bucket) =>
    list(bucketPath(directory, bucket))
  )
    .filter((name) => parseEntry(name) !== undefined).sort();
  const due = list(directory).filter(isSessionId).flatMap((id) => {
    const tag = readTagOf(`${directory}/${id}`, id);
    return tag === undefined ? [] : [`${tag}-${id}`];
  });
  return {
    entries,
    missing: due.filter((name) => !entries.includes(name)),
    stale: entries.filter((name) => !due.includes(name)),
  };
}

/**
 * Adds an entry, whether the session exists or not.
 *
 * @param directory The directory of sessions.
 * @param entry The entry.
 * @param at The time at which it was added.
 */
export function putEntry(
  directory: string,
  entry: UserEntry,
  at: Date = new Date(),
): void {
  const lock = bucketLockPath(directory, entry.tag);
  const bucket = bucketPath(directory, entry.tag);
  Deno.mkdirSync(bucket, { recursive: true, mode: 0o700 });
  Deno.writeFileSync(lock, new Uint8Array(), { mode: 0o600 });
  Deno.linkSync(lock, entryPath(directory, entry));
  Deno.utimeSync(lock, at, at);
}

function readTagOf(path: string, id: string): string | undefined {
  return Deno.lstatSync(path).isFile
    ? decodeTag(id, Deno.readFileSync(path))
    : undefined;
}

function list(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
