import { system } from "./system.ts";
import { Pacer } from "./waiting.ts";

/** The mode of every file that a store makes: only its owner may use it. */
export const FILE_MODE = 0o600;

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

/**
 * Opens the file behind a name that may lead to anything, and waits for none.
 *
 * @param path The name.
 * @param write Whether also to write.
 * @returns The open file, and what `fstat` says of it; `undefined` when the name is
 * missing, or does not lead to a regular file.
 */
export function openRegular(
  path: string,
  write = true,
): { readonly file: Deno.FsFile; readonly info: Deno.FileInfo } | undefined {
  // Opening a pipe to read alone would wait for a writer.
  if (!write && isNotFile(path)) return undefined;
  const file = openAny(path, write);
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

function openAny(path: string, write: boolean): Deno.FsFile | undefined {
  try {
    return openExisting(path, write);
  } catch (error) {
    if (isNotFile(path)) return undefined;
    throw error;
  }
}

/**
 * Makes a file, and opens it to write.
 *
 * @param path Its name.
 * @throws {Deno.errors.AlreadyExists} If the name is taken.
 */
export function makeFile(path: string): Deno.FsFile {
  return system.open(path, { write: true, createNew: true, mode: FILE_MODE });
}

/**
 * Makes a file, unless the name is taken.
 *
 * @param path Its name.
 * @param content What it holds, if anything.
 */
export function makeIfMissing(path: string, content?: Uint8Array): void {
  let file: Deno.FsFile;
  try {
    file = makeFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  try {
    // The umask may have taken the owner's own rights.
    system.changeMode(path, FILE_MODE);
    if (content !== undefined) writeWhole(file, content);
  } finally {
    system.close(file);
  }
}

/**
 * Writes all bytes, where the last write ended.
 *
 * @param file The open file.
 * @param bytes What it is to hold.
 * @throws {Deno.errors.WriteZero} If the file system takes no more.
 */
export function writeWhole(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length;) {
    const rest = start === 0 ? bytes : bytes.subarray(start);
    const length = system.write(file, rest);
    if (length === 0) {
      throw new Deno.errors.WriteZero(
        "Cannot write a session: its file system takes no bytes",
      );
    }
    start += length;
  }
}

/**
 * Removes a file, unless another flow or process has removed it.
 *
 * @returns `false` when it is missing.
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
 * Removes a temporary file after an error that the caller is to see. A file
 * that cannot be removed now is left to the cleaner.
 *
 * @param temporary The file.
 */
export function discard(temporary: string): void {
  try {
    system.remove(temporary);
  } catch {
    // It is missing, or this fails for the same reason.
  }
}

/** Waits until the names in a directory are on the disk. */
export function syncDirectory(directory: string): void {
  const file = system.open(directory, { read: true });
  try {
    system.sync(file);
  } finally {
    system.close(file);
  }
}

/** Makes the error for a name that leads to anything but a regular file. */
export function notFileError(path: string): Error {
  return new Deno.errors.InvalidData(
    `Cannot use ${path}: it is not a regular file`,
  );
}

/**
 * Tells whether a name leads to anything but a regular file: a link, a
 * directory, a pipe.
 *
 * @returns `false` also when that cannot be told.
 */
export function isNotFile(path: string): boolean {
  try {
    return !system.lstat(path).isFile;
  } catch {
    return false;
  }
}

/** Tells whether the disk has no block or no inode left, or the user's quota. */
export function isFull(error: unknown): boolean {
  return hasCode(error, "ENOSPC") || hasCode(error, "EDQUOT");
}

/** Tells whether the file system is read-only. */
export function isReadOnly(error: unknown): boolean {
  return hasCode(error, "EROFS");
}

/** The numbers where Deno gives an error no code. */
const NUMBERS = { ENOSPC: 28, EROFS: 30, EDQUOT: 122 } as const;
const EDQUOT_ELSEWHERE = 69;

function hasCode(error: unknown, code: keyof typeof NUMBERS): boolean {
  if (!(error instanceof Error)) return false;
  const number = code === "EDQUOT" && Deno.build.os !== "linux"
    ? EDQUOT_ELSEWHERE
    : NUMBERS[code];
  return (error as Error & { code?: unknown }).code === code ||
    error.message.includes(`(os error ${number})`);
}

/** What {@linkcode listFiles} takes. */
export interface ListOptions {
  /** Ends the listing, with the signal's reason. */
  readonly signal: AbortSignal | undefined;
  /** Called before each pause. */
  readonly onPause?: (() => void) | undefined;
}

/**
 * Streams the names of the files in a directory, and gives the event loop back
 * every few milliseconds, whatever the caller does with each. Memory does not
 * grow with the directory.
 *
 * @param directory The directory.
 * @param options Ends the listing early.
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
