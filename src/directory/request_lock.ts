/*
 * The lock of a request that has a session to itself. It cannot be the lock of
 * the session's file: that is held for microseconds, and each save puts another
 * file in its place. It is the lock (flock) of a file of its own, see layout.ts,
 * which is there only while a request is at work:
 *
 *   lock   open it, or make it · try its lock · look: does the name still lead
 *          to it? If not, start again
 *   free   look again · unlink · unlock · close
 *   clean  open it · try its lock · look · unlink · unlock · close: what it can
 *          lock, a killed process has left
 *
 * - Unlink, then unlock: a process that opened the file before that gets its
 *   lock only when the name is gone, looks, and starts again. The other way
 *   round the name could be that of a file which the next request has locked.
 * - It is taken before the lock of a session's file, never while that is held: a
 *   process that holds a file's lock waits for nothing. So two processes cannot
 *   wait for each other, unless one request takes two of these.
 * - A request that does not want a session to itself never looks at them.
 *
 * If something else removes the file meanwhile, as when the directory is emptied,
 * another process can lock a new one. The holder can tell: the name does not lead
 * to its file. Its commit is refused then, see manager/isolation.ts.
 */
import type { Warnings } from "../core/warnings.ts";
import { makeIfMissing, removeIfThere } from "../system/files.ts";
import { system } from "../system/system.ts";
import {
  AGAIN,
  type Again,
  retryUntilFree,
  type WaitOptions,
} from "../system/waiting.ts";
import { type HeldFile, leadsTo, openHeld, openLocked } from "./file_lock.ts";
import { checkStillThere } from "./prepare_directory.ts";

/** A lock file, locked; disposing removes it. */
export class RequestLock implements Disposable {
  readonly #held: HeldFile;
  readonly #warnings: Warnings;

  /**
   * @param held The lock file.
   * @param warnings Is told if it cannot be removed: the request is done by then.
   */
  constructor(held: HeldFile, warnings: Warnings) {
    this.#held = held;
    this.#warnings = warnings;
  }

  /** Whether its name no longer leads to it. */
  get isLost(): boolean {
    const { path, file } = this.#held;
    return !leadsTo(path, system.fstat(file));
  }

  /** Removes it, unlocks, closes. */
  [Symbol.dispose](): void {
    const { path } = this.#held;
    try {
      using _held = this.#held;
      if (!this.isLost) removeIfThere(path);
    } catch (error) {
      this.#warnings.unwritten(`free ${path}`, error, { path });
    }
  }
}

/**
 * Takes the lock of a lock file, which is made if it is missing.
 *
 * @param directory The directory that it is in.
 * @param waitOptions Which file it is, and how long to wait.
 * @param warnings See {@linkcode RequestLock}.
 * @throws {SessionLockTimeoutError} If the lock does not become free in time.
 * @throws {SessionDirectoryError} If the directory is missing.
 */
export async function lockForRequest(
  directory: string,
  waitOptions: WaitOptions,
  warnings: Warnings,
): Promise<RequestLock> {
  const { path } = waitOptions;
  const held = await retryUntilFree(
    () => tryLock(path, directory),
    waitOptions,
  );
  return new RequestLock(held, warnings);
}

function tryLock(path: string, directory: string): HeldFile | Again {
  const held = openHeld(path);
  if (held !== undefined) return held;
  checkStillThere(directory);
  try {
    makeIfMissing(path);
  } catch (error) {
    // A cleaner, or another request, has removed it before its mode was set.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return openHeld(path) ?? AGAIN;
}

/**
 * Removes a lock file that a killed process has left.
 *
 * @param path The file.
 * @param isDry Whether to leave it, and only tell.
 * @returns `false` when it is in use, or missing.
 */
export function removeDeadLock(path: string, isDry: boolean): boolean {
  const held = isDry ? openLocked(path, false) : openHeld(path);
  if (held === undefined || held === AGAIN) return false;
  using _held = held;
  return isDry || removeIfThere(path);
}
