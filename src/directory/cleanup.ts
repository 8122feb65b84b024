import {
  decodeLifetime,
  readLastAccess,
  readTag,
  type Unusable,
} from "../core/codec.ts";
import type { CleanupRule } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import { isSessionId } from "../core/token.ts";
import {
  discard,
  isNotFile,
  listFiles,
  openRegular,
  removeIfThere,
} from "../system/files.ts";
import { system } from "../system/system.ts";
import { AGAIN, retryUntilFree } from "../system/waiting.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { type LockedFile, openLocked } from "./file_lock.ts";
import {
  isLockName,
  isQuarantineName,
  markerPath,
  sessionPath,
  temporaryBirth,
  type UserEntry,
} from "./layout.ts";
import { markDirectory } from "./prepare_directory.ts";
import type { Quarantine } from "./quarantine.ts";
import { readOnce, readRest } from "./read_file.ts";
import { removeDeadLock } from "./request_lock.ts";
import { SessionFile } from "./session_file.ts";
import {
  makeMissingEntry,
  removeEntries,
  sweepUserIndex,
} from "./user_index.ts";

const HOUR = 60 * 60 * 1000;
const TEMPORARY_FOR = HOUR;
const QUARANTINE_FOR = 7 * 24 * HOUR;

/** How many index entries of deleted sessions are collected before removal. */
const MANY_ENTRIES = 4096;

/** How many files are removed at once: more make readers wait for the disk. */
const MOST_REMOVALS = 2;

type Verdict = "live" | "due" | "missing" | Unusable;

/**
 * Deletes the sessions of a directory that are due, and what killed processes
 * left there. Each file is first read without a lock, which may find a record, or
 * digits of its last access, half written: they are nothing. Only one that seems to
 * be due, or does not hold this session, is locked, looked at and judged again, and
 * then renamed and removed: a session that was saved or touched meanwhile, or
 * that another process holds, stays. The index entries of deleted sessions are
 * removed after them, many under one lock. Entries that the index lacks are made,
 * and some of the stale ones are removed. The event loop is given back every few
 * milliseconds.
 *
 * @param context A directory that is ready.
 * @param isDue Tells which sessions to delete, see `cleanupRule`.
 * @param quarantine Takes unreadable files.
 * @param lockTimeout How long to wait for another cleaner, in milliseconds.
 * @param options See `deleteOldSessions` of a store.
 * @throws {SessionLockTimeoutError} If another cleaner does not end in time.
 */
export async function cleanDirectory(
  context: DirectoryContext,
  isDue: CleanupRule,
  quarantine: Quarantine,
  lockTimeout: number,
  options: CleanupOptions,
): Promise<CleanupResult> {
  const { directory } = context;
  const { dryRun = false, onProgress, signal } = options;
  using _lock = await lockCleaner(directory, lockTimeout, signal);
  const count = { deleted: 0, remaining: 0, orphans: 0 };
  const onPause = () => onProgress?.({ ...count });
  const removals = new Removals();
  const entries: UserEntry[] = [];
  try {
    for await (const name of listFiles(directory, { signal, onPause })) {
      const path = sessionPath(directory, name);
      if (!isSessionId(name)) {
        const isLeft = isLockName(name)
          ? removeDeadLock(path, dryRun)
          : isOrphan(path, name) && (dryRun || removeIfThere(path));
        if (isLeft) count.orphans++;
        continue;
      }
      const seen = look(path, name, isDue);
      const file = new SessionFile(context, name, quarantine);
      const verdict = dryRun
        ? seen.verdict
        : judge(file, seen.verdict, isDue, (path, tag) => {
          removals.note(path);
          if (tag !== undefined) entries.push({ tag, id: name });
        });
      if (verdict === "live") {
        count.remaining++;
        const { tag } = seen;
        if (tag !== undefined && !dryRun) {
          makeMissingEntry(context, { tag, id: name });
        }
      }
      if (verdict === "due") {
        count.deleted++;
        await removals.run();
      }
      if (entries.length >= MANY_ENTRIES) await tidy();
    }
  } catch (error) {
    // The caller is to see the first error.
    await removals.end().catch(() => {});
    throw error;
  }
  await removals.end();
  await tidy();
  if (!dryRun) await sweepUserIndex(context, { signal, onPause });
  return count;

  async function tidy(): Promise<void> {
    await removeEntries(context, entries.splice(0), { signal, onPause });
  }
}

async function lockCleaner(
  directory: string,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<LockedFile> {
  const path = markerPath(directory);
  return await retryUntilFree(() => {
    const locked = openLocked(path, true);
    if (locked !== undefined) return locked;
    markDirectory(directory);
    return AGAIN;
  }, { path, timeout, signal });
}

/** Tells whether a file is old enough to collect, and of a kind that is collected. */
function isOrphan(path: string, name: string): boolean {
  const birth = temporaryBirth(name);
  if (birth !== undefined) return system.now() - birth >= TEMPORARY_FOR;
  if (!isQuarantineName(name)) return false;
  try {
    const since = system.lstat(path).mtime!.getTime();
    return system.now() - since >= QUARANTINE_FOR;
  } catch (error) {
    // It was taken away for inspection.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Judges a file without a lock, and reads the tag of its user, if it has one. */
function look(
  path: string,
  id: string,
  isDue: CleanupRule,
): { readonly verdict: Verdict; readonly tag?: string | undefined } {
  // What was listed as a file may be anything now.
  const opened = openRegular(path);
  if (opened === undefined) return { verdict: "missing" };
  const { file } = opened;
  try {
    let bytes = readOnce(file);
    let lifetime = decodeLifetime(id, bytes);
    if (typeof lifetime === "string") {
      bytes = readRest(file, bytes);
      lifetime = decodeLifetime(id, bytes);
    }
    if (typeof lifetime === "string") return { verdict: lifetime };
    const lastAccess = readLastAccess(bytes)!;
    const verdict = isDue(lifetime, lastAccess, system.now()) ? "due" : "live";
    return { verdict, tag: readTag(bytes) };
  } finally {
    system.close(file);
  }
}

/** Judges a file again under its lock, and deletes it if it is due. */
function judge(
  file: SessionFile,
  seen: Verdict,
  isDue: CleanupRule,
  note: (path: string, tag: string | undefined) => void,
): Verdict {
  if (seen === "live" || seen === "missing") return seen;
  try {
    const isDeleted = file.deleteIfDue(isDue, note);
    if (isDeleted === undefined) return "missing";
    return isDeleted === true ? "due" : "live";
  } catch (error) {
    if (!isNotFile(file.path)) throw error;
    return "missing";
  }
}

/**
 * Removes files in other threads, a few at once. On a disk that has to be told of
 * each free block (ext4 with `discard`) the removal of a file takes 200 µs, and a
 * cleaner removes thousands: too long to block the event loop.
 */
class Removals {
  readonly #running: Set<Promise<void>> = new Set();
  #noted: string[] = [];
  #errors: unknown[] = [];

  /**
   * Notes a file for removal, which must be closed before {@linkcode run}.
   *
   * @param path Its name, which no other process uses.
   */
  note(path: string): void {
    this.#noted.push(path);
  }

  /**
   * Begins to remove what was noted; resolves when there is room for more.
   *
   * @throws What removing one of them, or an earlier one, threw.
   */
  async run(): Promise<void> {
    for (const path of this.#noted.splice(0)) {
      const removal = this.#remove(path).then(() => {
        this.#running.delete(removal);
      });
      this.#running.add(removal);
    }
    if (this.#running.size >= MOST_REMOVALS) await Promise.race(this.#running);
    this.#throwAny();
  }

  /**
   * Removes what is left; resolves when all are removed.
   *
   * @throws What removing one of them threw.
   */
  async end(): Promise<void> {
    await this.run();
    await Promise.all(this.#running);
    this.#throwAny();
  }

  async #remove(path: string): Promise<void> {
    try {
      await system.removeLater(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      discard(path);
      this.#errors.push(error);
    }
  }

  #throwAny(): void {
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length > 0) throw errors[0];
  }
}
