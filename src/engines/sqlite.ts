/*
 * A statement is a transaction of its own, and is never waited for inside SQLite,
 * where the whole process would stand: one that finds the database locked has
 * done nothing, and is repeated after a wait.
 *
 * What a touch changes keeps its size and stands before the JSON, so SQLite
 * overwrites a few bytes of one page in place, and leaves the JSON alone.
 */
import { closeSync, openSync } from "node:fs";
import { fromFileUrl } from "@std/path/from-file-url";
import { checkDurability } from "../core/checks.ts";
import { SessionLockTimeoutError } from "../core/errors.ts";
import type { Durability } from "../core/store.ts";
import { retryCall } from "../system/waiting.ts";
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import { isLocked, untilUnlocked } from "./locked_database.ts";
import type {
  EngineAccess,
  EngineCleaner,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "./session_engine.ts";
import {
  boundsOf,
  checkSchemaVersion,
  type IdentifiedRow,
  namesOf,
  replacement,
  rowOf,
  SCHEMA_VERSION,
  type SqlNames,
  type SqlStatements,
  type SqlValue,
  statementsFor,
  streamRows,
} from "./sql.ts";

/** What {@linkcode SqliteSessionStore} takes. */
export interface SqliteSessionStoreOptions extends EngineStoreOptions {
  /**
   * The table: 1 to 48 of `a-z 0-9 _`. Managers that are not to share their
   * sessions have one each.
   *
   * @default {"latchkey_sessions"}
   */
  readonly table?: string | undefined;
  /**
   * What an acknowledged change survives: `"process"`, the death of any
   * process; `"power"`, also a power loss, at the price of an `fsync` a change.
   * After a power loss `"process"` may have lost the last changes, a logout
   * among them, never half of one. Of a database that the application has
   * opened, its own `PRAGMA synchronous` decides.
   *
   * @default {"process"}
   */
  readonly durability?: Durability | undefined;
}

/** What a store uses of a `DatabaseSync` of `node:sqlite`. */
export interface SqliteDatabase {
  /** Whether a transaction has begun, and not ended. */
  readonly isTransaction: boolean;
  /** Runs statements that return nothing. */
  exec(sql: string): void;
  /** Prepares a statement. */
  prepare(sql: string): {
    /** Runs it, and returns its first row. */
    get(...values: (string | number | null)[]): object | undefined;
    /** Runs it, and returns its rows. */
    all(...values: (string | number | null)[]): object[];
    /** Runs it, and tells how many rows it changed. */
    run(...values: (string | number | null)[]): {
      readonly changes: number | bigint;
    };
    /** Returns the rows as arrays from here on; Node has it since 22.16. */
    setReturnArrays?(isOn: boolean): void;
  };
}

/**
 * Keeps sessions in an SQLite database: one file for all of them, which any
 * number of processes on a machine may open. An index finds the sessions of a
 * user, and those that have expired.
 *
 * Given a path, the store opens the database for itself: with write-ahead
 * logging, and mode 0600 if it makes it. While another process writes, it waits
 * five seconds at most, and the event loop goes on. It loads `node:sqlite` only
 * then. Dispose of the store to close the database.
 *
 * Given an open database, the store borrows it: it changes no setting of it and
 * does not close it, and `setup` refuses one that it cannot work with. While the
 * application has a transaction open there, a load reads what that transaction
 * sees and marks nothing, and a change waits for its end, five seconds at most:
 * a ROLLBACK would undo it. Where the application has set a `timeout`, the
 * process stands while SQLite waits for another one.
 *
 * The database lies on a disk of this machine, not on a network: see
 * https://www.sqlite.org/wal.html. There are no locks, so a manager on it cannot
 * be `exclusive`.
 *
 * @example A session that survives the process
 * ```ts
 * import { SqliteSessionStore } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * {
 *   using store = new SqliteSessionStore(path);
 *   await store.save("0123456789abcdef", { data: { n: 1 }, createdAt: Date.now() });
 * }
 * using store = new SqliteSessionStore(path);
 * assertEquals((await store.load("0123456789abcdef"))?.data, { n: 1 });
 * ```
 */
export class SqliteSessionStore extends EngineSessionStore
  implements Disposable {
  /** Any number of processes on a machine. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers, each with a store of its own. */
  override readonly isThreadSafe = true;
  readonly #engine: SqliteEngine;

  /**
   * Makes a store; it does no I/O.
   *
   * @param database The path of the database, or its `file:` URL; or a database
   * that is open. `":memory:"` is one in memory.
   * @param options The table, the durability, and the clock.
   * @throws {TypeError} If any of them is invalid.
   *
   * @example A database in memory
   * ```ts
   * import { SqliteSessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * using store = new SqliteSessionStore(":memory:");
   * await store.setup();
   * assertEquals(await store.has("0123456789abcdef"), false);
   * ```
   */
  constructor(
    database: string | URL | SqliteDatabase,
    options: SqliteSessionStoreOptions = {},
  ) {
    const { table = "latchkey_sessions", durability = "process" } = options;
    checkDurability(durability, "Cannot keep sessions in SQLite");
    const source = sourceOf(database);
    const engine = new SqliteEngine(source, table, durability);
    super(engine, options);
    this.#engine = engine;
  }

  /** Closes the database if the store has opened it; nothing can be done then. */
  [Symbol.dispose](): void {
    this.#engine[Symbol.dispose]();
  }
}

const IN_MEMORY = ":memory:";
const DELETED_AT_A_TIME = 200;
/** How long a call is repeated, in milliseconds, for the error's message. */
const TIMEOUT = 5_000;
/** What is left of the write-ahead log after a checkpoint, in bytes. */
const LARGEST_LOG = 16 * 1024 * 1024;

/** What a change may wait for. */
const IN_THE_WAY =
  "the SQLite database, where the application has a transaction open (give the store the path, so that it opens the database for itself)";

type Statement = ReturnType<SqliteDatabase["prepare"]>;

class SqliteEngine implements SessionEngine, Disposable {
  /** The path of a database to open; `undefined` for a borrowed one. */
  readonly #path: string | undefined;
  readonly #durability: Durability;
  readonly #names: SqlNames;
  readonly #sql: SqlStatements;
  readonly #prepared: Map<string, Statement> = new Map();
  #database: SqliteDatabase | undefined;
  #opened: Disposable | undefined;
  #isClosed = false;

  constructor(
    source: string | SqliteDatabase,
    table: string,
    durability: Durability,
  ) {
    if (typeof source === "string") this.#path = source;
    else this.#database = source;
    this.#names = namesOf(table);
    this.#sql = statementsFor(this.#names);
    this.#durability = durability;
  }

  /** Whether the application has a transaction open. */
  get isBusy(): boolean {
    return this.#path === undefined && this.#database!.isTransaction;
  }

  async setup(): Promise<void> {
    if (this.#path === undefined) checkBorrowed(this.#database!);
    else await this.#open(this.#path);
    try {
      if (this.#opened !== undefined) {
        await this.#change(() => this.#configure());
      }
      await this.#change(() => this.#createTables());
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  /** Closes the database for good, if it was opened here. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#close();
  }

  read(id: string): Promise<EngineRow | undefined> | EngineRow | undefined {
    return this.#call(() => {
      const row = this.#prepare(this.#sql.read).get(id);
      return Array.isArray(row) ? rowOf(row) : row as EngineRow | undefined;
    });
  }

  replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
    isUntouched?: boolean,
  ): Promise<boolean> | boolean {
    const sql = this.#sql;
    const { text, values } = replacement(sql, id, row, expected, isUntouched);
    return this.#change(() => this.#run(text, ...values) > 0);
  }

  touch(
    id: string,
    { lastAccess, expiry }: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> | boolean {
    const { revision, lastAccess: before } = expected;
    const values = [lastAccess, expiry, id, revision as SqlValue, before];
    return this.#change(() => this.#run(this.#sql.touch, ...values) > 0);
  }

  remove(
    id: string,
    expected?: EngineRow,
  ): Promise<EngineRow | undefined> | EngineRow | undefined {
    const { remove, removeExpected } = this.#sql;
    return this.#change(() => {
      // After one row, `get` would not hear of a commit that fails.
      const [removed] = expected === undefined
        ? this.#prepare(remove).all(id)
        : this.#prepare(removeExpected).all(
          id,
          expected.revision as SqlValue,
          expected.lastAccess,
        );
      return removed as EngineRow | undefined;
    });
  }

  rows(
    tag: string | undefined,
  ): AsyncIterable<readonly [id: string, row: EngineRow]> {
    const { list, listTag } = this.#sql;
    return streamRows((after) =>
      this.#call(() => {
        const rows = tag === undefined
          ? this.#prepare(list).all(after)
          : this.#prepare(listTag).all(tag, after);
        return rows as IdentifiedRow[];
      })
    );
  }

  readonly cleaner: EngineCleaner = {
    count: () => this.#call(() => this.#count(this.#sql.count)),
    countOld: (old) =>
      this.#call(() => this.#count(this.#sql.countOld, ...boundsOf(old))),
    atATime: DELETED_AT_A_TIME,
    deleteSome: (old, most) => {
      const { table } = this.#names;
      const some = `SELECT id FROM ${table} WHERE ${this.#sql.old} LIMIT $3`;
      return this.#change(() =>
        this.#run(
          `DELETE FROM ${table} WHERE id IN (${some})`,
          ...boundsOf(old),
          most,
        )
      );
    },
    finish: () => {
      if (this.#path === undefined) return;
      this.#database!.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    },
  };

  async #open(path: string): Promise<void> {
    const { DatabaseSync } = await import("node:sqlite");
    if (this.#isClosed) {
      throw new Error(`Cannot open ${path}: its store was disposed of`);
    }
    if (path !== IN_MEMORY) makeForOwner(path);
    const database = new DatabaseSync(path);
    this.#database = this.#opened = database;
  }

  #configure(): void {
    const isDurable = this.#durability === "power";
    this.#database!.exec(`
      PRAGMA busy_timeout = 0;
      PRAGMA synchronous = ${isDurable ? "FULL" : "NORMAL"};
      PRAGMA journal_size_limit = ${LARGEST_LOG};
      PRAGMA journal_mode = WAL;
    `);
  }

  #createTables(): void {
    const database = this.#database!;
    const { table, versions } = this.#names;
    database.exec("BEGIN IMMEDIATE");
    try {
      database.exec(`
        CREATE TABLE IF NOT EXISTS ${versions} (
          name TEXT PRIMARY KEY,
          version INTEGER NOT NULL
        ) STRICT;
        INSERT OR IGNORE INTO ${versions}
          VALUES ('${table}', ${SCHEMA_VERSION});
      `);
      const found = database.prepare(this.#sql.version).get();
      checkSchemaVersion((found as { version: number }).version);
      database.exec(`
        CREATE TABLE IF NOT EXISTS ${table} (
          id TEXT PRIMARY KEY,
          version INTEGER NOT NULL,
          last_access INTEGER NOT NULL,
          ends_at INTEGER,
          tag TEXT,
          json TEXT NOT NULL
        ) STRICT;
        CREATE INDEX IF NOT EXISTS ${table}_end
          ON ${table} (ends_at, last_access);
        CREATE INDEX IF NOT EXISTS ${table}_tag
          ON ${table} (tag, id) WHERE tag IS NOT NULL;
      `);
      database.exec("COMMIT");
    } catch (error) {
      // After some errors SQLite has rolled back by itself.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }

  #close(): void {
    this.#prepared.clear();
    this.#opened?.[Symbol.dispose]();
    this.#opened = undefined;
  }

  /** As {@linkcode #call}, but not inside a transaction of the application. */
  #change<T>(change: () => T): Promise<T> | T {
    if (!this.isBusy) {
      try {
        return change();
      } catch (error) {
        if (!isLocked(error)) throw error;
      }
    }
    return retryCall(() => {
      if (!this.isBusy) return change();
      throw new SessionLockTimeoutError(IN_THE_WAY, TIMEOUT);
    }, isInTheWay);
  }

  /** Calls at once, and again as long as the database is locked. */
  #call<T>(call: () => T): Promise<T> | T {
    try {
      return call();
    } catch (error) {
      if (!isLocked(error)) throw error;
      return untilUnlocked(call);
    }
  }

  #count(sql: string, ...values: SqlValue[]): number {
    return (this.#prepare(sql).get(...values) as { count: number }).count;
  }

  #run(sql: string, ...values: SqlValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #prepare(sql: string): Statement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database!.prepare(sql.replaceAll(/\$\d/g, "?"));
      // A row without the names of its columns is read in two thirds of the time.
      if (sql === this.#sql.read) statement.setReturnArrays?.(true);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}

/**
 * Tells whether a file has a table of sessions; it opens it to read only.
 *
 * @param path The file, which exists.
 * @param table The table.
 * @throws {TypeError} If the table is not a name.
 */
export async function hasSqliteTable(
  path: string,
  table: string,
): Promise<boolean> {
  const { name } = namesOf(table);
  const { DatabaseSync } = await import("node:sqlite");
  using database = new DatabaseSync(path, { readOnly: true });
  return await untilUnlocked(() =>
    database.prepare(
      "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
    ).get(name) !== undefined
  );
}

/** Returns the path of a database that is to be opened, or one that is open. */
function sourceOf(
  database: string | URL | SqliteDatabase,
): string | SqliteDatabase {
  if (database instanceof URL) return fromFileUrl(database);
  // SQLite would take it for a URL, with settings.
  const isPath = typeof database === "string" && database !== "" &&
    !database.startsWith("file:");
  const isOpen = typeof (database as SqliteDatabase)?.prepare === "function";
  if (isPath || isOpen) return database;
  throw new TypeError(
    "Cannot keep sessions in SQLite: the database is neither a path, a file URL nor an open DatabaseSync",
  );
}

/**
 * Makes the file of a database, unless it is there: SQLite would let others read
 * it. The files that SQLite makes beside it get its mode. A file that is there is
 * not opened: to close it would free the locks that SQLite has in this process.
 */
function makeForOwner(path: string): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (error) {
    if ((error as Error & { code?: unknown }).code === "EEXIST") return;
    throw error;
  }
  closeSync(file);
}

/** Tells whether a call has done nothing and is to be repeated. */
function isInTheWay(error: unknown): boolean {
  return isLocked(error) || error instanceof SessionLockTimeoutError;
}

/** Refuses an open database that a store cannot work with. */
function checkBorrowed(database: SqliteDatabase): void {
  const fault = faultOf(database);
  if (fault === undefined) return;
  throw new TypeError(
    `Cannot keep sessions in the open SQLite database: ${fault}; give the store the path, so that it opens the database for itself`,
  );
}

function faultOf(database: SqliteDatabase): string | undefined {
  if (typeof database.isTransaction !== "boolean") {
    return "it does not tell whether a transaction is open (isTransaction)";
  }
  const row = database.prepare("PRAGMA query_only").get();
  if (Array.isArray(row)) return "it was opened with returnArrays";
  const [isReadOnly] = Object.values(row!);
  if (typeof isReadOnly === "bigint") return "it was opened with readBigInts";
  return isReadOnly === 0 ? undefined : "its query_only is on";
}
