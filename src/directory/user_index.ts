/*
 * Which sessions a user has, as names, so that a search for them need not open
 * the sessions of all users:
 *
 *   .users/e7/e7207273-<session ID>     an entry: the tag of a user, a session
 *   .users/e7/.lock                     the lock of the entries in this bucket
 *
 * An entry is a hint where to look, and proves nothing: a search opens the
 * session and reads whose it is. An entry may be stale, but
 *
 *   where a record with a user is behind its name, the entry of its tag is there
 *
 * at every instant, whichever process is killed. The lock (flock, under the rules
 * of file_lock.ts) keeps that:
 *
 *   publish  lock, shared · make the entry, if it is missing · [sync its bucket]
 *            · publish the record · unlock
 *   remove   lock, exclusive · remove the record · remove the entry · unlock;
 *            of many sessions, as the cleaner does: remove the records · tidy
 *   tidy     lock, exclusive · is the session missing, or known to have another
 *            tag? · remove the entry · unlock
 *
 * In brackets: with `durability: "power"`. So no process removes an entry while
 * another is between the entry and its record; one that comes later makes the
 * entry again. That is why an entry of any age may be removed: a least age would
 * be a guess how long a login takes, by a clock that can jump. The session's own
 * lock would not do, since a missing session has none.
 *
 * - A lock that is held is not waited for here: a process that publishes starts
 *   again, one that removes or tidies leaves the entry to the cleaner.
 * - A record that replaces one with the same tag, under the session's lock, needs
 *   none of this: the entry is there. Only a login makes one.
 * - When a record's tag changes, the entry of the old tag is tidied up after it.
 *   Stale entries are left by a process that was killed in between, or found the
 *   lock held; and by a `save` of a record without a user, which does not read
 *   what it replaces. The cleaner removes them: of the sessions that it deleted,
 *   and in a sweep through a few buckets.
 * - An entry is a hard link to the lock file: a file of its own would cost an
 *   inode, for which ext4 searches half a millisecond when many were deleted in
 *   the last minute. It is a file of its own when the lock file has too many links.
 *
 * The rule holds for records that were published by it. After a power loss, in a
 * backup without `.users`, or in a directory from before there was an index, a
 * session may have no entry. The cleaner, which reads the head of every session
 * anyway, makes missing entries; but no buckets where it does not own the
 * directory, because the owner could not use them. It follows no link in the
 * index, and writes the time of its lock files, so that a program that removes
 * old files spares them.
 */
import { hasOtherTag, readTag } from "../core/codec.ts";
import type { Warnings } from "../core/warnings.ts";
import {
  listFiles,
  type ListOptions,
  makeIfMissing,
  openExisting,
  openRegular,
  removeIfThere,
  syncDirectory,
} from "../system/files.ts";
import { system } from "../system/system.ts";
import { AGAIN, type Again, Pacer } from "../system/waiting.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { underLock, underLockOf } from "./file_lock.ts";
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
import { refresh } from "./prepare_cleanup.ts";
import { checkStillThere } from "./prepare_directory.ts";
import { readOnce } from "./read_file.ts";

/** Every file system has room for so many: ext4 for 65,000, ext3 for 32,000. */
const MOST_LINKS = 30_000;

/** Buckets in one sweep: at 100,000 sessions of users, 6,000 entries. */
const MOST_BUCKETS = 16;

/** Entries that are removed under one lock: a login has to wait for it. */
const MOST_AT_ONCE = 32;

/**
 * Publishes a record, its entry first if it has a user.
 *
 * @param context Where the session is.
 * @param id The session ID.
 * @param bytes The record, encoded.
 * @param before The tag in the record that is replaced, if that is known, under
 * the session's lock.
 * @param publish Puts the record behind its name; `true` when it is there.
 * @returns What `publish` returned; {@linkcode AGAIN} when the lock of the entry
 * was held.
 */
export function publishIndexed<T extends boolean | Again>(
  context: DirectoryContext,
  id: string,
  bytes: Uint8Array,
  before: string | undefined,
  publish: () => T,
): T | Again {
  const { directory } = context;
  const tag = readTag(bytes);
  if (tag === before) return publish();
  const result = tag === undefined
    ? publish()
    : publishUnder(context, { tag, id }, publish);
  // The tag of a record that was replaced, or that was not published.
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
 * @param remove Removes the record, whose lock is held.
 */
export function removeIndexed(
  directory: string,
  id: string,
  tag: string | undefined,
  remove: () => void,
): void {
  const isDone = tag !== undefined &&
    underLock(bucketLockPath(directory, tag), () => {
      remove();
      removeIfThere(entryPath(directory, { tag, id }));
      return true;
    });
  if (isDone !== true) remove();
}

/**
 * Streams the IDs of the sessions that have an entry of a tag; none when the
 * index is missing.
 *
 * @param context Where the sessions are.
 * @param tag The tag of a user, made by `userTag`.
 * @param options Ends the listing early.
 * @throws {SessionDirectoryError} If the directory of sessions is missing.
 */
export async function* listTagged(
  context: DirectoryContext,
  tag: string,
  options: ListOptions,
): AsyncGenerator<string> {
  const { directory } = context;
  try {
    for await (const name of listFiles(bucketPath(directory, tag), options)) {
      const entry = parseEntry(name);
      if (entry?.tag === tag) yield entry.id;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    checkStillThere(context);
  }
}

/**
 * Decides whether the work on the index goes on after an error.
 *
 * @param path What it is about: the lock file of a bucket, or the index.
 * @param error The error.
 * @throws It, if it is not about that alone.
 */
type OnIndexError = (path: string, error: unknown) => void;

/**
 * Tells whether the name of the index leads elsewhere, as its owner could make it
 * to lead a cleaner of another user astray.
 *
 * @param directory The directory of sessions.
 */
export function isIndexElsewhere(directory: string): boolean {
  return isLink(userIndexPath(directory));
}

/**
 * Makes an entry that is missing, for a session that was seen to have the tag.
 *
 * @param context Where the session is.
 * @param entry The entry.
 * @param mayMakeBuckets Tells whether a bucket may be made; not called without need.
 */
export function makeMissingEntry(
  context: DirectoryContext,
  entry: UserEntry,
  mayMakeBuckets: () => boolean,
): void {
  const { directory } = context;
  if (system.exists(entryPath(directory, entry))) return;
  if (isLink(bucketPath(directory, entry.tag))) return;
  const isMade = system.exists(bucketLockPath(directory, entry.tag));
  if (!isMade && !mayMakeBuckets()) return;
  const file = openBucketLock(context, entry.tag);
  try {
    linkEntry(directory, entry, file);
  } finally {
    system.close(file);
  }
}

/**
 * Removes the entries of sessions that were deleted, unless there are such
 * sessions again.
 *
 * @param directory The directory of sessions.
 * @param entries The entries, some of which may be missing.
 * @param options Ends it early.
 * @param onError Is given the errors of a bucket.
 */
export async function removeEntries(
  directory: string,
  entries: readonly UserEntry[],
  { signal, onPause }: ListOptions,
  onError: OnIndexError,
): Promise<void> {
  const pacer = new Pacer(onPause);
  const byBucket = Map.groupBy(
    entries,
    ({ tag }) => bucketPath(directory, tag),
  );
  for (const [bucket, shared] of byBucket) {
    if (isLink(bucket)) continue;
    while (shared.length > 0) {
      if (pacer.isDue) await pacer.pause();
      signal?.throwIfAborted();
      const some = shared.splice(-MOST_AT_ONCE);
      try {
        removeStaleEntries(directory, some);
      } catch (error) {
        onError(bucketLockPath(directory, some[0]!.tag), error);
      }
    }
  }
}

/**
 * Removes stale entries from a few buckets, and sets the time of all lock files to
 * now. The first bucket is chosen at random, so that none is left out for long.
 * Other names in there are left.
 *
 * @param directory The directory of sessions.
 * @param options Ends it early.
 * @param warnings Is told of times that cannot be set.
 * @param onError Is given the errors of a bucket.
 */
export async function sweepUserIndex(
  directory: string,
  options: ListOptions,
  warnings: Warnings,
  onError: OnIndexError,
): Promise<void> {
  let buckets: string[];
  try {
    buckets = await listBuckets(directory);
  } catch (error) {
    // No user has signed in yet.
    if (error instanceof Deno.errors.NotFound) return;
    onError(userIndexPath(directory), error);
    return;
  }
  const first = parseInt(system.random().slice(0, 8), 16);
  for (const n of buckets.keys()) {
    const bucket = buckets[(first + n) % buckets.length]!;
    const lock = bucketLockPath(directory, bucket);
    try {
      if (n < MOST_BUCKETS) await sweepBucket(directory, bucket, options);
      refreshLock(lock, warnings);
    } catch (error) {
      // The index is being removed.
      if (error instanceof Deno.errors.NotFound) return;
      options.signal?.throwIfAborted();
      onError(lock, error);
    }
  }
}

function refreshLock(path: string, warnings: Warnings): void {
  if (isLink(path)) return;
  const opened = openRegular(path);
  if (opened === undefined) return;
  try {
    refresh(opened.file, path, warnings);
  } finally {
    system.close(opened.file);
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
    // A name that is not in the bucket of its tag is not an entry.
    if (!entry?.tag.startsWith(bucket)) continue;
    if (isStale(directory, entry)) removeStaleEntries(directory, [entry]);
  }
}

/**
 * Removes those of some entries that are stale, none if the lock is held.
 *
 * @param directory The directory of sessions.
 * @param entries Entries of one bucket, which may be missing.
 */
export function removeStaleEntries(
  directory: string,
  entries: readonly UserEntry[],
): void {
  const [first] = entries;
  if (first === undefined) return;
  underLock(bucketLockPath(directory, first.tag), () => {
    for (const entry of entries) {
      if (isStale(directory, entry)) removeIfThere(entryPath(directory, entry));
    }
  });
}

/**
 * Tells whether an entry is stale, as far as that can be seen without a lock:
 * its session is missing, or has another tag. It opens one file at most. A file
 * that is being written over is in doubt, and its entry not stale, see
 * `hasOtherTag`.
 *
 * @param directory The directory of sessions.
 * @param entry The entry.
 */
export function isStale(directory: string, { tag, id }: UserEntry): boolean {
  const path = sessionPath(directory, id);
  // To open what is missing takes ten times as long.
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

function publishUnder<T>(
  context: DirectoryContext,
  entry: UserEntry,
  publish: () => T,
): T | Again {
  const { directory, durability } = context;
  try {
    return underLockOf(openBucketLock(context, entry.tag), false, (file) => {
      if (!linkEntry(directory, entry, file)) return AGAIN;
      if (durability === "power") {
        syncDirectory(bucketPath(directory, entry.tag));
      }
      return publish();
    });
  } catch (error) {
    discardEntry(directory, entry);
    throw error;
  }
}

function isLink(path: string): boolean {
  try {
    return system.lstat(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Makes an entry, unless it is there; `false` when its bucket is missing. */
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

/** Removes an entry after an error that the caller is to see. */
function discardEntry(directory: string, entry: UserEntry): void {
  try {
    removeStaleEntries(directory, [entry]);
  } catch {
    // This fails for the same reason; the cleaner collects the entry.
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
  checkStillThere(context);
  makeDirectory(userIndexPath(directory));
  makeDirectory(bucketPath(directory, tag));
  makeIfMissing(bucketLockPath(directory, tag));
  // The index's own name is synced with that of the session.
  if (durability === "power") syncDirectory(userIndexPath(directory));
}

function makeDirectory(path: string): void {
  try {
    system.makeDirectory(path, false);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  // The umask may have taken the owner's own rights.
  system.changeMode(path, 0o700);
}
