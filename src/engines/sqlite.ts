/*
 * What a touch changes keeps its size and stands before the JSON, so SQLite
 * overwrites a few bytes of one page in place, and leaves the JSON alone.
 */
import { checkDurability } from "../core/checks.ts";
import type { Durability } from "../core/store.ts";
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import { untilUnlocked } from "./locked_database.ts";
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
  SCHEMA_VERSION,
  type SqlStatements,
  type SqlValue,
  statementsFor,
  streamRows,
  valuesOf,
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
   * among them, never half of one.
   *
   * @default {"process"}
   */
  readonly durability?: Durability | undefined;
}

/** What a store uses of a `DatabaseSync` of `node:sqlite`. */
export interface SqliteDatabase {
  /** Whether a transaction has begun, and not ended. */
  readonly isTransaction?: boolean | undefined;
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
  };
}

/**
 * Keeps sessions in an SQLite database: one file for all of them, which any
 * number of processes on a machine may open. An index finds the sessions of a
 * user, and those that have expired.
 *
 * The store borrows the open database and does not close it. `setup` creates
 * the table if it is missing, turns write-ahead logging on, and lets a statement
 * wait five seconds for another process. The calls of `node:sqlite` are
 * synchronous: while one waits for another process, its own process stands.
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
  /** Any number of processes on a machine. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers, each with the database opened for itself. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param database The open database.
   * @param options The table, the durability, and the clock.
   * @throws {TypeError} If the table or the durability is invalid.
   */
  constructor(
    database: SqliteDatabase,
    options: SqliteSessionStoreOptions = {},
  ) {
    const { table = "latchkey_sessions", durability = "process" } = options;
    checkDurability(durability, "Cannot keep sessions in SQLite");
    super(new SqliteEngine(database, table, durability), options);
  }
}

const DELETED_AT_A_TIME = 200;

type Statement = ReturnType<SqliteDatabase["prepare"]>;

class SqliteEngine implements SessionEngine {
  readonly #database: SqliteDatabase;
  readonly #table: string;
  readonly #durability: Durability;
  readonly #sql: SqlStatements;
  readonly #prepared: Map<string, Statement> = new Map();

  constructor(
    database: SqliteDatabase,
    table: string,
    durability: Durability,
  ) {
    this.#database = database;
    this.#table = table;
    this.#durability = durability;
    this.#sql = statementsFor(namesOf(table));
  }

  async setup(): Promise<void> {
    const database = this.#database;
    const table = this.#table;
    database.exec(`
      PRAGMA busy_timeout = 5000;
      PRAGMA synchronous = ${this.#durability === "power" ? "FULL" : "NORMAL"};
    `);
    // Here SQLite does not wait by itself for another process that writes.
    await untilUnlocked(() => database.exec("PRAGMA journal_mode = WAL"));
    database.exec("BEGIN IMMEDIATE");
    try {
      database.exec(`
        CREATE TABLE IF NOT EXISTS latchkey_schema (
          name TEXT PRIMARY KEY,
          version INTEGER NOT NULL
        ) STRICT;
        INSERT OR IGNORE INTO latchkey_schema
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
      if (database.isTransaction !== false) database.exec("ROLLBACK");
      throw error;
    }
  }

  read(id: string): EngineRow | undefined {
    return this.#get(this.#sql.read, id);
  }

  replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
  ): boolean {
    const { insert, replace } = this.#sql;
    const changes = expected === undefined
      ? this.#run(insert, id, ...valuesOf(row))
      : this.#run(replace, ...valuesOf(row), id, expected.revision as SqlValue);
    return changes > 0;
  }

  touch(
    id: string,
    { lastAccess, expiry }: EngineAccess,
    expected: EngineRow,
  ): boolean {
    const { revision, lastAccess: before } = expected;
    const values = [lastAccess, expiry, id, revision as SqlValue, before];
    return this.#run(this.#sql.touch, ...values) > 0;
  }

  remove(id: string, expected?: EngineRow): EngineRow | undefined {
    if (expected === undefined) return this.#get(this.#sql.remove, id);
    const values = [id, expected.revision as SqlValue, expected.lastAccess];
    return this.#get(this.#sql.removeExpected, ...values);
  }

  rows(
    tag: string | undefined,
  ): AsyncIterable<readonly [id: string, row: EngineRow]> {
    const { list, listTag } = this.#sql;
    return streamRows((after) => {
      const rows = tag === undefined
        ? this.#prepare(list).all(after)
        : this.#prepare(listTag).all(tag, after);
      return rows as IdentifiedRow[];
    });
  }

  readonly cleaner: EngineCleaner = {
    count: () => this.#count(this.#sql.count),
    countOld: (old) => this.#count(this.#sql.countOld, ...boundsOf(old)),
    atATime: DELETED_AT_A_TIME,
    deleteSome: (old, most) =>
      this.#run(
        `DELETE FROM ${this.#table} WHERE id IN (
           SELECT id FROM ${this.#table} WHERE ${this.#sql.old} LIMIT $3)`,
        ...boundsOf(old),
        most,
      ),
  };

  #count(sql: string, ...values: SqlValue[]): number {
    return (this.#prepare(sql).get(...values) as { count: number }).count;
  }

  #get(sql: string, ...values: SqlValue[]): EngineRow | undefined {
    return this.#prepare(sql).get(...values) as EngineRow | undefined;
  }

  #run(sql: string, ...values: SqlValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #prepare(sql: string): Statement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql.replaceAll(/\$\d/g, "?"));
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}
