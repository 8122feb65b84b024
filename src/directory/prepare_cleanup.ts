/*
 * A cleaner is needed most when no block and no inode is left, so it tries what it
 * needs on the marker, without a new file:
 *
 *   exclusive locks exclude             else it removes what another process holds
 *   `fstat` and `lstat` agree on an
 *   inode, and a double can hold its
 *   number                              else "lock, then look" sees nothing
 *   the marker is a regular file of
 *   the directory's owner, and only
 *   the owner may write it              else others could lock it for good
 *
 * The lock of the marker is the cleaner's: one is at work at a time. Its mtime is
 * when that one began. A process that is not the directory's owner may clean: it
 * makes no file that stays, and opens nothing under a name that leads elsewhere.
 */
import { SessionDirectoryError } from "../core/errors.ts";
import type { Warnings } from "../core/warnings.ts";
import { system } from "../system/system.ts";
import { AGAIN } from "../system/waiting.ts";
import { type LockedFile, openLocked } from "./file_lock.ts";
import { markerPath } from "./layout.ts";
import {
  checkMarked,
  explainRefusal,
  isLockable,
  noLocksError,
  OTHERS_MAY_WRITE,
  tryInode,
} from "./prepare_directory.ts";

/**
 * Takes the cleaner's lock of a directory, if it is free, and tries what a cleaner
 * needs.
 *
 * @param directory The directory, checked.
 * @param warnings Is told if the beginning cannot be noted.
 * @returns The locked marker; when the cleanup began that has it, in ms since the
 * epoch.
 * @throws {SessionDirectoryError} If it cannot be cleaned.
 */
export function lockForCleanup(
  directory: string,
  warnings: Warnings,
): LockedFile | number {
  const path = markerPath(directory);
  try {
    const locked = openLocked(path, true);
    if (locked === AGAIN) return system.lstat(path).mtime?.getTime() ?? 0;
    if (locked === undefined) {
      throw new Deno.errors.NotFound(`${path} is missing`);
    }
    try {
      if (isLockable(path)) throw noLocksError(directory);
      tryInode(directory, path, locked.file);
    } catch (error) {
      locked[Symbol.dispose]();
      throw error;
    }
    refresh(locked.file, path, warnings);
    return locked;
  } catch (error) {
    throw explainRefusal(directory, error, path);
  }
}

/**
 * Checks what can be seen of a directory without a lock and without a change:
 * enough to count what a cleanup would delete.
 *
 * @param directory The directory.
 * @returns What `stat` says of it.
 * @throws {SessionDirectoryError} If it or its marker will not do.
 */
export function checkForCleanup(directory: string): Deno.FileInfo {
  const info = checkMarked(directory);
  const path = markerPath(directory);
  try {
    const marker = system.lstat(path);
    if (marker.uid !== info.uid) {
      throw new SessionDirectoryError(
        directory,
        `its .latchkey belongs to uid ${marker.uid}, the directory to uid ${info.uid}; remove that file, and the next server makes it anew`,
      );
    }
    if (((marker.mode ?? 0) & OTHERS_MAY_WRITE) !== 0) {
      throw new SessionDirectoryError(
        directory,
        "others than its owner may write its .latchkey (chmod 0600)",
      );
    }
    return info;
  } catch (error) {
    throw explainRefusal(directory, error, path);
  }
}

/**
 * Sets the mtime of a file of ours to now, so that a program that removes old
 * files spares it.
 *
 * @param file The open file.
 * @param path Its name.
 * @param warnings Is told if that is refused, which stops nothing.
 */
export function refresh(
  file: Deno.FsFile,
  path: string,
  warnings: Warnings,
): void {
  try {
    system.setModified(file, system.now());
  } catch (error) {
    warnings.unwritten(`set the time of ${path}`, error, { path });
  }
}
