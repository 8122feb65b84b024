/*
 * The file that was replaced last is the next temporary file: on ext4 a rename
 * over a name waits for the blocks of a file that has just been written, unless
 * it owned them before, which makes a save five times as fast. It stays open and
 * locked until then, so a save opens, locks and unlocks one file and not two:
 *
 *   replace   write S over, flagged `?` · link A to S2 · rename S over A · mark
 *             A's new file · unlock it; A's old one, which is held, is the recycled file
 *
 * So the bytes of a file can change that somebody opened when it was a session.
 * What keeps him from answering with a record that nobody committed:
 *
 * - A recycled file is locked from the time when it was a session to that when it is one
 *   again, and flagged: who opened it in between finds it locked, and opens the
 *   name again. Its writer overwrites the flag with the first byte, so who gets
 *   the lock of one whose writer died finds it unflagged.
 * - Whoever reads a record that is not flagged as published, or none, or another
 *   session's, asks whether the name leads to this file before he believes it.
 *   One that is flagged was what its name led to at some time since he opened it:
 *   that it has been replaced since is no matter, for a read. Whoever changes or
 *   touches a session asks always.
 * - A file becomes a recycled file when its successor has its name, not before, and only
 *   its maker ever uses it, once, from the process that made it. It must have no
 *   second name, then and when it is written over: a backup made of hard links
 *   could have left one, and through it the bytes would be somebody else's.
 *
 * A process keeps one recycled file for a directory, open, until the store is disposed
 * of. One that ends without leaves the file, as a killed one leaves temporary
 * files: its name is of their kind, the cleaner collects it after an hour, and
 * the next save begins with a fresh file. Until then, or until it is written
 * over, it holds an old record of a session that may be gone. After a power loss
 * a session may be an older one of its own than without recycled files;
 * `durability: "power"` has none.
 */
import { type HeldFile, release } from "./file_lock.ts";
import { discard, removeIfThere } from "../system/remove_if_there.ts";
import { system } from "../system/system.ts";

/** A recycled file, open and under its exclusive lock. */
export interface RecycledFile {
  /** Its temporary name. */
  readonly path: string;
  /** The open file, to read and to write. */
  readonly file: Deno.FsFile;
}

/** A recycled file that is its taker's to write over. */
export interface TakenFile extends RecycledFile {
  /** How many bytes it has. */
  readonly size: number;
}

/** The recycled file of each directory, by its path: of this process, or this worker. */
export const recycledFiles: Map<string, RecycledFile> = new Map();

/** Each is an open file; who has more directories replaces with fresh files. */
const MOST_RECYCLED = 16;

/**
 * Tells whether a file that is about to be replaced can be the next recycled file.
 *
 * @param directory The directory.
 * @param held The file.
 */
export function canKeep(directory: string, { info }: HeldFile): boolean {
  return isAlone(info) && !recycledFiles.has(directory) &&
    recycledFiles.size < MOST_RECYCLED;
}

/**
 * Takes the recycled file of a directory: who takes it publishes it, or removes it, and
 * then releases it.
 *
 * @param directory The directory.
 * @returns `undefined` when there is none, or none that may be written over.
 */
export function takeRecycled(directory: string): TakenFile | undefined {
  const recycled = recycledFiles.get(directory);
  if (recycled === undefined) return undefined;
  recycledFiles.delete(directory);
  const { path, file } = recycled;
  let isUsable = false;
  try {
    const info = system.fstat(file);
    isUsable = isAlone(info);
    if (isUsable) return { path, file, size: info.size };
    removeIfThere(path);
  } catch (error) {
    discard(path);
    throw error;
  } finally {
    if (!isUsable) release(file, true);
  }
}

/**
 * Removes the recycled file of a directory, if there is one.
 *
 * @param directory The directory.
 */
export function dropRecycled(directory: string): void {
  const recycled = recycledFiles.get(directory);
  if (recycled === undefined) return;
  recycledFiles.delete(directory);
  try {
    removeIfThere(recycled.path);
  } finally {
    release(recycled.file, true);
  }
}

/** It has one name, and nobody but its owner may open it. */
function isAlone({ nlink, mode }: Deno.FileInfo): boolean {
  return nlink === 1 && (mode! & 0o777) === 0o600;
}
