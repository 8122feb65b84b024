import type { HeldLock, LockOptions } from "../core/store.ts";
import { LockQueue } from "../system/lock_queue.ts";
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "./session_engine.ts";

/**
 * Keeps sessions in this process's memory, for tests and for a server that may
 * forget them: they end with the process, and no other process sees them.
 *
 * It keeps records as JSON, as the other stores do: it refuses what they refuse,
 * and a record that goes in or comes out is a copy.
 *
 * @example Testing without a directory
 * ```ts
 * import { MemorySessionStore } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const store = new MemorySessionStore();
 * const id = "0123456789abcdef";
 * await store.save(id, { data: { n: 1 }, createdAt: Date.now() });
 * await store.update(id, (record) => ({ ...record, data: { n: 2 } }));
 * assertEquals((await store.load(id))?.data, { n: 2 });
 * ```
 */
export class MemorySessionStore extends EngineSessionStore {
  /** Every process has its own sessions. */
  override readonly isMultiprocessSafe = false;
  /** Every worker has its own sessions. */
  override readonly isThreadSafe = false;
  /** It answers at once. */
  readonly isBounded = true;

  readonly #locks: LockQueue = new LockQueue();

  /**
   * Makes an empty store.
   *
   * @param options The clock.
   *
   * @example With a clock of the test
   * ```ts
   * import { MemorySessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * let now = 0;
   * const store = new MemorySessionStore({ now: () => now });
   * const id = "0123456789abcdef";
   * await store.save(id, { data: {}, createdAt: now, idleTimeout: 1_000 });
   * now = 1_000;
   * assertEquals(await store.has(id), false);
   * ```
   */
  constructor(options: EngineStoreOptions = {}) {
    super(new MemoryEngine(), options);
  }

  /**
   * Takes the lock of a session; see {@linkcode SessionStore.lock}.
   *
   * @param id The session ID.
   * @param options How long to wait: five seconds, unless it says otherwise.
   * @returns What frees the lock; twice is as good as once.
   * @throws {SessionLockTimeoutError} If it does not become free in time.
   * @throws {TypeError} If the ID is malformed, or the timeout not a number.
   * @throws {RangeError} If the timeout is below 0.
   */
  lock(id: string, options: LockOptions = {}): Promise<HeldLock> {
    return this.#locks.lock(id, options);
  }
}

/** Sessions in the memory of this process. */
export class MemoryEngine implements SessionEngine {
  /** A row is replaced and never changed: one that was read stays as it was. */
  readonly #rows: Map<string, NewEngineRow> = new Map();

  setup(): void {}

  read(id: string): EngineRow | undefined {
    return this.#rows.get(id);
  }

  replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
    isUntouched = false,
  ): boolean {
    const found = this.#rows.get(id);
    if (found?.revision !== expected?.revision) return false;
    if (isUntouched && found?.lastAccess !== expected?.lastAccess) return false;
    this.#rows.set(id, row);
    return true;
  }

  touch(id: string, access: EngineAccess, expected: EngineRow): boolean {
    const row = this.#rows.get(id);
    if (row === undefined || !isSame(row, expected)) return false;
    this.#rows.set(id, { ...row, ...access });
    return true;
  }

  remove(id: string, expected?: EngineRow): EngineRow | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return undefined;
    if (expected !== undefined && !isSame(row, expected)) return undefined;
    this.#rows.delete(id);
    return row;
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: EngineRow]> {
    for (const [id, row] of this.#rows) {
      if (tag === undefined || row.tag === tag) yield [id, row];
    }
  }
}

function isSame(row: EngineRow, expected: EngineRow): boolean {
  return row.revision === expected.revision &&
    row.lastAccess === expected.lastAccess;
}
