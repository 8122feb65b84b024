import { decodeLifetime, type Unusable } from "../core/codec.ts";
import type { IsOld } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import { isSessionId } from "../core/token.ts";
import type { Place } from "../disk/atomic_file.ts";
import {
  AGAIN,
  isNoFile,
  type LockedFile,
  openExisting,
  openLocked,
  persist,
} from "../disk/file_lock.ts";
import {
  isQuarantineName,
  markerPath,
  sessionPath,
  temporaryBirth,
} from "../disk/layout.ts";
import { listFiles } from "../disk/list_directory.ts";
import { markDirectory } from "../disk/prepare_directory.ts";
import { readOnce } from "../disk/read_file.ts";
import { Removals } from "../disk/removals.ts";
import { removeIfThere } from "../disk/remove_if_there.ts";
import { system } from "../disk/system.ts";
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

type Verdict = "live" | "old" | "gone" | Unusable;

/**
 * Deletes old sessions from a directory, and what dead processes left there.
 * A file is first read without a lock; only one that seems to be old, or is
 * none of this session's, is locked, looked at again, judged again, and then
 * renamed and removed: a session that was saved or touched meanwhile, or that
 * somebody holds, stays. The event loop is given back every few milliseconds.
 *
 * @param place A directory that is ready.
 * @param isOld Decides which are old, see `cleanupRule`.
 * @param options See there.
 * @throws {SessionLockTimeoutError} If another cleaner does not end in time.
 */
export async function cleanDirectory(
  place: Place,
  isOld: IsOld,
  options: DirectoryCleanupOptions,
): Promise<CleanupResult> {
  const { directory } = place;
  const { dryRun = false, onProgress, quarantine, signal } = options;
  using _lock = await lockCleaner(directory, options);
  const count = { deleted: 0, remaining: 0, remnants: 0 };
  const onPause = () => onProgress?.({ ...count });
  const removals = new Removals();
  try {
    for await (const name of listFiles(directory, { signal, onPause })) {
      const path = sessionPath(directory, name);
      if (!isSessionId(name)) {
        const isLeft = isRemnant(path, name);
        if (isLeft && (dryRun || removeIfThere(path))) count.remnants++;
        continue;
      }
      const file = new SessionFile(place, name, quarantine);
      const verdict = judge(file, name, isOld, dryRun ? undefined : removals);
      if (verdict === "live") count.remaining++;
      if (verdict === "old") {
        count.deleted++;
        await removals.run();
      }
    }
  } catch (error) {
    // What is wrong besides is not what went wrong first.
    await removals.end().catch(() => {});
    throw error;
  }
  await removals.end();
  return count;
}

async function lockCleaner(
  directory: string,
  options: DirectoryCleanupOptions,
): Promise<LockedFile> {
  const path = markerPath(directory);
  return await persist(() => {
    const locked = openLocked(path, true);
    if (locked !== undefined) return locked;
    markDirectory(directory);
    return AGAIN;
  }, { path, timeout: options.lockTimeout, signal: options.signal });
}

function isRemnant(path: string, name: string): boolean {
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

/**
 * Judges a file and, where there is somebody to remove it, deletes one that is
 * old. What was listed as a file may be anything by now: it is left, then.
 */
function judge(
  file: SessionFile,
  id: string,
  isOld: IsOld,
  removals: Removals | undefined,
): Verdict {
  try {
    const verdict = peek(file.path, id, isOld);
    if (verdict === "live" || verdict === "gone") return verdict;
    if (removals === undefined) return verdict;
    const judged = file.deleteIfOld(isOld, (path) => removals.note(path));
    return judged === AGAIN ? "live" : judged ?? "gone";
  } catch (error) {
    if (!isNoFile(file.path)) throw error;
    return "gone";
  }
}

function peek(path: string, id: string, isOld: IsOld): Verdict {
  // To write, too: a pipe then makes nobody wait.
  const file = openExisting(path, true);
  if (file === undefined) return "gone";
  try {
    const info = system.fstat(file);
    if (!info.isFile) return "gone";
    const lifetime = decodeLifetime(id, readOnce(file));
    if (typeof lifetime === "string") return lifetime;
    const lastAccess = info.mtime!.getTime();
    return isOld(lifetime, lastAccess, system.now()) ? "old" : "live";
  } finally {
    system.close(file);
  }
}
