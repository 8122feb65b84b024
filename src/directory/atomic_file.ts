/*
 * What stands behind a session's name changes only by `link` (onto a missing
 * name), `rename` (over a file whose exclusive lock is held) and `unlink`
 * (likewise). Behind a name no byte changes but the flag of the codec. So
 * whoever opens a name finds one whole record, and a process that dies between
 * any two calls leaves the old one or the new one, and what it had under
 * temporary names: one file, and a second name of the one to be replaced.
 *
 *   replace   write T · [sync T · lock T] · rename T over A · [sync the directory]
 *   create    write T · [sync T] · link T to A · unlink T · [sync the directory]
 *   remove    unlink A · [sync the directory]
 *
 * In brackets: what `durability: "power"` adds, all of it before the answer.
 * T is locked before the rename, because from then on it is the session, and
 * nobody shall build on it before the directory is on the disk. Without it, a
 * T to replace with is the file that was replaced before: see recycled_file.ts.
 *
 * Only the maker of a temporary file opens, links or renames it. Anyone may
 * unlink one that is an hour old; its maker, should it live, then starts again.
 *
 * Without the brackets a power loss may leave the old record, an older one, the
 * new one, or a file that is empty or holds other bytes: the codec knows it for
 * unreadable or for another session's. A removal may be undone.
 */
import type { Durability } from "../core/store.ts";
import { FLAG_AT, PUBLISHED, UNPUBLISHED } from "../core/codec.ts";
import { type HeldFile, release } from "./file_lock.ts";
import { AGAIN, type Again } from "../system/waiting.ts";
import { temporaryPath } from "./layout.ts";
import { discard, removeIfThere } from "../system/remove_if_there.ts";
import {
  canKeep,
  type RecycledFile,
  recycledFiles,
  type TakenFile,
  takeRecycled,
} from "./recycled_file.ts";
import { system } from "../system/system.ts";

/** Where files are put, and how. */
export interface DirectoryContext {
  /** The directory: temporary files stand beside what they become. */
  readonly directory: string;
  /** What an acknowledged change survives. */
  readonly durability: Durability;
  /** The umask takes the owner's own rights, so every file needs a `chmod`. */
  readonly needsMode: boolean;
  /** Whether what we make is of the same owner as the directory. */
  readonly isOwner: boolean;
}

/**
 * Puts a record behind a name that is missing.
 *
 * @param context Where the name is.
 * @param path The name.
 * @param bytes The record, encoded; its flag may be changed.
 * @param modified When it was modified, in ms since the epoch; now, without.
 * @returns `false`, and nothing changed, when the name is taken.
 */
export function createFile(
  context: DirectoryContext,
  path: string,
  bytes: Uint8Array,
  modified?: number,
): boolean | Again {
  return publish(context, { bytes, modified }, (temporary) => {
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
 * Puts a record over one that is held.
 *
 * @param context Where the name is.
 * @param held The file behind the name; it may be kept, to be written over.
 * @param bytes The record, encoded; its flag may be changed.
 * @param modified When it was modified, in ms since the epoch; now, without.
 * @returns `true`; {@linkcode AGAIN} when the temporary file was collected.
 */
export function replaceFile(
  context: DirectoryContext,
  held: HeldFile,
  bytes: Uint8Array,
  modified?: number,
): true | Again {
  const { directory, durability } = context;
  const isRecycling = durability === "process";
  // What is recycled is modified once more, when it is flagged as published.
  const isFresh = !isRecycling || modified !== undefined;
  const recycled = isFresh ? undefined : takeRecycled(directory);
  return publish(context, { bytes, modified, recycled }, (temporary) => {
    const retired = isRecycling && canKeep(directory, held)
      ? newTemporaryPath(directory)
      : undefined;
    try {
      if (retired !== undefined) system.link(held.path, retired);
      system.rename(temporary, held.path);
    } catch (error) {
      if (retired !== undefined) discard(retired);
      if (error instanceof Deno.errors.NotFound) return AGAIN;
      throw error;
    }
    if (retired !== undefined) {
      recycledFiles.set(directory, { path: retired, file: held.keep() });
    }
    if (recycled !== undefined) flagPublished(recycled.file);
    return true;
  });
}

/**
 * Removes a file whose exclusive lock is held, and was held when
 * {@linkcode leadsTo} said `true`.
 *
 * @param context Where the name is.
 * @param path The name.
 */
export function removeFile(context: DirectoryContext, path: string): void {
  system.remove(path);
  if (context.durability === "power") syncDirectory(context.directory);
}

/** What is published. */
interface Content {
  readonly bytes: Uint8Array;
  readonly modified: number | undefined;
  /** What it is written over, if there is one. */
  readonly recycled?: TakenFile | undefined;
}

/** Writes over the recycled file, or a fresh file if there is none, and puts it. */
function publish<T extends boolean | Again>(
  context: DirectoryContext,
  { bytes, modified, recycled }: Content,
  put: (temporary: string) => T,
): T {
  const { directory, durability, needsMode } = context;
  const { path, file } = recycled ?? openFresh(newTemporaryPath(directory));
  let isLocked = recycled !== undefined;
  try {
    if (needsMode && recycled === undefined) system.changeMode(path, 0o600);
    bytes[FLAG_AT] = recycled === undefined ? PUBLISHED : UNPUBLISHED;
    if (recycled !== undefined) system.rewind(file);
    writeWhole(file, bytes);
    if (recycled !== undefined && recycled.size > bytes.length) {
      system.truncate(file, bytes.length);
    }
    if (modified !== undefined) system.setModified(file, modified);
    if (durability === "power") {
      system.sync(file);
      isLocked = system.tryLock(file, true);
    }
    const result = put(path);
    if (result !== true) removeIfThere(path);
    else if (durability === "power") syncDirectory(directory);
    return result;
  } catch (error) {
    discard(path);
    throw error;
  } finally {
    release(file, isLocked);
  }
}

function newTemporaryPath(directory: string): string {
  return temporaryPath(directory, system.now(), system.random());
}

function openFresh(path: string): RecycledFile {
  const options = { write: true, createNew: true, mode: 0o600 };
  return { path, file: system.open(path, options) };
}

function flagPublished(file: Deno.FsFile): void {
  system.overwrite(file, FLAG_AT, new Uint8Array([PUBLISHED]));
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

/** Waits until the names in a directory are on the disk. */
export function syncDirectory(directory: string): void {
  const file = system.open(directory, { read: true });
  try {
    system.sync(file);
  } finally {
    system.close(file);
  }
}
