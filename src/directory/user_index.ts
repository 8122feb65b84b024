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
 *   again, one that removes or tidies leaves the entry to the cleaner. So does one
 *   that cannot tidy for another reason: the record is there, or gone.
 * - Where the lock may not be opened, since another user made it, a login makes no
 *   entry: a search misses its session, which is better than no login.
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
 * anyway, makes missing entries; but no files where it does not own the
 * directory, because the owner could not use them. It follows no link in the
 * index, and sets the time of its lock files, so that a program that removes old
 * files spares them.
 */
import { hasOtherTag, readTag } from "../core/codec.ts";
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
import { type LockedFile, openLocked, underLockOf } from "./file_lock.ts";
import { skip, skipForbidden } from "./forbidden.ts";
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

/** What is told when an entry cannot be removed. */
const TIDY = "tidy up the index of users";

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
  const tag = readTag(bytes);
  if (tag === before) return publish();
  const result = tag === undefined
    ? publish()
    : publishUnder(context, { tag, id }, publish);
  // The tag of a record that was replaced, or that was not published.
  const rest = result === true ? before : result === false ? tag : undefined;
  if (rest !== undefined) {
    context.warnings.attempt(
      TIDY,
      () => removeStaleEntries(context, [{ tag: rest, id }]),
    );
  }
  return result;
}

/**
 * Removes a record, then its entry if it has a user.
 *
 * @param context Where the session is.
 * @param id The session ID.
 * @param tag The tag in the record, if it has one.
 * @param remove Removes the record, whose lock is held.
 */
export function removeIndexed(
  context: DirectoryContext,
  id: string,
  tag: string | undefined,
  remove: () => void,
): void {
  if (tag === undefined) {
    remove();
    return;
  }
  const { directory, warnings } = context;
  const locked = warnings.attempt(TIDY, () => lockBucket(context, tag));
  try {
    remove();
    if (locked === undefined) return;
    const path = entryPath(directory, { tag, id });
    warnings.attempt(TIDY, () => removeIfThere(path));
  } finally {
    locked?.[Symbol.dispose]();
  }
}

/**
 * Streams the IDs of the sessions that have an entry of a tag; none when the
 * index is missing.
 *
 * @param context The directory of sessions.
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
  const bucket = bucketPath(directory, tag);
  try {
    for await (const name of listFiles(bucket, options)) {
      const entry = parseEntry(name);
      if (entry?.tag === tag) yield entry.id;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) checkStillThere(context);
    else skip(context, bucket, error);
  }
}

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
 * @param mayMakeFiles Tells whether files may be made; called if one is needed.
 */
export function makeMissingEntry(
  context: DirectoryContext,
  entry: UserEntry,
  mayMakeFiles: () => boolean,
): void {
  const { directory } = context;
  if (system.exists(entryPath(directory, entry))) return;
  if (isElsewhere(context, entry.tag)) return;
  const lock = bucketLockPath(directory, entry.tag);
  if (!system.exists(lock) && !mayMakeFiles()) return;
  const open = () => openBucketLock(context, entry.tag);
  const file = skipForbidden(context, lock, open);
  if (file === undefined) return;
  try {
    linkEntry(directory, entry, file, mayMakeFiles);
  } finally {
    system.close(file);
  }
}

/**
 * Removes the entries of sessions that were deleted, unless there are such
 * sessions again.
 *
 * @param context The directory of sessions.
 * @param entries The entries, some of which may be missing.
 * @param options Ends it early.
 */
export async function removeEntries(
  context: DirectoryContext,
  entries: readonly UserEntry[],
  { signal, onPause }: ListOptions,
): Promise<void> {
  const pacer = new Pacer(onPause);
  const { directory } = context;
  const byBucket = Map.groupBy(
    entries,
    ({ tag }) => bucketPath(directory, tag),
  );
  for (const shared of byBucket.values()) {
    if (isElsewhere(context, shared[0]!.tag)) continue;
    while (shared.length > 0) {
      if (pacer.isDue) await pacer.pause();
      signal?.throwIfAborted();
      removeStaleEntries(context, shared.splice(-MOST_AT_ONCE));
    }
  }
}

/**
 * Removes stale entries from a few buckets, and sets the time of all lock files to
 * now. The first bucket is chosen at random, so that none is left out for long.
 * Other names in there are left.
 *
 * @param context The directory of sessions.
 * @param options Ends it early.
 */
export async function sweepUserIndex(
  context: DirectoryContext,
  options: ListOptions,
): Promise<void> {
  try {
    const buckets = await listBuckets(context);
    const first = parseInt(system.random().slice(0, 8), 16);
    for (const n of buckets.keys()) {
      const bucket = buckets[(first + n) % buckets.length]!;
      if (isElsewhere(context, bucket)) continue;
      if (n < MOST_BUCKETS) await sweepBucket(context, bucket, options);
      refreshLock(context, bucket);
    }
  } catch (error) {
    // No user has signed in yet, or the index is being removed.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Streams the stale entries of all buckets, see {@linkcode isStale}.
 *
 * @param context The directory of sessions.
 * @param options Ends the listing early.
 */
export async function* listStaleEntries(
  context: DirectoryContext,
  options: ListOptions,
): AsyncGenerator<UserEntry> {
  const { directory } = context;
  if (!system.exists(userIndexPath(directory))) return;
  for (const bucket of await listBuckets(context)) {
    if (isElsewhere(context, bucket)) continue;
    try {
      for await (const entry of listBucket(context, bucket, options)) {
        if (isStale(context, entry)) yield entry;
      }
    } catch (error) {
      skip(context, bucketPath(directory, bucket), error);
    }
  }
}

/** Streams the entries of a bucket. */
async function* listBucket(
  { directory }: DirectoryContext,
  bucket: string,
  options: ListOptions,
): AsyncGenerator<UserEntry> {
  for await (const name of listFiles(bucketPath(directory, bucket), options)) {
    const entry = parseEntry(name);
    // A name that is not in the bucket of its tag is not an entry.
    if (entry?.tag.startsWith(bucket)) yield entry;
  }
}

function refreshLock(context: DirectoryContext, bucket: string): void {
  const path = bucketLockPath(context.directory, bucket);
  const file = skipForbidden(context, path, () => openRegular(path)?.file);
  if (file === undefined) return;
  try {
    refresh(file, path, context.warnings);
  } finally {
    system.close(file);
  }
}

async function listBuckets(context: DirectoryContext): Promise<string[]> {
  const path = userIndexPath(context.directory);
  const buckets: string[] = [];
  try {
    for await (const { name, isDirectory } of system.readDirectory(path)) {
      if (isDirectory && isBucketName(name)) buckets.push(name);
    }
  } catch (error) {
    skip(context, path, error);
  }
  return buckets.sort();
}

/**
 * Tells whether a bucket's name, or its lock's, leads elsewhere, as the index's may,
 * or the bucket may not be opened.
 */
function isElsewhere(context: DirectoryContext, bucket: string): boolean {
  const { directory } = context;
  const lock = bucketLockPath(directory, bucket);
  const look = () => isLink(bucketPath(directory, bucket)) || isLink(lock);
  return skipForbidden(context, lock, look) ?? true;
}

function isLink(path: string): boolean {
  try {
    return system.lstat(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function sweepBucket(
  context: DirectoryContext,
  bucket: string,
  options: ListOptions,
): Promise<void> {
  try {
    for await (const entry of listBucket(context, bucket, options)) {
      if (isStale(context, entry)) removeStaleEntries(context, [entry]);
    }
  } catch (error) {
    skip(context, bucketPath(context.directory, bucket), error);
  }
}

/**
 * Removes those of some entries that are stale, none if the lock is held or may not
 * be opened.
 *
 * @param context The directory of sessions.
 * @param entries Entries of one bucket, which may be missing.
 */
export function removeStaleEntries(
  context: DirectoryContext,
  entries: readonly UserEntry[],
): void {
  const [first] = entries;
  if (first === undefined) return;
  using locked = lockBucket(context, first.tag);
  if (locked === undefined) return;
  for (const entry of entries) {
    if (!isStale(context, entry)) continue;
    removeIfThere(entryPath(context.directory, entry));
  }
}

/** Takes the lock of a bucket, if it is there, free, and may be opened. */
function lockBucket(
  context: DirectoryContext,
  tag: string,
): LockedFile | undefined {
  const path = bucketLockPath(context.directory, tag);
  const open = () => openLocked(path, true, context.warnings);
  const locked = skipForbidden(context, path, open);
  return locked === AGAIN ? undefined : locked;
}

/**
 * Tells whether an entry is stale, as far as that can be seen without a lock:
 * its session is missing, or has another tag. It opens one file at most. A file
 * that is being written over is in doubt, and its entry not stale, see
 * `hasOtherTag`.
 *
 * @param context The directory of sessions.
 * @param entry The entry.
 */
export function isStale(
  context: DirectoryContext,
  { tag, id }: UserEntry,
): boolean {
  const path = sessionPath(context.directory, id);
  // To open what is missing takes ten times as long.
  if (!system.exists(path)) return true;
  const open = () => [isLink(path) ? undefined : openRegular(path)];
  const found = skipForbidden(context, path, open, id);
  if (found === undefined) return false;
  const [opened] = found;
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
  const { directory, durability, warnings } = context;
  const path = bucketLockPath(directory, entry.tag);
  const open = () => openBucketLock(context, entry.tag);
  const lock = skipForbidden(context, path, open);
  if (lock === undefined) return publish();
  try {
    return underLockOf(lock, false, warnings, () => {
      if (!linkEntry(directory, entry, lock)) return AGAIN;
      if (durability === "power") {
        syncDirectory(bucketPath(directory, entry.tag));
      }
      return publish();
    });
  } catch (error) {
    discardEntry(context, entry);
    throw error;
  }
}

/** Makes an entry, unless it is there; `false` when its bucket is missing. */
function linkEntry(
  directory: string,
  entry: UserEntry,
  lock: Deno.FsFile,
  mayMakeFiles = () => true,
): boolean {
  const path = entryPath(directory, entry);
  try {
    if (system.fstat(lock).nlink! < MOST_LINKS) {
      system.link(bucketLockPath(directory, entry.tag), path);
    } else if (mayMakeFiles()) makeIfMissing(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  return true;
}

/** Removes an entry after an error that the caller is to see. */
function discardEntry(context: DirectoryContext, entry: UserEntry): void {
  try {
    removeStaleEntries(context, [entry]);
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
