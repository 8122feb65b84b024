import { decodeLifetime, readTag, type Unusable } from "../core/codec.ts";
import type { CleanupRule } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import { isSessionId } from "../core/token.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { type LockedFile, openLocked } from "./file_lock.ts";
import { isNoFile, openRegular } from "../system/open_regular.ts";
import { AGAIN, retryUntilFree } from "../system/waiting.ts";
import {
  isQuarantineName,
  markerPath,
  sessionPath,
  temporaryBirth,
  type UserEntry,
} from "./layout.ts";
import { listFiles } from "../system/list_directory.ts";
import { markDirectory } from "./prepare_directory.ts";
import { readOnce, readRest } from "./read_file.ts";
import { Removals } from "./removals.ts";
import { removeIfThere } from "../system/remove_if_there.ts";
import { removeEntries, sweepUserIndex } from "./sweep_user_index.ts";
import { system } from "../system/system.ts";
import { makeMissingEntry } from "./user_index.ts";
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
    if (!isNoFile(file.path)) throw error;
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
