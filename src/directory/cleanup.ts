import {
  decodeLifetime,
  readLastAccess,
  readTag,
  type Unusable,
} from "../core/codec.ts";
import type { CleanupRule } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import { isSessionId } from "../core/token.ts";
import type { Warnings } from "../core/warnings.ts";
import { CleanupBudget } from "../system/cleanup_budget.ts";
import {
  discard,
  isFull,
  isNotFile,
  listFiles,
  openRegular,
  removeIfThere,
} from "../system/files.ts";
import { system } from "../system/system.ts";
import { skip } from "./forbidden.ts";
import {
  isLockName,
  isQuarantineName,
  sessionPath,
  temporaryBirth,
  type UserEntry,
} from "./layout.ts";
import { checkForCleanup, lockForCleanup } from "./prepare_cleanup.ts";
import { isOwner } from "./prepare_directory.ts";
import type { Quarantine } from "./quarantine.ts";
import { readOnce, readRest } from "./read_file.ts";
import { removeDeadLock } from "./request_lock.ts";
import { SessionFile } from "./session_file.ts";
import {
  isIndexElsewhere,
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
 * milliseconds. A file that may not be opened is skipped, if the marker may.
 *
 * It works where no block and no inode is left, see `prepare_cleanup.ts`. A dry
 * run opens files to read only, locks none of a session's and changes nothing.
 *
 * @param directory The directory, with its marker.
 * @param isDue Tells which sessions to delete, see `cleanupRule`.
 * @param quarantine Takes unreadable files.
 * @param warnings Is told of what is skipped, and of what is not needed and cannot
 * be written.
 * @param options See `deleteOldSessions` of a store.
 * @returns What was done; `isBusy` at once if another cleaner is at work.
 * @throws {SessionDirectoryError} If the directory cannot be cleaned.
 */
export async function cleanDirectory(
  directory: string,
  isDue: CleanupRule,
  quarantine: Quarantine,
  warnings: Warnings,
  options: CleanupOptions,
): Promise<CleanupResult> {
  const { dryRun = false, onProgress, signal } = options;
  const budget = new CleanupBudget(options);
  signal?.throwIfAborted();
  const count = { deleted: 0, remaining: 0, orphans: 0 };
  const { dev, uid } = checkForCleanup(directory);
  const lock = dryRun ? undefined : lockForCleanup(directory, warnings);
  if (typeof lock === "number") {
    return { ...count, isBusy: true, busySince: lock };
  }
  using _lock = lock;
  const skipped = new Set<string>();
  // A cleaner makes no session, for which the rest would count.
  const context = {
    directory,
    durability: "process",
    needsMode: true,
    device: dev,
    owner: uid,
    warnings,
    skipped,
  } as const;
  const onPause = () => onProgress?.({ ...count });
  const listing = { signal, onPause };
  const removals = new Removals();
  const entries: UserEntry[] = [];
  const isWithoutIndex = dryRun || isIndexElsewhere(directory);
  let mayMakeBuckets: boolean | undefined;
  let isEnded = false;
  try {
    for await (const name of listFiles(directory, listing)) {
      isEnded = budget.deletesLeft(count.deleted) === 0;
      if (isEnded) break;
      const path = sessionPath(directory, name);
      let isDeleted = false;
      try {
        if (isSessionId(name)) isDeleted = clean(name, path) === "due";
        else {
          const isLeft = isLockName(name)
            ? removeDeadLock(path, dryRun)
            : isOrphan(path, name) && (dryRun || removeIfThere(path));
          if (isLeft) count.orphans++;
        }
      } catch (error) {
        skip(context, path, error, isSessionId(name) ? name : undefined);
      }
      if (isDeleted) await removals.run();
      if (entries.length >= MANY_ENTRIES) await tidy();
    }
  } catch (error) {
    // The caller is to see the first error.
    await removals.end().catch(() => {});
    throw error;
  }
  await removals.end();
  await tidy();
  if (!isWithoutIndex && !isEnded) {
    await sweepUserIndex(context, listing);
  }
  const { size } = skipped;
  return budget.resultOf({ ...count, ...size > 0 && { skipped: size } });

  function clean(id: string, path: string): Verdict {
    const seen = look(path, id, isDue, !dryRun);
    const verdict = dryRun ? seen.verdict : judge(
      new SessionFile(context, id, quarantine),
      seen.verdict,
      isDue,
      (path, tag) => {
        if (path !== undefined) removals.note(path);
        if (tag !== undefined) entries.push({ tag, id });
      },
    );
    if (verdict === "live") {
      count.remaining++;
      if (seen.tag !== undefined) complete({ tag: seen.tag, id });
    }
    if (verdict === "due") count.deleted++;
    return verdict;
  }

  function complete(entry: UserEntry): void {
    if (isWithoutIndex) return;
    try {
      makeMissingEntry(
        context,
        entry,
        () => mayMakeBuckets ??= isOwner(directory),
      );
    } catch (error) {
      if (!isFull(error)) throw error;
      warnings.unwritten("complete the index of users", error);
    }
  }

  async function tidy(): Promise<void> {
    const due = entries.splice(0);
    if (isWithoutIndex) return;
    await removeEntries(context, due, listing);
  }
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
  write: boolean,
): { readonly verdict: Verdict; readonly tag?: string | undefined } {
  // What was listed as a file may be anything now.
  const opened = openRegular(path, write);
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
  note: (path: string | undefined, tag: string | undefined) => void,
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
