import { decodeLifetime, readTag, type Unusable } from "../core/codec.ts";
import type { CleanupRule } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import { isSessionId } from "../core/token.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { type LockedFile, openLocked } from "./file_lock.ts";
import {
  discard,
  isNotFile,
  listFiles,
  openRegular,
  removeIfThere,
} from "../system/files.ts";
import { AGAIN, retryUntilFree } from "../system/waiting.ts";
import {
  isQuarantineName,
  markerPath,
  sessionPath,
  temporaryBirth,
  type UserEntry,
} from "./layout.ts";
import { markDirectory } from "./prepare_directory.ts";
import { readOnce, readRest } from "./read_file.ts";
import {
  makeMissingEntry,
  removeEntries,
  sweepUserIndex,
} from "./user_index.ts";
import { system } from "../system/system.ts";
import type { Quarantine } from "./quarantine.ts";
import { SessionFile } from "./session_file.ts";

const HOUR = 60 * 60 * 1000;
const TEMPORARY_FOR = HOUR;
const QUARANTINE_FOR = 7 * 24 * HOUR;

/** What {@linkcode cleanDirectory} takes. */
export interface DirectoryCleanupOptions extends CleanupOptions {
  /** Where unreadable files go. */
  readonly quarantine: Quarantine;
  /** How long to wait for another cleaner, in milliseconds. */
  readonly lockTimeout: number;
}

/** At so many entries of the index to remove, they are removed. */
const MANY_ENTRIES = 4096;

type Verdict = "live" | "old" | "gone" | Unusable;

/** A file at first sight. */
interface Seen {
  readonly verdict: Verdict;
  /** The tag of its user, if it has one. */
  readonly tag?: string | undefined;
}

/**
 * Deletes old sessions from a directory, and what dead processes left there.
 * A file is first read without a lock; only one that seems to be old, or is
 * none of this session's, is locked, looked at again, judged again, and then
 * renamed and removed: a session that was saved or touched meanwhile, or that
 * somebody holds, stays. The entries of the index of users go after their
 * sessions, some under one lock. What the index lacks is made, and of what is
 * there for nothing some is removed. The event loop is given back every few
 * milliseconds.
 *
 * @param context A directory that is ready.
 * @param isDue Decides which are old, see `cleanupRule`.
 * @param options See there.
 * @throws {SessionLockTimeoutError} If another cleaner does not end in time.
 */
export async function cleanDirectory(
  context: DirectoryContext,
  isDue: CleanupRule,
  options: DirectoryCleanupOptions,
): Promise<CleanupResult> {
  const { directory } = context;
  const { dryRun = false, onProgress, quarantine, signal } = options;
  using _lock = await lockCleaner(directory, options);
  const count = { deleted: 0, remaining: 0, orphans: 0 };
  const onPause = () => onProgress?.({ ...count });
  const removals = new Removals();
  const entries: UserEntry[] = [];
  try {
    for await (const name of listFiles(directory, { signal, onPause })) {
      const path = sessionPath(directory, name);
      if (!isSessionId(name)) {
        const isLeft = isOrphan(path, name);
        if (isLeft && (dryRun || removeIfThere(path))) count.orphans++;
        continue;
      }
      const file = new SessionFile(context, name, quarantine);
      const seen = peek(file, name, isDue);
      const verdict = dryRun
        ? seen.verdict
        : judge(file, seen, isDue, (path, tag) => {
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
      if (verdict === "old") {
        count.deleted++;
        await removals.run();
      }
      if (entries.length >= MANY_ENTRIES) await tidy();
    }
  } catch (error) {
    // What is wrong besides is not what went wrong first.
    await removals.end().catch(() => {});
    throw error;
  }
  await removals.end();
  await tidy();
  if (!dryRun) await sweepUserIndex(directory, { signal, onPause });
  return count;

  async function tidy(): Promise<void> {
    await removeEntries(directory, entries.splice(0), { signal, onPause });
  }
}

async function lockCleaner(
  directory: string,
  options: DirectoryCleanupOptions,
): Promise<LockedFile> {
  const path = markerPath(directory);
  return await retryUntilFree(() => {
    const locked = openLocked(path, true);
    if (locked !== undefined) return locked;
    markDirectory(directory);
    return AGAIN;
  }, { path, timeout: options.lockTimeout, signal: options.signal });
}

function isOrphan(path: string, name: string): boolean {
  const birth = temporaryBirth(name);
  if (birth !== undefined) return system.now() - birth >= TEMPORARY_FOR;
  if (!isQuarantineName(name)) return false;
  try {
    const since = system.lstat(path).mtime!.getTime();
    return system.now() - since >= QUARANTINE_FOR;
  } catch (error) {
    // Somebody who inspects it has taken it away.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Judges a file again under its lock, and deletes one that is old. */
function judge(
  file: SessionFile,
  { verdict }: Seen,
  isDue: CleanupRule,
  note: (path: string, tag: string | undefined) => void,
): Verdict {
  if (verdict === "live" || verdict === "gone") return verdict;
  try {
    const judged = file.deleteIfOld(isDue, note);
    return judged === AGAIN ? "live" : judged ?? "gone";
  } catch (error) {
    if (!isNotFile(file.path)) throw error;
    return "gone";
  }
}

/** What was listed as a file may be anything by now: it is left, then. */
function peek({ path }: SessionFile, id: string, isDue: CleanupRule): Seen {
  const opened = openRegular(path);
  if (opened === undefined) return { verdict: "gone" };
  const { file, info } = opened;
  try {
    let bytes = readOnce(file);
    let lifetime = decodeLifetime(id, bytes);
    if (typeof lifetime === "string") {
      bytes = readRest(file, bytes);
      lifetime = decodeLifetime(id, bytes);
    }
    if (typeof lifetime === "string") return { verdict: lifetime };
    const lastAccess = info.mtime!.getTime();
    const verdict = isDue(lifetime, lastAccess, system.now()) ? "old" : "live";
    return { verdict, tag: readTag(bytes) };
  } finally {
    system.close(file);
  }
}

/** With more, who reads waits for the disk, and all for the directory. */
const MOST_AT_ONCE = 2;

/**
 * Removes files in other threads, a few at once. On a disk that has to be told
 * of each free block (ext4 with `discard`) the end of a file takes 200 µs, and
 * a cleaner deletes thousands: that is nothing to hold up an event loop with.
 */
export class Removals {
  readonly #running: Set<Promise<void>> = new Set();
  #noted: string[] = [];
  #errors: unknown[] = [];

  /**
   * Notes a file that is to be removed, not before it is closed.
   *
   * @param path Its name, which nobody else uses.
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
    if (this.#running.size >= MOST_AT_ONCE) await Promise.race(this.#running);
    this.#throwAny();
  }

  /**
   * Removes what is left; resolves when all are gone.
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
