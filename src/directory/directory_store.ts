import type {
  CleanupOptions,
  CleanupResult,
  CreateOptions,
  Durability,
  EntriesOptions,
  LoadOptions,
  LockOptions,
  RecordChange,
  SessionStore,
  StoreOptions,
  UpdateOptions,
} from "../core/store.ts";
import { fromFileUrl } from "@std/path/from-file-url";
import { join } from "@std/path/join";
import { encodeRecord } from "../core/codec.ts";
import {
  checkLastAccess,
  cleanupRule,
  type SessionRecord,
} from "../core/record.ts";
import { checkSessionId, isSessionId } from "../core/token.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { isNoFile } from "../system/open_regular.ts";
import { AGAIN, type Again, retryUntilFree } from "../system/waiting.ts";
import { lockPath, markerPath, sessionPath } from "./layout.ts";
import { checkStillThere, prepareDirectory } from "./prepare_directory.ts";
import { dropRecycled } from "./recycled_file.ts";
import { system } from "../system/system.ts";
import { lockForRequest } from "./request_lock.ts";
import { cleanDirectory } from "./cleanup.ts";
import { directoryEntries } from "./listing.ts";
import {
  checkDirectoryOptions,
  type DirectorySessionStoreOptions,
} from "./directory_store_options.ts";
import { Quarantine } from "./quarantine.ts";
import { SessionFile } from "./session_file.ts";
import { checkLock, SessionLock } from "../system/session_lock.ts";

/**
 * Keeps sessions in a directory, one file each, that any number of processes
 * and workers on one machine may share.
 *
 * A load costs one open file and one shared lock, a change an exclusive lock
 * and an atomic rename. Nothing is ever truncated, no lock is held while
 * anybody waits, and a process killed at any instant leaves the old record or
 * the new one. Its rules stand at the head of the files of `disk/`, the format
 * in `core/codec.ts`, the steps of an operation in `directory/session_file.ts`.
 *
 * The last access is the file's mtime. Permissions needed: to read and write
 * the directory. After a power loss, or from a backup without `.users`, `entries`
 * of a user may miss sessions until the next `deleteOldSessions`.
 *
 * Not promised: network file systems (NFS is refused, as a name there may lead
 * to a file that is gone) and Windows (not tested). A plain load looks for no
 * links and pipes under a session's name: only the owner can plant them, since
 * a directory that others may write is refused. Where the directory is removed
 * under a running server, who changes a session hears of it, and who reads
 * finds none until it is back.
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
  /** The directory, as it was given. */
  readonly directory: string;

  readonly #create: boolean;
  readonly #lockTimeout: number;
  readonly #durability: Durability;
  readonly #quarantine: Quarantine;
  #context: DirectoryContext | undefined;

  /**
   * Makes a store; it does no I/O.
   *
   * @param directory Where the sessions are kept.
   * @param options See there.
   * @throws {TypeError | RangeError} If an option makes no sense.
   * @throws {Deno.errors.NotSupported} Before Deno 2.8, which cannot try a lock.
   */
  constructor(
    directory: string | URL,
    options: DirectorySessionStoreOptions = {},
  ) {
    const {
      create = false,
      lockTimeout = 5_000,
      durability = "process",
      onWarning = (warning) => console.warn(warning.message),
    } = options;
    checkDirectoryOptions(lockTimeout, durability);
    const path = directory instanceof URL ? fromFileUrl(directory) : directory;
    if (typeof path !== "string" || path === "") {
      throw new TypeError("Cannot use directory: it is not a path");
    }
    this.directory = join(path);
    this.#create = create;
    this.#lockTimeout = lockTimeout;
    this.#durability = durability;
    this.#quarantine = new Quarantine(this.directory, onWarning);
  }

  /** Makes sure that the directory is there, private, and can keep sessions. */
  setup(): Promise<void> {
    return Promise.try(() => void this.#ready());
  }

  /** See {@linkcode SessionStore.load}. */
  load(
    id: string,
    { touch, signal }: LoadOptions = {},
  ): Promise<SessionRecord | undefined> {
    return this.#read(id, (file) => file.load(touch), signal);
  }

  /** See {@linkcode SessionStore.save}. */
  async save(
    id: string,
    record: SessionRecord,
    options: StoreOptions = {},
  ): Promise<void> {
    checkSessionId(id);
    const bytes = encodeRecord(id, record);
    await this.#step(id, (file) => file.save(bytes), options.signal);
  }

  /** See {@linkcode SessionStore.create}. */
  async create(
    id: string,
    record: SessionRecord,
    { lastAccess, signal }: CreateOptions = {},
  ): Promise<boolean> {
    checkSessionId(id);
    checkLastAccess(lastAccess);
    const bytes = encodeRecord(id, record);
    return await this.#step(id, (it) => it.create(bytes, lastAccess), signal);
  }

  /** See {@linkcode SessionStore.update}. */
  async update(
    id: string,
    change: RecordChange,
    { lastAccess, signal }: UpdateOptions = {},
  ): Promise<SessionRecord | null | undefined> {
    checkLastAccess(lastAccess);
    let isThere = false;
    const step = (file: SessionFile) =>
      file.update((record) => {
        isThere = true;
        return change(record);
      }, lastAccess);
    const kept = await this.#read(id, step, signal);
    if (!isThere) this.#absent(id);
    return kept;
  }

  /** See {@linkcode SessionStore.touch}. */
  async touch(id: string, options: StoreOptions = {}): Promise<boolean> {
    return await this.#read(id, (file) => file.touch(), options.signal) ??
      this.#absent(id);
  }

  /** See {@linkcode SessionStore.delete}. */
  async delete(id: string, options: StoreOptions = {}): Promise<boolean> {
    return await this.#read(id, (file) => file.delete(), options.signal) ??
      this.#absent(id);
  }

  /** See {@linkcode SessionStore.has}. */
  async has(id: string, { signal }: StoreOptions = {}): Promise<boolean> {
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
    const { signal, user } = options;
    signal?.throwIfAborted();
    const { directory } = this.#ready();
    yield* directoryEntries(directory, {
      signal,
      user,
      read: (name, step) => this.#read(name, step, signal),
    });
  }

  /**
   * See {@linkcode SessionStore.deleteOldSessions}. Also removes temporary
   * files that are an hour old, and files set aside a week ago. One cleaner is
   * at work at a time; a session that is locked is in use, and stays.
   */
  async deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    const { grace = 0 } = options;
    const isDue = cleanupRule(minutes, grace);
    return await cleanDirectory(this.#ready(), isDue, {
      ...options,
      quarantine: this.#quarantine,
      lockTimeout: this.#lockTimeout,
    });
  }

  /** See {@linkcode SessionStore.lock}. Two sessions share one by chance, 1 in 1,024. */
  async lock(id: string, options: LockOptions = {}): Promise<AsyncDisposable> {
    const timeout = checkLock(id, options, this.#lockTimeout);
    const { directory } = this.#ready();
    const { signal } = options;
    const waitOptions = { path: lockPath(directory, id), timeout, signal };
    const locked = await lockForRequest(directory, waitOptions);
    return new SessionLock(() => locked[Symbol.dispose]());
  }

  /**
   * Closes and removes the file that the store keeps from one change to the
   * next, see `directory/recycled_file.ts`: to unmount the file system, or in a test
   * that looks for open files. The store can be used on.
   */
  [Symbol.dispose](): void {
    dropRecycled(this.directory);
  }

  /** Tells so where it can be told without an error; for many it is the rule. */
  #isMissing(id: string): boolean {
    const { directory } = this.#ready();
    return !system.exists(sessionPath(directory, id)) &&
      system.exists(markerPath(directory));
  }

  /** There is no such session, unless all are gone: a logout would be undone. */
  #absent(id: string): false {
    if (isSessionId(id)) checkStillThere(this.directory);
    return false;
  }

  /** A step that finds "no session" for a malformed ID, and where no file is. */
  async #read<T>(
    id: string,
    step: (file: SessionFile) => T | undefined | Again,
    signal: AbortSignal | undefined,
  ): Promise<T | undefined> {
    if (!isSessionId(id)) return undefined;
    try {
      const result = this.#step(id, step, signal);
      return result instanceof Promise ? await result : result;
    } catch (error) {
      const path = sessionPath(this.directory, id);
      if (!isNoFile(path)) throw error;
      this.#quarantine.report("not a file", path, id);
      return undefined;
    }
  }

  /** Takes a step; one that nobody is in the way of costs no promise of its own. */
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
    return retryUntilFree(() => step(file), waitOptions);
  }

  #ready(): DirectoryContext {
    return this.#context ??= {
      directory: this.directory,
      durability: this.#durability,
      ...prepareDirectory(this.directory, this.#create),
    };
  }
}
