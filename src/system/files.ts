import { system } from "./system.ts";
import { Pacer } from "./waiting.ts";

/** A file that is one, and open. */
export interface RegularFile {
  /** Open to read and to write. */
  readonly file: Deno.FsFile;
  /** What `fstat` says of it. */
  readonly info: Deno.FileInfo;
}

/**
 * Opens the file behind a name that may be anything by now, and hangs at none.
 *
 * @param path The name.
 * @returns `undefined` when the name is missing, or leads to no file.
 */
export function openRegular(path: string): RegularFile | undefined {
  const file = openAny(path);
  if (file === undefined) return undefined;
  let isFile = false;
  try {
    const info = system.fstat(file);
    isFile = info.isFile;
    return isFile ? { file, info } : undefined;
  } finally {
    if (!isFile) system.close(file);
  }
}

function openAny(path: string): Deno.FsFile | undefined {
  try {
    // To write, too: a pipe then makes nobody wait.
    return openExisting(path, true);
  } catch (error) {
    if (isNoFile(path)) return undefined;
    throw error;
  }
}

/**
 * Opens the file behind a name.
 *
 * @param path The name.
 * @param write Whether also to write.
 * @returns `undefined` when the name is missing.
 */
export function openExisting(
  path: string,
  write: boolean,
): Deno.FsFile | undefined {
  try {
    return system.open(path, { read: true, write });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Makes the error of who needs a file where there is something else. */
export function noFile(path: string): Error {
  return new Deno.errors.InvalidData(`Cannot use ${path}: it is not a file`);
}

/**
 * Tells whether a name is taken by a link, a directory, a pipe: by anything
 * but a file. What cannot be looked at is not known to be.
 */
export function isNoFile(path: string): boolean {
  try {
    return !system.lstat(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Makes an empty file for its lock alone, unless it is there.
 *
 * @param path Its name.
 */
export function makeLockFile(path: string): void {
  const options = { write: true, createNew: true, mode: 0o600 };
  let file: Deno.FsFile;
  try {
    file = system.open(path, options);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  try {
    // The umask may have taken rights of the owner's own.
    system.changeMode(path, 0o600);
  } finally {
    system.close(file);
  }
}

/**
 * Removes a file that somebody else may be removing too.
 *
 * @returns `false` when it was gone.
 */
export function removeIfThere(path: string): boolean {
  try {
    system.remove(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Removes a temporary file on the way out with an error, which is the one that
 * the caller must hear of. What cannot be removed now, the cleaner collects.
 *
 * @param temporary The file.
 */
export function discard(temporary: string): void {
  try {
    system.remove(temporary);
  } catch {
    // Gone already, or as broken as what brought us here.
  }
}

/** What {@linkcode listFiles} takes. */
export interface ListOptions {
  /** Ends the listing, with the signal's reason. */
  readonly signal: AbortSignal | undefined;
  /** Is told before each pause. */
  readonly onPause?: (() => void) | undefined;
}

/**
 * Streams the names of the files in a directory, and gives the event loop back
 * every few milliseconds, whatever is done with each. Memory does not grow with
 * the directory.
 *
 * @param directory The directory.
 * @param options See there.
 */
export async function* listFiles(
  directory: string,
  options: ListOptions,
): AsyncGenerator<string> {
  const { signal, onPause } = options;
  const pacer = new Pacer(onPause);
  for await (const { name, isFile } of system.readDirectory(directory)) {
    if (pacer.isDue) await pacer.pause();
    signal?.throwIfAborted();
    if (isFile) yield name;
  }
}
