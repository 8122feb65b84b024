/*
 * What the protocol rests on is tried once, before the first session is kept. A
 * file system that does not really do it would lose sessions one at a time.
 *
 *   exclusive locks exclude             else two processes write at once
 *   `link` works, and reports EEXIST    else two callers both create a session
 *   `rename` replaces an open file      else a reader blocks a writer
 *   `fstat` and `lstat` agree on an
 *   inode, and a double can hold its
 *   number                              else "lock, then look" sees nothing
 *   a file that was removed while open
 *   has no names left                   else it is NFS, whose name cache can show
 *                                       a file that was removed
 *   only the owner may write            else others can make links and pipes,
 *                                       which a plain load does not look for
 *   this process makes files of the
 *   directory's owner                   else the owner's processes could not open
 *                                       them, or the owner could lead this one
 *                                       astray
 *
 * A process that is killed meanwhile leaves two temporary files at most.
 */
import { dirname } from "@std/path/dirname";
import { SessionDirectoryError } from "../core/errors.ts";
import {
  discard,
  FILE_MODE,
  isReadOnly,
  makeFile,
  makeIfMissing,
  openExisting,
  removeIfThere,
  writeWhole,
} from "../system/files.ts";
import { system } from "../system/system.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { markerPath, temporaryPath } from "./layout.ts";
import { readHead } from "./read_file.ts";

/** The rights that only the owner of a file may have. */
export const OTHERS_MAY_WRITE = 0o022;
const DIRECTORY_MODE = 0o700;
const MARKER = "A directory of sessions of @latchkey/session, format 1.\n";

/** What the trials tell of a directory. */
type Findings = Pick<DirectoryContext, "needsMode" | "device" | "owner">;

/**
 * Makes sure that a directory is there, is private and can keep sessions, and
 * puts the marker into it.
 *
 * @param directory The directory.
 * @param create Whether to make it, mode 0700, when it is missing.
 * @throws {SessionDirectoryError} If it cannot keep sessions.
 */
export function prepareDirectory(directory: string, create: boolean): Findings {
  try {
    const info = checkDirectory(directory, create);
    const needsMode = tryOut(directory, info);
    markDirectory(directory);
    return { needsMode, device: info.dev, owner: info.uid };
  } catch (error) {
    throw explainRefusal(directory, error);
  }
}

/**
 * Refuses a directory in which sessions were never kept.
 *
 * @param directory The directory.
 * @returns What `stat` says of it.
 * @throws {SessionDirectoryError} If it or its marker is missing.
 */
export function checkMarked(directory: string): Deno.FileInfo {
  try {
    const info = checkDirectory(directory, false);
    if (readMarker(directory) !== undefined) return info;
  } catch (error) {
    throw explainRefusal(directory, error, markerPath(directory));
  }
  throw new SessionDirectoryError(
    directory,
    "no sessions were ever kept there (it has no file .latchkey)",
  );
}

/**
 * Checks that a directory in which sessions were kept is still there, before a
 * session is said to be missing. One that was emptied, or replaced on the same
 * device, is tried again and marked. Another device means that a volume was
 * mounted or went: the sessions are elsewhere, and may come back.
 *
 * @param context The directory, as it was.
 * @throws {SessionDirectoryError} If it is missing, on another device, another
 * user's, or cannot keep sessions any more.
 */
export function checkStillThere(context: DirectoryContext): void {
  const { directory, device, owner } = context;
  const info = inspectOpened(directory);
  if (info.dev !== device) {
    throw new SessionDirectoryError(
      directory,
      "another volume is there than when it was opened; mount that one again, or restart the server",
    );
  }
  if (info.uid !== owner) {
    throw new SessionDirectoryError(
      directory,
      `it belonged to uid ${owner} when it was opened, and now to uid ${info.uid}`,
    );
  }
  if (!system.exists(markerPath(directory))) prepareDirectory(directory, false);
}

/**
 * Looks at a directory in which sessions were kept.
 *
 * @param directory The directory.
 * @throws {SessionDirectoryError} If it is missing.
 */
export function inspectOpened(directory: string): Deno.FileInfo {
  try {
    return system.stat(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new SessionDirectoryError(
      directory,
      "it was removed or replaced since it was opened; bring it back, or make it anew with mode 0700, and the server goes on",
      { cause: error },
    );
  }
}

/**
 * Tries to read a directory, for a store's `check`.
 *
 * @param directory The directory.
 * @param create Whether to make it when it is missing.
 * @throws {SessionDirectoryError} If it cannot be read, or is not private.
 */
export function tryReading(directory: string, create: boolean): void {
  try {
    checkDirectory(directory, create);
    readMarker(directory);
  } catch (error) {
    throw explainRefusal(directory, error);
  }
}

/**
 * Tries to write a file into a directory, for a store's `check`.
 *
 * @param directory The directory.
 */
export function tryWriting(directory: string): void {
  const bytes = new TextEncoder().encode(MARKER);
  try {
    withTemporary(directory, (_path, file) => writeWhole(file, bytes));
  } catch (error) {
    throw explainRefusal(directory, error);
  }
}

/**
 * Puts the marker into a directory of sessions, unless it is there, and
 * completes one that is empty or cut off. It gets its name when it is whole, so that a full
 * disk leaves none that is cut off.
 *
 * @param directory The directory.
 * @throws {SessionDirectoryError} If what is there is not a marker of this format.
 */
function markDirectory(directory: string): void {
  const path = markerPath(directory);
  const bytes = new TextEncoder().encode(MARKER);
  const text = readMarker(directory);
  if (text === MARKER) return;
  if (text !== undefined) {
    const file = system.open(path, { read: true, write: true });
    try {
      writeWhole(file, bytes);
    } finally {
      system.close(file);
    }
    return;
  }
  const temporary = newTemporaryPath(directory);
  try {
    makeIfMissing(temporary, bytes);
    system.link(temporary, path);
    removeIfThere(temporary);
  } catch (error) {
    discard(temporary);
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/**
 * Explains an error of the system that every visitor would meet: that something
 * is missing, not permitted or read-only.
 *
 * @param directory The directory.
 * @param error The error.
 * @param path What it is about.
 * @returns A {@linkcode SessionDirectoryError} with the mode and the owner of what
 * it is about; any other error as it is.
 */
export function explainRefusal(
  directory: string,
  error: unknown,
  path: string = directory,
): unknown {
  const isExplained = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotFound || isReadOnly(error);
  if (!isExplained) return error;
  const { message } = error as Error;
  const state = `${message} (${describeOwner(path)})`;
  return new SessionDirectoryError(directory, state, { cause: error });
}

/**
 * Tells the mode and the owner of a file, or of the nearest directory above it that
 * may be looked at, and this process's user where that may be asked.
 *
 * @param path The file.
 */
function describeOwner(path: string): string {
  const uid = system.uid();
  const own = typeof uid === "number" ? `; this process has uid ${uid}` : "";
  for (;; path = dirname(path)) {
    try {
      const { mode, uid, gid } = system.stat(path);
      const whose = `owner uid ${uid}, gid ${gid}`;
      if (mode === null) return `${path} is there${own}`;
      return `${path} has mode ${octal(mode)}, ${whose}${own}`;
    } catch {
      // It is missing, or may not be looked at: what is above it tells why.
      if (path === dirname(path)) return `nothing above it may be read${own}`;
    }
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}

/** What the marker holds, whole or cut off; `undefined` without one. */
function readMarker(directory: string): string | undefined {
  const path = markerPath(directory);
  try {
    if (!system.lstat(path).isFile) {
      throw new SessionDirectoryError(
        directory,
        "its .latchkey is not a regular file; remove that, and it is made anew",
      );
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const file = openExisting(path, false);
  if (file === undefined) return undefined;
  try {
    const text = new TextDecoder().decode(readHead(file, 2 * MARKER.length));
    // A power loss may have cut it off.
    if (MARKER.startsWith(text)) return text;
  } finally {
    system.close(file);
  }
  throw new SessionDirectoryError(
    directory,
    "its file .latchkey is not of format 1: a later version of this package has made it; update this server",
  );
}

/**
 * Checks what can be seen of a directory without a trial.
 *
 * @param directory The directory.
 * @param create Whether to make it when it is missing.
 * @returns What `stat` says of it.
 * @throws {SessionDirectoryError} If it is not one, or not private.
 */
function checkDirectory(
  directory: string,
  create: boolean,
): Deno.FileInfo {
  const info = inspect(directory, create);
  if (!info.isDirectory) {
    throw new SessionDirectoryError(directory, "it is not a directory");
  }
  if (info.mode !== null && (info.mode & OTHERS_MAY_WRITE) !== 0) {
    throw new SessionDirectoryError(
      directory,
      `others than its owner may write it (its mode is ${
        octal(info.mode)
      }; chmod 0700, or use a subdirectory, with \`create: true\`)`,
    );
  }
  return info;
}

function inspect(directory: string, create: boolean): Deno.FileInfo {
  try {
    return system.stat(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      if (!(error instanceof Deno.errors.NotADirectory)) throw error;
      throw new SessionDirectoryError(directory, "it is not a directory", {
        cause: error,
      });
    }
    if (!create) {
      throw new SessionDirectoryError(
        directory,
        "it is missing (the option `create` makes it)",
        { cause: error },
      );
    }
  }
  system.makeDirectory(directory, true);
  system.changeMode(directory, DIRECTORY_MODE);
  return system.stat(directory);
}

/** Acts on a new file, which is removed again. */
function withTemporary<T>(
  directory: string,
  act: (path: string, file: Deno.FsFile) => T,
): T {
  const path = newTemporaryPath(directory);
  const file = makeFile(path);
  try {
    const result = act(path, file);
    removeIfThere(path);
    return result;
  } catch (error) {
    discard(path);
    throw error;
  } finally {
    system.close(file);
  }
}

function newTemporaryPath(directory: string): string {
  return temporaryPath(directory, system.now(), system.random());
}

/** Tells whether new files need a `chmod`, if all else is as it should be. */
function tryOut(directory: string, info: Deno.FileInfo): boolean {
  return withTemporary(directory, (path, file) => {
    // Before the mode: in another user's directory a `chmod` may be led astray.
    tryOwner(directory, info, file);
    const needsMode = tryMode(directory, path, file);
    if (!system.tryLock(file, true) || isLockable(path)) {
      throw noLocksError(directory);
    }
    tryInode(directory, path, file);
    const second = newTemporaryPath(directory);
    try {
      tryNames(directory, path, second, file);
    } catch (error) {
      discard(second);
      throw error;
    }
    return needsMode;
  });
}

/** Tells whether the umask takes the owner's own rights. */
function tryMode(
  directory: string,
  path: string,
  file: Deno.FsFile,
): boolean {
  const { mode } = system.fstat(file);
  if (mode === null || (mode & 0o777) === FILE_MODE) return false;
  system.changeMode(path, FILE_MODE);
  if ((system.fstat(file).mode! & 0o777) === FILE_MODE) return true;
  throw new SessionDirectoryError(
    directory,
    "its file system does not keep the mode of a file",
  );
}

/**
 * Tells whether the files that this process makes are the directory's owner's. It
 * makes one, and removes it.
 *
 * @param directory The directory.
 */
export function isOwner(directory: string): boolean {
  return withTemporary(
    directory,
    (_path, file) => system.fstat(file).uid === system.stat(directory).uid,
  );
}

/**
 * Tells by how much the clock of a directory's file system is ahead of that of this
 * process, in ms. It makes a file, and removes it.
 *
 * @param directory The directory.
 */
export function clockDifference(directory: string): number {
  return withTemporary(
    directory,
    (_path, file) => system.fstat(file).mtime!.getTime() - system.now(),
  );
}

/** Refuses a directory of another user: by a file's owner, which is what counts. */
function tryOwner(
  directory: string,
  { uid, gid }: Deno.FileInfo,
  file: Deno.FsFile,
): void {
  const own = system.fstat(file).uid;
  if (own === uid) return;
  throw new SessionDirectoryError(
    directory,
    `it belongs to uid ${uid}, and the files of this process to uid ${own}; run it as the owner: setpriv --reuid ${uid} --regid ${gid} --clear-groups deno …`,
  );
}

/**
 * Tells whether a file whose exclusive lock is held can be locked a second time.
 *
 * @param path The file.
 */
export function isLockable(path: string): boolean {
  const other = system.open(path, { read: true, write: true });
  try {
    return system.tryLock(other, true) || system.tryLock(other, false);
  } finally {
    system.close(other);
  }
}

/**
 * Makes the error for a file system whose locks are not what they should be.
 *
 * @param directory The directory.
 */
export function noLocksError(directory: string): SessionDirectoryError {
  return new SessionDirectoryError(
    directory,
    "the locks of its file system do not exclude each other",
  );
}

/**
 * Tries whether inode numbers tell of an open file that a name leads to it.
 *
 * @param directory The directory, for the error.
 * @param path A file in it.
 * @param file The same file, open.
 * @throws {SessionDirectoryError} If they do not.
 */
export function tryInode(
  directory: string,
  path: string,
  file: Deno.FsFile,
): void {
  const open = system.fstat(file);
  const named = system.lstat(path);
  const isUsable = Number.isSafeInteger(open.ino) && open.ino! > 0;
  if (isUsable && open.ino === named.ino && open.dev === named.dev) return;
  throw new SessionDirectoryError(
    directory,
    "the inode numbers of its file system do not identify a file",
  );
}

function tryNames(
  directory: string,
  first: string,
  second: string,
  file: Deno.FsFile,
): void {
  try {
    system.link(first, second);
  } catch (error) {
    const isRefused = error instanceof Deno.errors.NotSupported ||
      error instanceof Deno.errors.PermissionDenied;
    if (!isRefused) throw error;
    throw new SessionDirectoryError(
      directory,
      "its file system has no hard links",
      { cause: error },
    );
  }
  if (!isTaken(first, second)) {
    throw new SessionDirectoryError(
      directory,
      "its file system makes a hard link over a name that is taken",
    );
  }
  system.remove(second);
  system.close(makeFile(second));
  system.rename(second, first);
  if (system.fstat(file).nlink !== 0) {
    throw new SessionDirectoryError(
      directory,
      "its file system keeps a name of a removed file, as NFS does",
    );
  }
}

function isTaken(from: string, to: string): boolean {
  try {
    system.link(from, to);
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return true;
    throw error;
  }
}
