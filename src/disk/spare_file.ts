/*
 * The file that was replaced last is the next temporary file: on ext4 a rename
 * over a name waits for the blocks of a file that has just been written, unless
 * it owned them before, which makes a save five times as fast.
 *
 *   replace   lock S · write S over, marked `?` · link A to S2 · rename S over A ·
 *             mark A's new file · unlock it; from here on S2 is the spare
 *
 * So the bytes of a file can change that somebody opened when it was a session.
 * What keeps him from answering with a record that nobody committed:
 *
 * - A spare is written over under its exclusive lock, held until it is marked.
 *   Its writer overwrites the mark with the first byte.
 * - Whoever reads a record that is not marked as published, or none, or another
 *   session's, asks whether the name leads to this file before he believes it.
 *   One that is marked was what its name led to at some time since he opened it:
 *   that it has been replaced since is no matter, for a read. Whoever changes or
 *   touches a session asks always.
 * - A file becomes a spare when its successor has its name, not before, and only
 *   its maker ever uses it, once, from the process that made it. It must have no
 *   second name then: a backup made of hard links, or a dead process, could have
 *   left one, and through it the bytes would be somebody else's.
 *
 * A process leaves one spare, as a killed one leaves temporary files: its name is
 * of their kind, the cleaner collects it after an hour, and the next save begins
 * with a fresh file. Until then, or until it is written over, it holds an old
 * record of a session that may be gone. After a power loss a session may be an
 * older one of its own than without spares; `durability: "power"` has none.
 */
import { openExisting, release } from "./file_lock.ts";
import { discard, removeIfThere } from "./remove_if_there.ts";
import { system } from "./system.ts";

/** The spare of each directory, by its path: of this process, or this worker. */
export const spares: Map<string, string> = new Map();

/** A spare that is open, locked, and its taker's to write over. */
export interface SpareFile {
  /** Its temporary name. */
  readonly path: string;
  /** The open file. */
  readonly file: Deno.FsFile;
  /** How many bytes it has. */
  readonly size: number;
}

/**
 * Takes the spare of a directory: who takes it publishes or removes it.
 *
 * @param directory The directory.
 * @returns `undefined` when there is none, or none that may be written over.
 */
export function takeSpare(directory: string): SpareFile | undefined {
  const path = spares.get(directory);
  if (path === undefined) return undefined;
  spares.delete(directory);
  try {
    return openSpare(path);
  } catch (error) {
    discard(path);
    throw error;
  }
}

function openSpare(path: string): SpareFile | undefined {
  const file = openExisting(path, true);
  if (file === undefined) return undefined;
  let isLocked = false;
  let isUsable = false;
  try {
    isLocked = system.tryLock(file, true);
    const { nlink, mode, size } = system.fstat(file);
    isUsable = isLocked && nlink === 1 && (mode! & 0o777) === 0o600;
    if (isUsable) return { path, file, size };
    removeIfThere(path);
  } finally {
    if (!isUsable) release(file, isLocked);
  }
}
