/*
 * How a record gets behind a session's name.
 *
 * The file behind a name changes only by `link` (onto a missing name), `rename`
 * (over a file whose exclusive lock is held) and `unlink` (likewise). In a file
 * that has a session's name no byte changes but the flag and the last access of
 * the codec, each by one write under the exclusive lock. So every reader of a name
 * finds one whole record, and a process that is killed between any two calls
 * leaves the old record or the new one, and under temporary names at most two: the
 * new file, and a second name of the file to be replaced.
 *
 *   replace   write T · [sync T · lock T] · rename T over A · [sync the directory]
 *   create    write T · [sync T · lock T] · link T to A · unlink T · [sync the
 *             directory]
 *   remove    unlink A · [sync the directory]
 *
 * In brackets: what `durability: "power"` adds, all of it before the answer. T is
 * locked before it gets the name, because from then on it is the session, and no
 * other process may change it before the directory is on the disk.
 *
 * Once the name leads to T the change is made. Whatever fails after that goes to
 * the warnings, but for the sync of the directory: that is the caller's error, and
 * says that the change is made. The directory is opened before, so that this
 * cannot fail for want of a file descriptor.
 *
 * Only the maker of a temporary file opens, links or renames it. Any process may
 * unlink one that is an hour old; if its maker is still at work, it starts again.
 *
 * Without the brackets a power loss may leave the new record, the old one, an
 * older one, or a file that is empty or holds other bytes; the codec recognises
 * such a file as unreadable or as another session's. A removal may be undone.
 *
 * The recycled file
 *
 * Without the brackets, the T of `replace` is the file that was replaced before,
 * S. On ext4 a rename over a name waits for the blocks of a file that has just
 * been written, unless the file had them before; so a save is five times as fast.
 * S stays open and locked until then, so a save opens, locks and unlocks one file
 * and not two:
 *
 *   replace   write over S, flagged `?` · link A to S2 · rename S over A · flag S
 *             as published · unlock it. The file that was A is locked and now has
 *             the name S2: it is the next recycled file
 *
 * So the bytes of a file can change after a process opened it as a session. These
 * rules keep a reader from returning a record that was never committed:
 *
 * - A recycled file is locked, and flagged `?` while it is written, from the time
 *   it was a session until it is one again. A reader that opened it finds it
 *   locked and opens the name again. The first write overwrites the flag, so if
 *   the writer is killed, the next holder of the lock finds `?`.
 * - A reader that finds a record flagged `?`, or no record, or another session's,
 *   looks whether the name still leads to this file before it believes that. A
 *   record flagged as published was behind the name at some time since the file
 *   was opened; for a read it does not matter that it was replaced since. A writer
 *   always looks.
 * - A file becomes the recycled file only when its successor has its name. Only
 *   the process that replaced it uses it, once. It must have no second name, then
 *   and when it is written over: a backup made of hard links would change.
 *
 * A process keeps one recycled file for a directory, open, until the store is
 * disposed of. A process that ends without that leaves the file, as a killed one
 * leaves temporary files: its name is of that kind, the cleaner collects it after
 * an hour, and the next save begins with a new file. Until it is written over or
 * collected it holds an old record, maybe of a session that was deleted. After a
 * power loss a session's record may be older than without recycled files.
 */
import { FLAG_AT, PUBLISHED, UNPUBLISHED } from "../core/codec.ts";
import { SessionStoreError } from "../core/errors.ts";
import type { Durability } from "../core/store.ts";
import type { Warnings } from "../core/warnings.ts";
import {
  discard,
  FILE_MODE,
  makeFile,
  removeIfThere,
  writeWhole,
} from "../system/files.ts";
import { system } from "../system/system.ts";
import { AGAIN, type Again } from "../system/waiting.ts";
import { type HeldFile, release } from "./file_lock.ts";
import { temporaryPath } from "./layout.ts";

/** Where files are put, and how. */
export interface DirectoryContext {
  /** The directory: temporary files stand beside what they become. */
  readonly directory: string;
  /** What an acknowledged change survives. */
  readonly durability: Durability;
  /** Whether the umask takes the owner's own rights: each new file needs a `chmod`. */
  readonly needsMode: boolean;
  /** The device that it was on when the store began. */
  readonly device: number;
  /** The user whose it was then. */
  readonly owner: number | null;
  /** Told of what fails and is not needed for an answer. */
  readonly warnings: Warnings;
  /** Gets the paths that were left because they may not be opened. */
  readonly skipped?: Set<string>;
}

/** A recycled file, open and under its exclusive lock. */
export interface RecycledFile {
  /** Its temporary name. */
  readonly path: string;
  /** The open file, to read and to write. */
  readonly file: Deno.FsFile;
}

/** The recycled file of each directory, of this process or worker, by its path. */
export const recycledFiles: Map<string, RecycledFile> = new Map();

/** Made once: an array of bytes costs as much as a small write. */
const PUBLISHED_BYTES = new Uint8Array([PUBLISHED]);

/** Each is an open file; in further directories new files are used. */
const MOST_RECYCLED = 16;

/**
 * Puts a record behind a name that is missing.
 *
 * @param context Where the name is.
 * @param path The name.
 * @param bytes The record, encoded; its flag may be changed.
 * @returns `false`, and nothing changed, when the name is taken;
 * {@linkcode AGAIN} when the temporary file was collected.
 */
export function createFile(
  context: DirectoryContext,
  path: string,
  bytes: Uint8Array,
): boolean | Again {
  return publish(context, undefined, bytes, (temporary) => {
    try {
      system.link(temporary, path);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      if (error instanceof Deno.errors.NotFound) return AGAIN;
      throw error;
    }
    removeTemporary(context, temporary);
    return true;
  });
}

/** Removes a temporary file; one that cannot be removed is left to the cleaner. */
function removeTemporary(
  { warnings }: DirectoryContext,
  temporary: string,
): void {
  try {
    removeIfThere(temporary);
  } catch (error) {
    discard(temporary);
    warnings.unwritten("remove a temporary file", error, { path: temporary });
  }
}

/**
 * Puts a record over one that is held.
 *
 * @param context Where the name is.
 * @param held The file behind the name; it may become the recycled file.
 * @param bytes The record, encoded; its flag may be changed.
 * @returns `true`; {@linkcode AGAIN} when the temporary file was collected.
 */
export function replaceFile(
  context: DirectoryContext,
  held: HeldFile,
  bytes: Uint8Array,
): true | Again {
  const { directory, durability, warnings } = context;
  const isRecycling = durability === "process";
  const recycled = isRecycling
    ? warnings.attempt(
      "write over the file that was replaced last",
      () => takeRecycled(directory),
    )
    : undefined;
  return publish(context, recycled, bytes, (temporary) => {
    let retired: string | undefined;
    try {
      if (isRecycling && canRecycle(directory, held)) {
        retired = linkRetired(context, held);
      }
      system.rename(temporary, held.path);
    } catch (error) {
      if (retired !== undefined) discard(retired);
      if (error instanceof Deno.errors.NotFound) return AGAIN;
      throw error;
    }
    if (retired !== undefined) {
      recycledFiles.set(directory, { path: retired, file: held.keep() });
    }
    if (recycled !== undefined) {
      const { file } = recycled;
      warnings.attempt("flag a session's file", () => flagPublished(file));
    }
    return true;
  });
}

/** Gives a file that is about to be replaced a second name, to be used again. */
function linkRetired(
  { directory, warnings }: DirectoryContext,
  { path }: HeldFile,
): string | undefined {
  const retired = newTemporaryPath(directory);
  try {
    system.link(path, retired);
    return retired;
  } catch (error) {
    discard(retired);
    if (error instanceof Deno.errors.NotFound) throw error;
    warnings.unwritten("keep the file that is replaced", error);
    return undefined;
  }
}

/**
 * Removes a file whose exclusive lock is held, and was held when
 * {@linkcode leadsTo} returned `true`.
 *
 * @param context Where the name is.
 * @param path The name.
 */
export function removeFile(context: DirectoryContext, path: string): void {
  using names = openNames(context);
  system.remove(path);
  names?.sync();
}

/** Opens a directory whose names are to reach the disk. */
function openNames(
  { directory, durability }: DirectoryContext,
): (Disposable & { sync(): void }) | undefined {
  if (durability === "process") return undefined;
  const file = system.open(directory, { read: true });
  return {
    sync() {
      try {
        system.sync(file);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new SessionStoreError(
          "write",
          new Error(
            `the change is made, but may not survive a power loss: ${reason}`,
            { cause: error },
          ),
        );
      }
    },
    [Symbol.dispose]: () => system.close(file),
  };
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

/** A recycled file that may be written over, and how many bytes it has. */
interface TakenFile extends RecycledFile {
  readonly size: number;
}

/**
 * Takes the recycled file of a directory: the caller publishes it, or removes
 * it, and then releases it.
 *
 * @param directory The directory.
 * @returns `undefined` when there is none that may be written over.
 */
export function takeRecycled(directory: string): TakenFile | undefined {
  const recycled = recycledFiles.get(directory);
  if (recycled === undefined) return undefined;
  recycledFiles.delete(directory);
  const { path, file } = recycled;
  let isUsable = false;
  try {
    const info = system.fstat(file);
    isUsable = isPrivate(info);
    if (isUsable) return { path, file, size: info.size };
    removeIfThere(path);
  } catch (error) {
    discard(path);
    throw error;
  } finally {
    if (!isUsable) release(file, true);
  }
}

/** Tells whether a file that is about to be replaced can be the recycled file. */
function canRecycle(directory: string, { info }: HeldFile): boolean {
  return isPrivate(info) && !recycledFiles.has(directory) &&
    recycledFiles.size < MOST_RECYCLED;
}

/** Tells whether a file has one name, and only its owner may open it. */
function isPrivate({ nlink, mode }: Deno.FileInfo): boolean {
  return nlink === 1 && (mode! & 0o777) === FILE_MODE;
}

/** Writes a record over the recycled file, or to a new one, and names it. */
function publish<T extends boolean | Again>(
  context: DirectoryContext,
  recycled: TakenFile | undefined,
  bytes: Uint8Array,
  name: (temporary: string) => T,
): T {
  const { directory, durability, needsMode, warnings } = context;
  const path = recycled?.path ?? newTemporaryPath(directory);
  const file = recycled?.file ?? makeFile(path);
  let isLocked = recycled !== undefined;
  try {
    if (recycled === undefined) {
      if (needsMode) system.changeMode(path, FILE_MODE);
      bytes[FLAG_AT] = PUBLISHED;
      writeWhole(file, bytes);
    } else {
      bytes[FLAG_AT] = UNPUBLISHED;
      system.rewind(file);
      writeWhole(file, bytes);
      if (recycled.size > bytes.length) system.truncate(file, bytes.length);
    }
    if (durability === "power") {
      system.sync(file);
      isLocked = system.tryLock(file, true);
    }
    using names = openNames(context);
    const result = name(path);
    if (result === true) names?.sync();
    else removeTemporary(context, path);
    return result;
  } catch (error) {
    discard(path);
    throw error;
  } finally {
    release(file, isLocked, warnings);
  }
}

function newTemporaryPath(directory: string): string {
  return temporaryPath(directory, system.now(), system.random());
}

function flagPublished(file: Deno.FsFile): void {
  system.overwrite(file, FLAG_AT, PUBLISHED_BYTES);
}
