/*
 * A directory of sessions, drawn:
 *
 *   sessions/                                            0700
 *     .latchkey                                          0600  the marker: this is a directory of ours; the cleaner's lock; its mtime: when one began
 *     0f3c…e1                                            0600  a session, named by its ID
 *     .tmp-001763629200000-5d0a…9b                       0600  being written: birth in ms, 64 random bits
 *     0f3c…e1.bad                                        0600  was unreadable, set aside for inspection
 *     .lock-0f3c…e1                                      0600  empty; there while an exclusive request of that session is at work
 *     .users/                                            0700  the index of users
 *       e7/                                              0700  a bucket: the tags that begin with these two characters
 *         .lock                                          0600  empty; the lock of this bucket
 *         e7207273-0f3c…e1                               0600  an entry: the tag of a user, one of the user's sessions
 *
 * Any other name is not ours and is never opened, counted or removed. No name of
 * ours but a session's is a session ID, because of the dots. No name carries a
 * process number: in a container every process is number 1.
 */
import { TAG_LENGTH } from "../core/codec.ts";
import { isSessionId } from "../core/token.ts";

/** Up to 39 bytes the kernel keeps a name in place; earlier versions took 53. */
const TEMPORARY = /^\.tmp-(\d{15})-[0-9a-f]{16}(?:[0-9a-f]{16})?$/;
const QUARANTINE = ".bad";
const LOCK = ".lock-";
const BUCKET = /^[0-9a-f]{2}$/;
const TAGGED = /^[0-9a-f]{8}-/;
const BUCKET_LENGTH = 2;

/**
 * Names the file of a session.
 *
 * @param directory The directory of sessions.
 * @param id A session ID; the caller has checked that it is one.
 */
export function sessionPath(directory: string, id: string): string {
  return `${directory}/${id}`;
}

/** Names the file that an unreadable session file is set aside as, one per ID. */
export function quarantinePath(directory: string, id: string): string {
  return sessionPath(directory, id) + QUARANTINE;
}

/** Tells whether a name is one that {@linkcode quarantinePath} makes. */
export function isQuarantineName(name: string): boolean {
  return name.endsWith(QUARANTINE) &&
    isSessionId(name.slice(0, -QUARANTINE.length));
}

/** Names the marker of a directory of sessions, which is also its cleaner's lock. */
export function markerPath(directory: string): string {
  return `${directory}/.latchkey`;
}

/**
 * Names a temporary file as no other process will ever name one.
 *
 * @param directory The directory of sessions: a rename is atomic only within one file system.
 * @param now When it is born, in ms since the epoch.
 * @param random 64 random bits as 16 hex characters.
 */
export function temporaryPath(
  directory: string,
  now: number,
  random: string,
): string {
  const birth = String(now).padStart(15, "0");
  return `${directory}/.tmp-${birth}-${random}`;
}

/**
 * Reads the birth of a temporary file off its name. Its mtime will not do: if
 * its maker was killed between link and unlink, the file is also a session, which
 * may be touched for years.
 *
 * @returns Milliseconds since the epoch; `undefined` for any other name.
 */
export function temporaryBirth(name: string): number | undefined {
  const birth = TEMPORARY.exec(name)?.[1];
  return birth === undefined ? undefined : Number(birth);
}

/**
 * Names the lock file of a session.
 *
 * @param directory The directory of sessions.
 * @param id A session ID; the caller has checked that it is one.
 */
export function lockPath(directory: string, id: string): string {
  return `${directory}/${LOCK}${id}`;
}

/** Tells whether a name is one that {@linkcode lockPath} makes. */
export function isLockName(name: string): boolean {
  return name.startsWith(LOCK) && isSessionId(name.slice(LOCK.length));
}

/** Names the directory of the index of users, see `user_index.ts`. */
export function userIndexPath(directory: string): string {
  return `${directory}/.users`;
}

/** Names the bucket of the index in which the entries of a tag are. */
export function bucketPath(directory: string, tag: string): string {
  return `${userIndexPath(directory)}/${tag.slice(0, BUCKET_LENGTH)}`;
}

/** Names the lock file of that bucket. */
export function bucketLockPath(directory: string, tag: string): string {
  return `${bucketPath(directory, tag)}/.lock`;
}

/** Tells whether a name is one that {@linkcode bucketPath} makes. */
export function isBucketName(name: string): boolean {
  return BUCKET.test(name);
}

/** An entry of the index of users: a session of a user with this tag. */
export interface UserEntry {
  /** Made by `userTag`, of a user. */
  readonly tag: string;
  /** The session ID. */
  readonly id: string;
}

/** Names the file of an entry. */
export function entryPath(directory: string, { tag, id }: UserEntry): string {
  return `${bucketPath(directory, tag)}/${tag}-${id}`;
}

/** Reads the name of an entry; `undefined` for any other name. */
export function parseEntry(name: string): UserEntry | undefined {
  if (!TAGGED.test(name)) return undefined;
  const tag = name.slice(0, TAG_LENGTH);
  const id = name.slice(TAG_LENGTH + 1);
  return isSessionId(id) ? { tag, id } : undefined;
}
