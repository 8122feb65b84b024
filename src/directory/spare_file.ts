/*
 * The file that was replaced last is the next temporary file: on ext4 a rename
 * over a name waits for the blocks of a file that has just been written, unless
 * it owned them before, which makes a save five times as fast. It stays open and
 * locked until then, so a save opens, locks and unlocks one file and not two:
 *
 *   replace   write S over, marked `?` · link A to S2 · rename S over A · mark
 *             A's new file · unlock it; A's old one, which is held, is the spare
 *
 * So the bytes of a file can change that somebody opened when it was a session.
 * What keeps him from answering with a record that nobody committed:
 *
 * - A spare is locked from the time when it was a session to that when it is one
 *   again, and marked: who opened it in between finds it locked, and opens the
 *   name again. Its writer overwrites the mark with the first byte, so who gets
 *   the lock of one whose writer died finds it unmarked.
 * - Whoever reads a record that is not marked as published, or none, or another
 *   session's, asks whether the name leads to this file before he believes it.
 *   One that is marked was what its name led to at some time since he opened it:
 *   that it has been replaced since is no matter, for a read. Whoever changes or
 *   touches a session asks always.
 * - A file becomes a spare when its successor has its name, not before, and only
 *   its maker ever uses it, once, from the process that made it. It must have no
 *   second name, then and when it is written over: a backup made of hard links
 *   could have left one, and through it the bytes would be somebody else's.
 *
 * A process keeps one spare for a directory, open, until the store is disposed
 * of. One that ends without leaves the file, as a killed one leaves temporary
 * files: its name is of their kind, the cleaner collects it after an hour, and
 * the next save begins with a fresh file. Until then, or until it is written
 * over, it holds an old record of a session that may be gone. After a power loss
 * a session may be an older one of its own than without spares;
 * `durability: "power"` has none.
 */
import { type HeldFile, release } from "./file_lock.ts";
import { discard, removeIfThere } from "../system/remove_if_there.ts";
import { system } from "../system/system.ts";

/** A spare, open and under its exclusive lock. */
export interface SpareFile {
  /** Its temporary name. */
  readonly path: string;
  /** The open file, to read and to write. */
  readonly file: Deno.FsFile;
}

/** A spare that is its taker's to write over. */
export interface TakenSpare extends SpareFile {
  /** How many bytes it has. */
  readonly size: number;
}

/** The spare of each directory, by its path: of this process, or this worker. */
export const spares: Map<string, SpareFile> = new Map();

/** Each is an open file; who has more directories replaces with fresh files. */
const MOST_SPARES = 16;

/**
 * Tells whether a file that is about to be replaced can be the next spare.
 *
 * @param directory The directory.
 * @param held The file.
 */
export function canKeep(directory: string, { info }: HeldFile): boolean {
  return isAlone(info) && !spares.has(directory) && spares.size < MOST_SPARES;
}

/**
 * Takes the spare of a directory: who takes it publishes it, or removes it, and
 * then releases it.
 *
 * @param directory The directory.
 * @returns `undefined` when there is none, or none that may be written over.
 */
export function takeSpare(directory: string): TakenSpare | undefined {
  const spare = spares.get(directory);
  if (spare === undefined) return undefined;
  spares.delete(directory);
  const { path, file } = spare;
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
 * Removes the spare of a directory, if there is one.
 *
 * @param directory The directory.
 */
export function dropSpare(directory: string): void {
  const spare = spares.get(directory);
  if (spare === undefined) return;
  spares.delete(directory);
  try {
    removeIfThere(spare.path);
  } finally {
    release(spare.file, true);
  }
}

/** It has one name, and nobody but its owner may open it. */
function isAlone({ nlink, mode }: Deno.FileInfo): boolean {
  return nlink === 1 && (mode! & 0o777) === 0o600;
}
