import { system } from "./system.ts";

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
