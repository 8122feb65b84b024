import { isNoFile, openExisting } from "./file_lock.ts";
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
