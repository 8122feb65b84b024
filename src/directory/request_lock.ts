/*
 * The lock of a request that has a session to itself. It cannot be the lock of
 * the session's file: that is held for microseconds, and each save puts another
 * file in its place. It is the lock (flock) of one of a fixed set of empty files,
 * see layout.ts. Beside the rules of file_lock.ts:
 *
 * - It is taken before the lock of a session's file, never while that is held: a
 *   process that holds a file's lock waits for nothing. So two processes cannot
 *   wait for each other, unless one request takes two of these.
 * - Lock files are made when they are first needed, and never removed: the lock
 *   of a removed file excludes no process that comes later.
 * - A request that does not want a session to itself never looks at them.
 */
import { makeIfMissing } from "../system/files.ts";
import {
  AGAIN,
  type Again,
  retryUntilFree,
  type WaitOptions,
} from "../system/waiting.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { type LockedFile, openHeld } from "./file_lock.ts";
import { checkStillThere } from "./prepare_directory.ts";

/**
 * Takes the lock of a lock file, which is made if it is missing.
 *
 * @param context The directory that it is in.
 * @param waitOptions Which file it is, and how long to wait.
 * @returns The locked file.
 * @throws {SessionLockTimeoutError} If the lock does not become free in time.
 * @throws {SessionDirectoryError} If the directory is missing.
 */
export async function lockForRequest(
  context: DirectoryContext,
  waitOptions: WaitOptions,
): Promise<LockedFile> {
  return await retryUntilFree(
    () => tryLock(waitOptions.path, context),
    waitOptions,
  );
}

function tryLock(
  path: string,
  context: DirectoryContext,
): LockedFile | Again {
  const held = openHeld(path);
  if (held !== undefined) return held;
  checkStillThere(context);
  makeIfMissing(path);
  return openHeld(path) ?? AGAIN;
}
