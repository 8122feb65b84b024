import type { Durability } from "../core/store.ts";
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import type { SqliteDatabase } from "./sqlite_database.ts";
import { SqliteEngine } from "./sqlite_engine.ts";

/** What {@linkcode SqliteSessionStore} takes. */
export interface SqliteSessionStoreOptions extends EngineStoreOptions {
  /**
   * The table: letters, digits and `_`. Managers that are not to share their
   * sessions have one each.
   *
   * @default {"latchkey_sessions"}
   */
  readonly table?: string | undefined;
  /**
   * What an acknowledged change survives: `"process"`, the death of any
   * process; `"power"`, also a power loss, at the price of an `fsync` a change.
   * After a power loss `"process"` may have lost the last changes, a logout
   * among them, never half of one.
   *
   * @default {"process"}
   */
  readonly durability?: Durability | undefined;
}

/**
 * Keeps sessions in an SQLite database: one file for all of them, which any
 * number of processes on a machine may open. A user's sessions, and those that
 * are over, are found by an index.
 *
 * It borrows the open database, and closes nothing. `setup` creates the table
 * if it is missing, turns write-ahead logging on, and lets a statement wait five
 * seconds for another process. The calls of `node:sqlite` are synchronous: who
 * waits for another process holds up this one.
 *
 * The database lies on a disk of this machine, not on a network: see
 * https://www.sqlite.org/wal.html. There are no locks, so a manager on it cannot
 * be `exclusive`.
 *
 * @example A session that survives the process
 * ```ts
 * import { SqliteSessionStore } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 * import { DatabaseSync } from "node:sqlite";
 *
 * const path = await Deno.makeTempFile();
 * const store = new SqliteSessionStore(new DatabaseSync(path));
 * await store.save("0123456789abcdef", { data: { n: 1 }, createdAt: Date.now() });
 *
 * const other = new SqliteSessionStore(new DatabaseSync(path));
 * assertEquals((await other.load("0123456789abcdef"))?.data, { n: 1 });
 * ```
 */
export class SqliteSessionStore extends EngineSessionStore {
  /** Any number of processes on one machine may open the file. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers may open the file, each for itself. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param database The open database.
   * @param options See there.
   * @throws {TypeError} If an option makes no sense.
   */
  constructor(
    database: SqliteDatabase,
    options: SqliteSessionStoreOptions = {},
  ) {
    const { table = "latchkey_sessions", durability = "process" } = options;
    super(new SqliteEngine(database, table, durability), options);
  }
}
