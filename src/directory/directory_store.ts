import { checkDurability, checkNumber } from "../core/checks.ts";
import { fromFileUrl } from "@std/path/from-file-url";
import { resolve } from "@std/path/resolve";
import { encodeRecord } from "../core/codec.ts";
import { SessionStoreError, SessionUnreadableError } from "../core/errors.ts";
import {
  checkLastAccess,
  cleanupRule,
  type SessionRecord,
} from "../core/record.ts";
import type {
  CleanupOptions,
  CleanupResult,
  CreateOptions,
  Durability,
  EntriesOptions,
  HeldLock,
  LoadOptions,
  LockOptions,
  RecordChange,
  SessionStore,
  StoreOptions,
  StoreWarning,
  UpdateOptions,
} from "../core/store.ts";
import { isRevocationId } from "../core/revocation.ts";
import { checkSessionId, isSessionId } from "../core/token.ts";
import { Warnings } from "../core/warnings.ts";
import { isNotFile } from "../system/files.ts";
import { checkLock, SessionLock } from "../system/lock_queue.ts";
import { system } from "../system/system.ts";
import {
  AGAIN,
  type Again,
  retryUntilFree,
  untilAborted,
} from "../system/waiting.ts";
import { type DirectoryContext, dropRecycled } from "./atomic_file.ts";
import { cleanDirectory } from "./cleanup.ts";
import { warnOfSharing } from "./file_system.ts";
import { skip } from "./forbidden.ts";
import { lockPath, markerPath, sessionPath } from "./layout.ts";
import { directoryEntries } from "./listing.ts";
import {
  checkStillThere,
  inspectOpened,
  prepareDirectory,
  tryReading,
  tryWriting,
} from "./prepare_directory.ts";
import { Quarantine } from "./quarantine.ts";
import { lockForRequest } from "./request_lock.ts";
import { SessionFile } from "./session_file.ts";

/** How a step that reads is taken. */
interface ReadingOptions extends LoadOptions {
  /** Whether it is to change or remove what is there. */
  readonly isChange?: boolean;
}

/** What `DirectorySessionStore` takes. */
export interface DirectorySessionStoreOptions {
  /**
   * Makes the directory, mode 0700, when it is missing. Without it a missing
   * directory is an error: a mistyped path would sign out every user.
   *
   * @default {false}
   */
  readonly create?: boolean | undefined;
  /**
   * How long an operation waits for a session that another process holds, in
   * milliseconds. A session is held for microseconds; only a process that was
   * stopped holds one for so long.
   *
   * @default {5000}
   */
  readonly lockTimeout?: number | undefined;
  /**
   * What an acknowledged change survives: `"process"`, the death of any
   * process; `"power"`, also a power loss, at the price of three `fsync` a
   * change. After a power loss `"process"` may have lost the last seconds of
   * changes, a logout among them; a torn file is recognised and is no session.
   * With `"power"` make the directory beforehand: one that `create` makes is
   * not on the disk at once. Where the disk refuses the last `fsync`, a change
   * throws a `SessionStoreError` although it is made: it may not survive.
   *
   * @default {"process"}
   */
  readonly durability?: Durability | undefined;
  /**
   * Called with each problem that failed no answer: once for each file that has a
   * session's name and does not hold that session, or may not be opened; once a
   * minute where a last access, the index or a temporary file cannot be written.
   *
   * @default {console.warn} of its message
   */
  readonly onWarning?: ((warning: StoreWarning) => void) | undefined;
}

/**
 * Keeps sessions in a directory, one file each, that any number of processes
 * and workers on one machine may share.
 *
 * A load costs one open file and one shared lock, a change an exclusive lock
 * and an atomic rename. Nothing is ever truncated, no lock is held while a
 * caller waits, and a process killed at any instant leaves the old record or
 * the new one. The rules stand at the head of the files of `directory/`, the
 * format in `core/codec.ts`, the steps of an operation in
 * `directory/session_file.ts`.
 *
 * The last access stands in the file: the times that a copy or a backup gives to
 * it mean nothing. Permissions needed: to read and write the directory. After a
 * power loss, or from a backup without `.users`, `entries` of a user may miss
 * sessions until the next `deleteOldSessions`.
 *
 * It needs `flock` and POSIX modes, and so does not work on Windows: take
 * `SqliteSessionStore` there. Use a directory through one mount, on one host: of
 * two mounts of sshfs, bindfs or a network file system, each has locks of its
 * own. NFS is refused, as a name there may lead to a file that was removed; where
 * `--allow-sys=statfs` is granted, `setup` warns of the others.
 *
 * A plain load does not look for links and pipes under a session's name: only the
 * owner can make them, since a directory that others may write is refused. If the
 * directory is removed under a running server, an operation that changes a session throws, and one
 * that reads finds no session until the directory is back.
 *
 * @example A session that survives the process
 * ```ts
 * import { DirectorySessionStore } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const store = new DirectorySessionStore(directory);
 * await store.save("0123456789abcdef", { data: { n: 1 }, createdAt: Date.now() });
 *
 * const other = new DirectorySessionStore(directory);
 * assertEquals((await other.load("0123456789abcdef"))?.data, { n: 1 });
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export class DirectorySessionStore implements SessionStore, Disposable {
  /** Any number of processes on one machine may share the directory. */
  readonly isMultiprocessSafe = true;
  /** Any number of workers may share the directory. */
  readonly isThreadSafe = true;
  /** Its calls are synchronous; each waits for a lock as long as `lockTimeout`. */
  readonly isBounded = true;
  /** The directory, as an absolute path. */
  readonly directory: string;

  readonly #create: boolean;
  readonly #lockTimeout: number;
  readonly #durability: Durability;
  readonly #warnings: Warnings;
  readonly #quarantine: Quarantine;
  #context: DirectoryContext | undefined;
  #checking: Promise<void> | undefined;

  /**
   * Makes a store; it does no I/O.
   *
   * @param directory Where the sessions are kept. A relative path is resolved
   * here, once, against the current directory, for which Deno asks no permission:
   * a later `Deno.chdir` changes nothing.
   * @param options How they are kept.
   * @throws {TypeError | RangeError} If an argument is invalid.
   * @throws {Deno.errors.NotSupported} On Windows; before Deno 2.8, which cannot
   * try a lock.
   * @throws {Error} In Node and Bun, which cannot lock a file at all.
   *
   * @example A directory that is made when it is missing
   * ```ts
   * import { DirectorySessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const parent = await Deno.makeTempDir();
   * const store = new DirectorySessionStore(`${parent}/sessions`, { create: true });
   * await store.setup(); // throws at start if the directory will not do
   * assertEquals(store.directory, `${parent}/sessions`);
   * await Deno.remove(parent, { recursive: true });
   * ```
   */
  constructor(
    directory: string | URL,
    options: DirectorySessionStoreOptions = {},
  ) {
    const {
      create = false,
      lockTimeout = 5_000,
      durability = "process",
      onWarning,
    } = options;
    const path = directory instanceof URL ? fromFileUrl(directory) : directory;
    checkArguments(path, lockTimeout, durability);
    this.directory = resolve(path);
    this.#create = create;
    this.#lockTimeout = lockTimeout;
    this.#durability = durability;
    this.#warnings = new Warnings(onWarning);
    this.#quarantine = new Quarantine(this.directory, this.#warnings);
  }

  /** Makes sure that the directory is there, private, and can keep sessions. */
  setup(): Promise<void> {
    return Promise.try(() => void this.#ready());
  }

  /** See {@linkcode SessionStore.load}. */
  load(
    id: string,
    options: LoadOptions = {},
  ): Promise<SessionRecord | undefined> {
    if (options.mustBeReadable) return this.#loadReadable(id, options);
    return this.#read(id, (file) => file.load(options), options);
  }

  /** In a directory that is gone there is not "nothing to read". */
  async #loadReadable(
    id: string,
    options: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    options.signal?.throwIfAborted();
    if (isRevocationId(id)) {
      // Most users have none, and opening a missing file takes long.
      const context = this.#ready();
      if (!system.exists(sessionPath(context.directory, id))) {
        checkStillThere(context);
        return undefined;
      }
    }
    const load = (file: SessionFile) => file.load(options);
    try {
      const record = await this.#read(id, load, options);
      if (record === undefined) this.#noSession(id);
      return record;
    } catch (error) {
      if (!(error instanceof SessionUnreadableError)) throw error;
      const { cause } = error;
      if (cause !== undefined) this.#reportUnreadable(id, cause);
      throw error;
    }
  }

  /** Tells of what must be readable, and is not. */
  #reportUnreadable(id: string, cause: unknown): void {
    const { directory } = this;
    const path = sessionPath(directory, id);
    try {
      skip({ directory, warnings: this.#warnings }, path, cause, id);
    } catch (error) {
      if (error !== cause) throw error;
      this.#quarantine.report("unreadable", path, id, cause);
    }
  }

  /** See {@linkcode SessionStore.save}. */
  async save(
    id: string,
    record: SessionRecord,
    options: StoreOptions = {},
  ): Promise<void> {
    checkSessionId(id);
    const bytes = encodeRecord(id, record);
    options.signal?.throwIfAborted();
    this.#checkRevocation(id);
    await this.#step(id, (file) => file.save(bytes), options.signal);
  }

  /** See {@linkcode SessionStore.create}. */
  async create(
    id: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<boolean> {
    const { lastAccess, signal } = options;
    checkSessionId(id);
    checkLastAccess(lastAccess);
    const bytes = encodeRecord(id, record);
    signal?.throwIfAborted();
    return await this.#step(id, (it) => it.create(bytes, lastAccess), signal);
  }

  /** See {@linkcode SessionStore.update}. */
  async update(
    id: string,
    change: RecordChange,
    options: UpdateOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    const { lastAccess, signal } = options;
    if (lastAccess !== "unchanged") checkLastAccess(lastAccess);
    signal?.throwIfAborted();
    this.#checkRevocation(id);
    let isThere = false;
    const step = (file: SessionFile) =>
      file.update((record) => {
        isThere = true;
        return change(record);
      }, lastAccess);
    const kept = await this.#read(id, step, { signal, isChange: true });
    if (!isThere) this.#noSession(id);
    return kept;
  }

  /** See {@linkcode SessionStore.touch}. */
  async touch(id: string, options: StoreOptions = {}): Promise<boolean> {
    const reading = { ...options, isChange: true };
    return await this.#read(id, (file) => file.touch(), reading) ??
      this.#noSession(id);
  }

  /** See {@linkcode SessionStore.delete}. */
  async delete(id: string, options: StoreOptions = {}): Promise<boolean> {
    const reading = { ...options, isChange: true };
    return await this.#read(id, (file) => file.delete(), reading) ??
      this.#noSession(id);
  }

  /** See {@linkcode SessionStore.has}. */
  async has(id: string, options: StoreOptions = {}): Promise<boolean> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (isSessionId(id) && this.#isMissing(id)) return false;
    return await this.load(id, { signal }) !== undefined;
  }

  /** See {@linkcode SessionStore.entries}. */
  async *entries(
    options: EntriesOptions = {},
  ): AsyncGenerator<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  > {
    const { signal } = options;
    signal?.throwIfAborted();
    yield* directoryEntries(
      this.#ready(),
      (name, touch) =>
        this.#read(name, (file) => file.load({ touch }, true), { signal }),
      options,
    );
  }

  /**
   * See {@linkcode SessionStore.deleteOldSessions}. Also removes temporary
   * files that are an hour old, and files that were set aside a week ago. One
   * cleanup runs at a time: where another process is at work, the answer comes at
   * once, with `isBusy`. A session that is locked is in use, and stays. It works
   * on a full disk, and for a user that is not the directory's owner, as root.
   */
  async deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    const { grace = 0 } = options;
    const isDue = cleanupRule(minutes, grace);
    const { dryRun = false } = options;
    // It would not do without: nothing may be removed where there is none.
    if (!dryRun && !system.exists(markerPath(this.directory))) {
      checkStillThere(this.#ready());
    }
    return await cleanDirectory(
      this.directory,
      isDue,
      this.#quarantine,
      this.#warnings,
      options,
    );
  }

  /** See {@linkcode SessionStore.check}. It makes a file, and removes it. */
  check(options: StoreOptions = {}): Promise<void> {
    this.#checking ??= Promise.resolve().then(() => this.#try())
      .finally(() => this.#checking = undefined);
    return Promise.resolve(untilAborted(this.#checking, options.signal));
  }

  #try(): void {
    const { directory } = this;
    const isOpened = this.#context !== undefined;
    try {
      if (isOpened) inspectOpened(directory);
      tryReading(directory, this.#create && !isOpened);
    } catch (error) {
      throw new SessionStoreError("read", error);
    }
    try {
      checkStillThere(this.#ready());
      tryWriting(directory);
    } catch (error) {
      throw new SessionStoreError("write", error);
    }
  }

  /**
   * See {@linkcode SessionStore.lock}. It is the lock of a file of its own, which
   * is removed when the lock is freed.
   */
  async lock(id: string, options: LockOptions = {}): Promise<HeldLock> {
    const timeout = checkLock(id, options, this.#lockTimeout);
    const context = this.#ready();
    const { signal } = options;
    const path = lockPath(context.directory, id);
    const waitOptions = { path, timeout, signal };
    return new SessionLock(await lockForRequest(context, waitOptions));
  }

  /**
   * Closes and removes the file that the store keeps from one change to the next,
   * see `directory/atomic_file.ts`: to unmount the file system, or in a test that
   * looks for open files. The store can still be used.
   */
  [Symbol.dispose](): void {
    dropRecycled(this.directory);
  }

  /** Tells without an error, which is slower, that a session is missing. */
  #isMissing(id: string): boolean {
    const { directory } = this.#ready();
    return !system.exists(sessionPath(directory, id)) &&
      system.exists(markerPath(directory));
  }

  /**
   * Throws if the directory is not the one that it was, since a logout would be
   * undone when that is back.
   */
  #noSession(id: string): false {
    if (isSessionId(id)) checkStillThere(this.#ready());
    return false;
  }

  /** The same for a revocation, which acts on sessions that it does not find. */
  #checkRevocation(id: string): void {
    if (isRevocationId(id)) checkStillThere(this.#ready());
  }

  /**
   * Takes a step that finds no session for a malformed ID, for a non-file, and for
   * a file that may not be opened. To change that one is an error: a logout would
   * take a session for ended which a load may still read, or root give back.
   */
  async #read<T>(
    id: string,
    step: (file: SessionFile) => T | undefined | Again,
    { signal, mustBeReadable, isChange }: ReadingOptions,
  ): Promise<T | undefined> {
    if (!isSessionId(id)) return undefined;
    // Most users have no revocation, and opening a missing file takes long.
    if (isRevocationId(id) && this.#isMissing(id)) return undefined;
    try {
      const result = this.#step(id, step, signal);
      return result instanceof Promise ? await result : result;
    } catch (error) {
      if (mustBeReadable) throw error;
      const path = sessionPath(this.directory, id);
      if (isNotFile(path)) this.#quarantine.report("not a file", path, id);
      else if (isChange) throw error;
      else {
        const { directory } = this;
        skip({ directory, warnings: this.#warnings }, path, error, id);
      }
      return undefined;
    }
  }

  /** Takes a step; one that has to wait for nothing costs no promise of its own. */
  #step<T>(
    id: string,
    step: (file: SessionFile) => T | Again,
    signal: AbortSignal | undefined,
  ): T | Promise<T> {
    signal?.throwIfAborted();
    const file = new SessionFile(this.#ready(), id, this.#quarantine);
    const result = step(file);
    if (result !== AGAIN) return result;
    const waitOptions = { path: file.path, timeout: this.#lockTimeout, signal };
    return retryUntilFree(() => step(file), waitOptions)
      .catch((error) => file.giveUp(error) as T);
  }

  #ready(): DirectoryContext {
    return this.#context ??= this.#prepare();
  }

  #prepare(): DirectoryContext {
    const findings = prepareDirectory(this.directory, this.#create);
    warnOfSharing(this.directory, this.#warnings);
    const durability = this.#durability;
    const warnings = this.#warnings;
    return { directory: this.directory, durability, warnings, ...findings };
  }
}

/** Checks what a store is given, and that this system and this Deno can lock files. */
function checkArguments(
  path: unknown,
  lockTimeout: unknown,
  durability: unknown,
): void {
  const what = "Cannot keep sessions in a directory";
  // As in Node and Bun, which lock no files.
  if (typeof Deno === "undefined") {
    throw new Error(`${what}: this needs Deno; take SqliteSessionStore`);
  }
  if (system.os() === "windows") {
    throw new Deno.errors.NotSupported(
      `${what} on Windows, which has no flock and no POSIX modes: take SqliteSessionStore`,
    );
  }
  if (!("tryLockSync" in Deno.FsFile.prototype)) {
    throw new Deno.errors.NotSupported(
      `${what}: Deno 2.8 or later is needed, this is ${Deno.version.deno}`,
    );
  }
  if (typeof path !== "string" || path === "") {
    throw new TypeError(`${what}: directory is not a path`);
  }
  checkNumber(lockTimeout, `${what}: lockTimeout`);
  checkDurability(durability, what);
}
