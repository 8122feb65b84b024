/*
 * A session's lock is the lock of its file (flock): shared to read, exclusive to
 * touch, replace or remove. It ends with its holder's process. Its rules:
 *
 * - Locks are tried, never waited for in the kernel and never converted. A
 *   process that finds a lock held closes the file, waits without holding
 *   anything, and opens the name again, see system/waiting.ts.
 * - Lock, then look. Between open and lock another process may rename another
 *   file over the name, or remove it; the lock is then of a file that no other
 *   process will ever open. So after every exclusive lock: is the name still a
 *   regular file, with the device and inode of the open one?
 * - A writer unlocks, then closes. A child process that is being started shares our
 *   open files until its exec, and would keep the lock of a file that is only
 *   closed. A reader only closes: a shared lock that is kept for some milliseconds
 *   delays a writer, and breaks nothing.
 */
import type { Warnings } from "../core/warnings.ts";
import { notFileError, openExisting } from "../system/files.ts";
import { system } from "../system/system.ts";
import { AGAIN, type Again } from "../system/waiting.ts";

/** An open file under a lock; disposing unlocks, then closes. */
export class LockedFile implements Disposable {
  /** The open file. */
  readonly file: Deno.FsFile;
  readonly #warnings: Warnings | undefined;
  #isKept = false;

  /**
   * @param file An open file whose lock is held.
   * @param warnings See {@linkcode release}.
   */
  constructor(file: Deno.FsFile, warnings?: Warnings) {
    this.file = file;
    this.#warnings = warnings;
  }

  /** Leaves it open and locked when this is disposed of. */
  keep(): Deno.FsFile {
    this.#isKept = true;
    return this.file;
  }

  /** Unlocks, then closes. */
  [Symbol.dispose](): void {
    if (!this.#isKept) release(this.file, true, this.#warnings);
  }
}

/**
 * The file behind a name, under its exclusive lock and looked at: until this is
 * disposed of, no other process replaces, touches or removes it.
 */
export class HeldFile extends LockedFile {
  /** Its name. */
  readonly path: string;
  /** The clock, read under the lock. */
  readonly now: number;
  /** What `fstat` says of it. */
  readonly info: Deno.FileInfo;

  /**
   * @param file The open file, whose exclusive lock is held.
   * @param path Its name, which leads to it.
   * @param now The clock, in ms since the epoch.
   * @param info What `fstat` says of it.
   * @param warnings See {@linkcode release}.
   */
  constructor(
    file: Deno.FsFile,
    path: string,
    now: number,
    info: Deno.FileInfo,
    warnings?: Warnings,
  ) {
    super(file, warnings);
    this.path = path;
    this.now = now;
    this.info = info;
  }
}

/**
 * Unlocks, then closes, which frees the lock in any case.
 *
 * @param file The open file.
 * @param isLocked Whether its lock is held.
 * @param warnings Told when it cannot be unlocked: what was done under the lock is
 * done. Without it that is an error.
 */
export function release(
  file: Deno.FsFile,
  isLocked: boolean,
  warnings?: Warnings,
): void {
  try {
    if (!isLocked) return;
    const unlock = () => system.unlock(file);
    if (warnings === undefined) unlock();
    else warnings.attempt("unlock a file", unlock);
  } finally {
    system.close(file);
  }
}

/**
 * Opens the file behind a name and takes its lock, if it is free.
 *
 * @param path The file.
 * @param exclusive `false` for a lock that readers share.
 * @param warnings See {@linkcode release}.
 * @returns The locked file, not yet looked at; `undefined` when the name is
 * missing; {@linkcode AGAIN} when the lock is held.
 */
export function openLocked(
  path: string,
  exclusive: boolean,
  warnings?: Warnings,
): LockedFile | undefined | Again {
  const file = openExisting(path, exclusive);
  if (file === undefined) return undefined;
  let isLocked = false;
  try {
    isLocked = system.tryLock(file, exclusive);
  } finally {
    if (!isLocked) system.close(file);
  }
  return isLocked ? new LockedFile(file, warnings) : AGAIN;
}

/**
 * Opens the file behind a name, takes its exclusive lock, if it is free, and
 * looks.
 *
 * @param path The file.
 * @param warnings See {@linkcode release}.
 * @returns The held file; `undefined` when the name is missing;
 * {@linkcode AGAIN} when the lock is held, or the name no longer leads to it.
 * @throws {Deno.errors.InvalidData} If the name leads to anything but a file.
 */
export function openHeld(
  path: string,
  warnings?: Warnings,
): HeldFile | undefined | Again {
  const file = openExisting(path, true);
  if (file === undefined) return undefined;
  let isLocked = false;
  let held: HeldFile | undefined;
  try {
    isLocked = system.tryLock(file, true);
    if (isLocked) {
      const now = system.now();
      const info = system.fstat(file);
      if (leadsTo(path, info)) {
        held = new HeldFile(file, path, now, info, warnings);
      }
    }
  } finally {
    if (held === undefined) release(file, isLocked, warnings);
  }
  return held ?? AGAIN;
}

/**
 * Reads the file behind a name under its shared lock, if that is free; then
 * closes it.
 *
 * @param path The file.
 * @param write Whether to open it also to write; opening a pipe then returns at
 * once.
 * @param read Synchronous.
 * @returns What it returned; `undefined` when the name is missing;
 * {@linkcode AGAIN} when the lock is held.
 */
export function readUnderLock<T>(
  path: string,
  write: boolean,
  read: (file: Deno.FsFile) => T,
): T | undefined | Again {
  const file = openExisting(path, write);
  if (file === undefined) return undefined;
  try {
    return system.tryLock(file, false) ? read(file) : AGAIN;
  } finally {
    system.close(file);
  }
}

/**
 * Acts on an open file under its lock, if that is free; then unlocks, then
 * closes.
 *
 * @param file The open file.
 * @param exclusive `false` for a lock that others may share.
 * @param warnings See {@linkcode release}.
 * @param act Synchronous.
 * @returns What it returned; {@linkcode AGAIN} when the lock is held.
 */
export function underLockOf<T>(
  file: Deno.FsFile,
  exclusive: boolean,
  warnings: Warnings,
  act: (file: Deno.FsFile) => T,
): T | Again {
  let isLocked = false;
  try {
    isLocked = system.tryLock(file, exclusive);
    return isLocked ? act(file) : AGAIN;
  } finally {
    release(file, isLocked, warnings);
  }
}

/**
 * Tells whether a name still leads to the file that was opened by it.
 *
 * @param path The name.
 * @param info What `fstat` says of the open file.
 * @returns `false` when it leads to another file, or is missing: start again.
 * @throws {Deno.errors.InvalidData} If it leads to a link, a directory, a pipe:
 * starting again would not help.
 */
export function leadsTo(path: string, info: Deno.FileInfo): boolean {
  let behind: Deno.FileInfo;
  try {
    behind = system.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  if (!behind.isFile) throw notFileError(path);
  return behind.ino === info.ino && behind.dev === info.dev;
}
