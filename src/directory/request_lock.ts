/*
 * The lock of a request that wants a session for itself. It cannot be the lock
 * of the session's file: that is held for microseconds, and each save puts
 * another file in its place. It is the lock (flock) of one of a fixed set of
 * empty files, see layout.ts. Beside the rules of file_lock.ts:
 *
 * - It is taken before the lock of a session's file, never while one is held:
 *   whoever has one of those waits for nothing. So no two can wait for each
 *   other, unless one request wants two of these.
 * - Lock files are made when they are first wanted, and never removed: one that
 *   is removed while it is held locks nobody out any more.
 * - Whoever does not want a session for itself never looks at them.
 */
import { type LockedFile, openHeld } from "./file_lock.ts";
import {
  AGAIN,
  type Again,
  retryUntilFree,
  type WaitOptions,
} from "../system/waiting.ts";
import { makeIfMissing } from "../system/files.ts";
import { checkStillThere } from "./prepare_directory.ts";

/**
 * Takes the lock of a lock file, which is made if it is missing.
 *
 * @param directory The directory that it is in.
 * @param waitOptions Which one it is, and how long to wait.
 * @returns The locked file.
 * @throws {SessionLockTimeoutError} When the time is over.
 * @throws {SessionDirectoryError} If the directory is gone.
 */
export async function lockForRequest(
  directory: string,
  waitOptions: WaitOptions,
): Promise<LockedFile> {
  return await retryUntilFree(
    () => tryLock(waitOptions.path, directory),
    waitOptions,
  );
}

function tryLock(path: string, directory: string): LockedFile | Again {
  const held = openHeld(path);
  if (held !== undefined) return held;
  checkStillThere(directory);
  makeIfMissing(path);
  return openHeld(path) ?? AGAIN;
}
