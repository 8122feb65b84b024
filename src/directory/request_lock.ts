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
 * - The flows of a process stand in line: one of them, the first, has the lock or
 *   tries to get it, and the others wait for that one to end. A process that waits
 *   for another makes the other's lock file a byte long. The holder sees that when
 *   it ends; its process then keeps its hands off the lock for as long as the
 *   longest pause between two tries. Without that, of two processes one that has
 *   the next request at hand would take the lock again and again.
 *
 * If something else removes the file meanwhile, as when the directory is emptied,
 * another process can lock a new one. The holder can tell: the name does not lead
 * to its file. Its commit is refused then, see manager/isolation.ts.
 */
import { SessionLockTimeoutError } from "../core/errors.ts";
import type { Warnings } from "../core/warnings.ts";
import { makeIfMissing, openExisting, removeIfThere } from "../system/files.ts";
import { LockQueue } from "../system/lock_queue.ts";
import { system } from "../system/system.ts";
import {
  AGAIN,
  type Again,
  LONGEST_FOR_A_FILE,
  retryUntilFree,
  type WaitOptions,
} from "../system/waiting.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { type HeldFile, leadsTo, openHeld, openLocked } from "./file_lock.ts";
import { checkStillThere } from "./prepare_directory.ts";

/** What this process, or worker, knows of lock files, by path. */
export const thisProcess: {
  /** The flows that hold them or wait for them. */
  turns: LockQueue;
  /** Until when they are left to others, the oldest first. */
  left: Map<string, number>;
} = { turns: new LockQueue(), left: new Map() };

/** A lock file, locked; disposing removes it. */
export class RequestLock implements Disposable {
  readonly #held: HeldFile;
  readonly #turn: Disposable;
  readonly #warnings: Warnings;

  /**
   * @param held The lock file.
   * @param turn The place of its holder among the flows of this process.
   * @param warnings Is told if it cannot be removed: the request is over.
   */
  constructor(held: HeldFile, turn: Disposable, warnings: Warnings) {
    this.#held = held;
    this.#turn = turn;
    this.#warnings = warnings;
  }

  /** Whether its name no longer leads to it. */
  get isLost(): boolean {
    const { path, file } = this.#held;
    return !leadsTo(path, system.fstat(file));
  }

  /** Removes it, unlocks, closes; then it is the turn of the next. */
  [Symbol.dispose](): void {
    const { path } = this.#held;
    using _turn = this.#turn;
    try {
      using held = this.#held;
      if (system.fstat(held.file).size > 0) leaveToOthers(path);
      if (!this.isLost) removeIfThere(path);
    } catch (error) {
      this.#warnings.unwritten(`free ${path}`, error, { path });
    }
  }
}

/**
 * Takes the lock of a lock file, which is made if it is missing.
 *
 * @param context The directory that it is in.
 * @param waitOptions Which file it is, and how long to wait.
 * @throws {SessionLockTimeoutError} If the lock does not become free in time.
 * @throws {SessionDirectoryError} If the directory is missing.
 */
export async function lockForRequest(
  context: DirectoryContext,
  waitOptions: WaitOptions,
): Promise<RequestLock> {
  const { path } = waitOptions;
  const since = system.monotonic();
  using stack = new DisposableStack();
  const turn = stack.use(await thisProcess.turns.take(path, waitOptions));
  await letOthers(waitOptions, since);
  const held = await retryUntilFree(
    () => tryLock(path, context),
    { ...waitOptions, since },
  );
  stack.move();
  return new RequestLock(held, turn, context.warnings);
}

/** Notes that another process waits for a lock that this one had. */
function leaveToOthers(path: string): void {
  const { left } = thisProcess;
  const now = system.monotonic();
  for (const [other, until] of left) {
    if (until > now) break;
    left.delete(other);
  }
  left.delete(path);
  left.set(path, now + LONGEST_FOR_A_FILE);
}

/** Waits until another process that waits for a lock has had time to take it. */
async function letOthers(
  { path, timeout, signal }: WaitOptions,
  since: number,
): Promise<void> {
  const { left } = thisProcess;
  const until = left.get(path);
  if (until === undefined) return;
  const wait = until - system.monotonic();
  if (wait > 0) {
    const rest = timeout - (system.monotonic() - since);
    if (rest <= 0) throw new SessionLockTimeoutError(path, timeout);
    await system.wait(Math.min(wait, rest), signal);
  }
  left.delete(path);
}

function tryLock(
  path: string,
  context: DirectoryContext,
): HeldFile | Again {
  const held = openHeld(path);
  if (held === AGAIN) ask(path);
  if (held !== undefined) return held;
  checkStillThere(context);
  try {
    makeIfMissing(path);
  } catch (error) {
    // A cleaner, or another request, has removed it before its mode was set.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return openHeld(path) ?? AGAIN;
}

/** Tells the holder of a lock that another process waits for it. */
function ask(path: string): void {
  const file = openExisting(path, true);
  if (file === undefined) return;
  try {
    // A link could lead to a session.
    if (leadsTo(path, system.fstat(file))) system.truncate(file, 1);
  } finally {
    system.close(file);
  }
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
