/*
 * What stands behind a session's name changes only by `link` (onto a missing
 * name), `rename` (over a file whose exclusive lock is held) and `unlink`
 * (likewise). The bytes behind a name never change. So whoever opens a name
 * finds one whole record, and a process that dies between any two calls leaves
 * the old one or the new one, and at most one temporary file:
 *
 *   replace   write T · [sync T · lock T] · rename T over A · [sync the directory]
 *   create    write T · [sync T] · link T to A · unlink T · [sync the directory]
 *   remove    unlink A · [sync the directory]
 *
 * In brackets: what `durability: "power"` adds, all of it before the answer.
 * T is locked before the rename, because from then on it is the session, and
 * nobody shall build on it before the directory is on the disk.
 *
 * Only the maker of a temporary file opens, links or renames it. Anyone may
 * unlink one that is an hour old; its maker, should it live, then starts again.
 *
 * Without the brackets a power loss may leave the old record, the new one, or
 * a file that is empty or holds other bytes: the codec knows it for unreadable
 * or for another session's. A removal may be undone.
 */
import { LARGEST_RECORD } from "../core/codec.ts";
import { AGAIN, type Again } from "./file_lock.ts";
import { temporaryPath } from "./layout.ts";
import { system } from "./system.ts";

/**
 * What an acknowledged change survives: `"process"`, the death of any process;
 * `"power"`, also that of the machine, for the price of three `fsync`.
 */
export type Durability = "process" | "power";

const FIRST_READ = 64 * 1024;

/*
 * One buffer for all: what is read is decoded before anybody else runs.
 */
let buffer = new Uint8Array(FIRST_READ);

/**
 * Reads what an open file holds with one call, if it fits into the buffer.
 *
 * @returns A view of the bytes, good until the next read. It can be short on a
 * file system that reads in pieces, so bytes that make no sense are no proof.
 */
export function readOnce(file: Deno.FsFile): Uint8Array {
  const length = system.read(file, buffer) ?? 0;
  return length < buffer.length
    ? buffer.subarray(0, length)
    : readOn(file, length);
}

/**
 * Reads all that an open file holds, to its end, or one byte more than any
 * record has: enough to know it for none, and the end of what never ends.
 *
 * @returns A view of the bytes, good until the next read.
 */
export function readWhole(file: Deno.FsFile): Uint8Array {
  return readOn(file, 0);
}

/**
 * Reads on where {@linkcode readOnce} ended, in case that was but a piece.
 *
 * @param file The open file.
 * @param first What was read of it; nothing else was read since.
 * @returns A view of all its bytes, good until the next read.
 */
export function readRest(file: Deno.FsFile, first: Uint8Array): Uint8Array {
  return first.length < buffer.length ? readOn(file, first.length) : first;
}

function readOn(file: Deno.FsFile, start: number): Uint8Array {
  let end = start;
  for (;;) {
    if (end > LARGEST_RECORD) break;
    if (end === buffer.length) grow();
    const length = system.read(file, buffer.subarray(end));
    if (length === null) break;
    end += length;
  }
  const bytes = buffer.subarray(0, end);
  if (buffer.length > FIRST_READ) buffer = new Uint8Array(FIRST_READ);
  return bytes;
}

function grow(): void {
  const size = Math.min(2 * buffer.length, LARGEST_RECORD + 1);
  const larger = new Uint8Array(size);
  larger.set(buffer);
  buffer = larger;
}

/** Where files are put, and how. */
export interface Place {
  /** The directory: temporary files stand beside what they become. */
  readonly directory: string;
  /** What an acknowledged change survives. */
  readonly durability: Durability;
  /** The umask takes the owner's own rights, so every file needs a `chmod`. */
  readonly needsMode: boolean;
}

/**
 * Puts a file behind a name that is missing.
 *
 * @param place Where the name is.
 * @param path The name.
 * @param bytes What the file holds.
 * @returns `false`, and nothing changed, when the name is taken.
 */
export function createFile(
  place: Place,
  path: string,
  bytes: Uint8Array,
): boolean | Again {
  return publish(place, bytes, (temporary) => {
    try {
      system.link(temporary, path);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      if (error instanceof Deno.errors.NotFound) return AGAIN;
      throw error;
    }
    removeIfThere(temporary);
    return true;
  });
}

/**
 * Puts a file over one whose exclusive lock is held, and was held when
 * {@linkcode leadsTo} said `true`.
 *
 * @param place Where the name is.
 * @param path The name.
 * @param bytes What the new file holds.
 * @returns `true`; {@linkcode AGAIN} when the temporary file was collected.
 */
export function replaceFile(
  place: Place,
  path: string,
  bytes: Uint8Array,
): true | Again {
  return publish(place, bytes, (temporary) => {
    try {
      system.rename(temporary, path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return AGAIN;
      throw error;
    }
    return true;
  });
}

/**
 * Removes a file whose exclusive lock is held, and was held when
 * {@linkcode leadsTo} said `true`.
 *
 * @param place Where the name is.
 * @param path The name.
 */
export function removeFile(place: Place, path: string): void {
  system.remove(path);
  if (place.durability === "power") syncDirectory(place.directory);
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

function publish<T extends boolean | Again>(
  place: Place,
  bytes: Uint8Array,
  put: (temporary: string) => T,
): T {
  const { directory, durability, needsMode } = place;
  const temporary = temporaryPath(directory, system.now(), system.random());
  const file = system.open(temporary, {
    write: true,
    createNew: true,
    mode: 0o600,
  });
  let isLocked = false;
  try {
    if (needsMode) system.changeMode(temporary, 0o600);
    writeWhole(file, bytes);
    if (durability === "power") {
      system.sync(file);
      isLocked = system.tryLock(file, true);
    }
    const result = put(temporary);
    if (result !== true) removeIfThere(temporary);
    else if (durability === "power") syncDirectory(directory);
    return result;
  } catch (error) {
    discard(temporary);
    throw error;
  } finally {
    try {
      if (isLocked) system.unlock(file);
    } finally {
      system.close(file);
    }
  }
}

function writeWhole(file: Deno.FsFile, bytes: Uint8Array): void {
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

function syncDirectory(directory: string): void {
  const file = system.open(directory, { read: true });
  try {
    system.sync(file);
  } finally {
    system.close(file);
  }
}
