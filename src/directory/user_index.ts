/*
 * Which sessions a user has, as names, so that whoever looks for them need not
 * open the sessions of everybody:
 *
 *   .users/e7/e7207273-<session ID>     an entry: the tag of his name, a session
 *   .users/e7/.lock                     the lock of these entries
 *
 * An entry is a hint where to look, and proves nothing: whoever looks opens the
 * session and reads whose it is. Entries may be there for nothing, but
 *
 *   where a record with a user is behind its name, the entry of his tag is there
 *
 * at every instant, whoever is killed. The lock (flock, under the rules of
 * file_lock.ts) keeps that:
 *
 *   publish  lock, shared · make the entry, if it is missing · [sync its
 *            directory] · publish the record · unlock
 *   remove   lock, exclusive · remove the record · remove the entry · unlock;
 *            of many, as the cleaner does: remove the records · tidy
 *   tidy     lock, exclusive · is the session missing or, beyond doubt, of another
 *            tag? · remove the entry · unlock
 *
 * In brackets: with `durability: "power"`. So nobody removes an entry while
 * somebody is between it and his record, and whoever comes later makes it anew.
 * That is why no entry is too young to be removed: an age would be a guess how
 * long a login takes, by a clock that can jump. Nor will the session's own lock
 * do, since a session that is missing has none.
 *
 * - A lock that is held is not waited for here: who publishes starts again, who
 *   removes or tidies leaves the entry to the cleaner.
 * - A record that replaces one with the same tag, under the session's lock,
 *   needs none of this: the entry is there. Only a login makes one.
 * - The entry of a tag that a record has no more is tidied up after it. Left for
 *   nothing are those of who was killed in between, or found the lock held; and
 *   of a `save` of a record without a user, which does not read what it replaces.
 *   The cleaner removes them, see sweep_user_index.ts.
 * - An entry is a hard link to the lock file: a file of its own would cost an
 *   inode, for which ext4 searches half a millisecond when many were deleted in
 *   the last minute. It becomes one when there are too many links.
 *
 * The rule holds for what was published by it. A power loss that outran the
 * disk, a backup without `.users`, a directory from before there was an index:
 * then a session may have no entry. The cleaner, who reads the head of every
 * session in any case, makes what is missing; not the directories for it where
 * he is not their owner, who could then not use them.
 */
import { hasOtherTag, readTag } from "../core/codec.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { underLock, underLockOf } from "./file_lock.ts";
import {
  listFiles,
  type ListOptions,
  makeIfMissing,
  openExisting,
  openRegular,
  removeIfThere,
  syncDirectory,
} from "../system/files.ts";
import { AGAIN, type Again, Pacer } from "../system/waiting.ts";
import {
  bucketLockPath,
  bucketPath,
  entryPath,
  isBucketName,
  parseEntry,
  sessionPath,
  type UserEntry,
  userIndexPath,
} from "./layout.ts";
import { checkStillThere } from "./prepare_directory.ts";
import { readOnce } from "./read_file.ts";
import { system } from "../system/system.ts";

/** Every file system has room for so many: ext4 for 65,000, ext3 for 32,000. */
const MOST_LINKS = 30_000;

/** A record on its way to its name. */
export interface Publication<T> {
  /** The session ID. */
  readonly id: string;
  /** The record, encoded. */
  readonly bytes: Uint8Array;
  /** The tag in the record that is replaced, if that is known, under its lock. */
  readonly before: string | undefined;
  /** Puts it there; `true` when it is. */
  readonly put: () => T;
}

/**
 * Publishes a record, its entry first if it has a user.
 *
 * @param context Where the session is.
 * @param publication What is published.
 * @returns What `put` returned; {@linkcode AGAIN} when the entry was locked.
 */
export function publishIndexed<T extends boolean | Again>(
  context: DirectoryContext,
  { id, bytes, before, put }: Publication<T>,
): T | Again {
  const { directory } = context;
  const tag = readTag(bytes);
  if (tag === before) return put();
  const result = tag === undefined
    ? put()
    : putUnder(context, { tag, id }, put);
  // The record has another tag now, or is not the one that was there.
  const rest = result === true ? before : result === false ? tag : undefined;
  if (rest !== undefined) removeStaleEntries(directory, [{ tag: rest, id }]);
  return result;
}

/**
 * Removes a record, then its entry if it has a user.
 *
 * @param directory The directory of sessions.
 * @param id The session ID.
 * @param tag The tag in the record, if it has one.
 * @param remove Removes the record, which is held under its lock.
 */
export function removeIndexed(
  directory: string,
  id: string,
  tag: string | undefined,
  remove: () => void,
): void {
  const isDone = tag !== undefined &&
    underLock(bucketLockPath(directory, tag), true, () => {
      remove();
      removeIfThere(entryPath(directory, { tag, id }));
      return true;
    });
  if (isDone !== true) remove();
}

/**
 * Removes entries, but those whose sessions have this tag, or may have, and all
 * if the lock is held.
 *
 * @param directory The directory of sessions.
 * @param entries Entries under one lock, which may be missing.
 */
export function removeStaleEntries(
  directory: string,
  entries: readonly UserEntry[],
): void {
  const [first] = entries;
  if (first === undefined) return;
  underLock(bucketLockPath(directory, first.tag), true, () => {
    for (const entry of entries) {
      if (isStale(directory, entry)) removeIfThere(entryPath(directory, entry));
    }
  });
}

/**
 * Tells whether an entry is there for nothing, as far as that can be seen
 * without a lock, for one open file at most. Bytes that are written over
 * meanwhile are in doubt, see `hasOtherTag`.
 *
 * @param directory The directory of sessions.
 * @param entry The entry.
 */
export function isStale(directory: string, { tag, id }: UserEntry): boolean {
  const path = sessionPath(directory, id);
  // What is missing takes ten times as long to open.
  if (!system.exists(path)) return true;
  const opened = openRegular(path);
  if (opened === undefined) return true;
  const { file } = opened;
  try {
    return hasOtherTag(id, readOnce(file), tag);
  } finally {
    system.close(file);
  }
}

/**
 * Makes an entry that is missing, for a session that was seen to have the tag.
 *
 * @param context Where the session is.
 * @param entry The entry.
 */
export function makeMissingEntry(
  context: DirectoryContext,
  entry: UserEntry,
): void {
  const { directory, isOwner } = context;
  if (system.exists(entryPath(directory, entry))) return;
  const isMade = system.exists(bucketLockPath(directory, entry.tag));
  if (!isMade && !isOwner) return;
  const file = openBucketLock(context, entry.tag);
  try {
    linkEntry(directory, entry, file);
  } finally {
    system.close(file);
  }
}

/**
 * Streams the IDs of the sessions that have an entry of a tag; none when the
 * index is missing.
 *
 * @param directory The directory of sessions.
 * @param tag Made by `userTag`, of a user.
 * @param options See there.
 * @throws {SessionDirectoryError} If the directory of sessions is gone.
 */
export async function* listTagged(
  directory: string,
  tag: string,
  options: ListOptions,
): AsyncGenerator<string> {
  try {
    for await (const name of listFiles(bucketPath(directory, tag), options)) {
      const entry = parseEntry(name);
      if (entry?.tag === tag) yield entry.id;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    checkStillThere(directory);
  }
}

function putUnder<T>(
  context: DirectoryContext,
  entry: UserEntry,
  put: () => T,
): T | Again {
  const { directory, durability } = context;
  try {
    return underLockOf(openBucketLock(context, entry.tag), false, (file) => {
      if (!linkEntry(directory, entry, file)) return AGAIN;
      if (durability === "power") {
        syncDirectory(bucketPath(directory, entry.tag));
      }
      return put();
    });
  } catch (error) {
    discardEntry(directory, entry);
    throw error;
  }
}

/** Makes an entry, unless it is there; `false` when its directory is gone. */
function linkEntry(
  directory: string,
  entry: UserEntry,
  lock: Deno.FsFile,
): boolean {
  const path = entryPath(directory, entry);
  try {
    if (system.fstat(lock).nlink! < MOST_LINKS) {
      system.link(bucketLockPath(directory, entry.tag), path);
    } else {
      makeIfMissing(path);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  return true;
}

/** Removes an entry on the way out with an error, of which the caller must hear. */
function discardEntry(directory: string, entry: UserEntry): void {
  try {
    removeStaleEntries(directory, [entry]);
  } catch {
    // As broken as what brought us here; the cleaner collects it.
  }
}

function openBucketLock(context: DirectoryContext, tag: string): Deno.FsFile {
  const path = bucketLockPath(context.directory, tag);
  const file = openExisting(path, true);
  if (file !== undefined) return file;
  makeBucket(context, tag);
  return system.open(path, { read: true, write: true });
}

function makeBucket(context: DirectoryContext, tag: string): void {
  const { directory, durability } = context;
  checkStillThere(directory);
  makeDirectory(userIndexPath(directory));
  makeDirectory(bucketPath(directory, tag));
  makeIfMissing(bucketLockPath(directory, tag));
  // Its own name will be on the disk with that of the session.
  if (durability === "power") syncDirectory(userIndexPath(directory));
}

function makeDirectory(path: string): void {
  try {
    system.makeDirectory(path, false);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  // The umask may have taken rights of the owner's own.
  system.changeMode(path, 0o700);
}

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
