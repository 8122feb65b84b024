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
 *
 * A process that is killed meanwhile leaves two temporary files at most.
 */
import { SessionDirectoryError } from "../core/errors.ts";
import {
  discard,
  FILE_MODE,
  makeFile,
  makeIfMissing,
  openRegular,
  removeIfThere,
} from "../system/files.ts";
import { system } from "../system/system.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { markerPath, temporaryPath } from "./layout.ts";

const OTHERS_MAY_WRITE = 0o022;
const DIRECTORY_MODE = 0o700;
const MARKER = "A directory of sessions of @latchkey/session, format 1.\n";

/** What the trials tell of a directory. */
type Findings = Pick<DirectoryContext, "needsMode" | "isOwner">;

/**
 * Makes sure that a directory is there, is private and can keep sessions, and
 * puts the marker into it.
 *
 * @param directory The directory.
 * @param create Whether to make it, mode 0700, when it is missing.
 * @throws {SessionDirectoryError} If it cannot keep sessions.
 */
export function prepareDirectory(directory: string, create: boolean): Findings {
  const { uid } = checkDirectory(directory, create);
  const findings = tryOut(directory, uid);
  markDirectory(directory);
  checkFormat(directory);
  return findings;
}

/**
 * Refuses a directory in which sessions were never kept.
 *
 * @param directory The directory.
 * @throws {SessionDirectoryError} If it or its marker is missing.
 */
export function checkMarked(directory: string): void {
  checkDirectory(directory, false);
  checkMarker(directory, "no sessions were ever kept there");
  checkFormat(directory);
}

/**
 * Notices that a directory in which sessions were kept is missing now: it was
 * removed, or its volume unmounted.
 *
 * @param directory The directory.
 * @throws {SessionDirectoryError} If its marker is missing.
 */
export function checkStillThere(directory: string): void {
  checkMarker(directory, "it was removed or replaced");
}

/**
 * Puts the marker into a directory of sessions, unless it is there.
 *
 * @param directory The directory.
 */
export function markDirectory(directory: string): void {
  makeIfMissing(markerPath(directory), new TextEncoder().encode(MARKER));
}

/** Refuses what a later version has made. */
function checkFormat(directory: string): void {
  const file = openRegular(markerPath(directory))?.file;
  if (file === undefined) return;
  const bytes = new Uint8Array(2 * MARKER.length);
  let length: number;
  try {
    length = system.read(file, bytes) ?? 0;
  } finally {
    system.close(file);
  }
  // A crash may have cut it off.
  const text = new TextDecoder().decode(bytes.subarray(0, length));
  if (MARKER.startsWith(text)) return;
  throw new SessionDirectoryError(
    directory,
    "its file .latchkey is not of format 1: a later version of this package has made it; update this server",
  );
}

function checkMarker(directory: string, state: string): void {
  try {
    system.lstat(markerPath(directory));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new SessionDirectoryError(
      directory,
      `${state} (it has no file .latchkey)`,
      { cause: error },
    );
  }
}

function checkDirectory(directory: string, create: boolean): Deno.FileInfo {
  const info = inspect(directory, create);
  if (!info.isDirectory) {
    throw new SessionDirectoryError(directory, "it is not a directory");
  }
  if (info.mode !== null && (info.mode & OTHERS_MAY_WRITE) !== 0) {
    const mode = (info.mode & 0o777).toString(8).padStart(4, "0");
    throw new SessionDirectoryError(
      directory,
      `others than its owner may write it (its mode is ${mode}; chmod 0700)`,
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

function tryOut(directory: string, owner: number | null): Findings {
  const first = temporaryPath(directory, system.now(), system.random());
  const second = temporaryPath(directory, system.now(), system.random());
  const file = makeFile(first);
  try {
    const needsMode = tryMode(directory, first, file);
    const isOwner = system.fstat(file).uid === owner;
    tryLocks(directory, first, file);
    tryInode(directory, first, file);
    tryNames(directory, first, second, file);
    removeIfThere(first);
    return { needsMode, isOwner };
  } catch (error) {
    discard(first);
    discard(second);
    throw error;
  } finally {
    system.close(file);
  }
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

function tryLocks(directory: string, path: string, file: Deno.FsFile): void {
  const other = system.open(path, { read: true, write: true });
  try {
    const isFirst = system.tryLock(file, true);
    const isAlone = !system.tryLock(other, true) &&
      !system.tryLock(other, false);
    if (isFirst && isAlone) return;
  } finally {
    system.close(other);
  }
  throw new SessionDirectoryError(
    directory,
    "the locks of its file system do not exclude each other",
  );
}

function tryInode(directory: string, path: string, file: Deno.FsFile): void {
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
