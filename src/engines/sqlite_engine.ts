/*
 * What a touch changes has the same size afterwards and stands before the JSON,
 * so SQLite writes over the few bytes of one page where they are, and leaves
 * those of the JSON alone.
 */
import type { Durability } from "../core/store.ts";
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
  SCHEMA_VERSION,
  type SqlStatements,
  type SqlValue,
  statementsFor,
  streamRows,
  valuesOf,
} from "./sql.ts";
import type { SqliteDatabase, SqliteStatement } from "./sqlite_database.ts";
import { untilUnlocked } from "../system/waiting.ts";

const DELETED_AT_A_TIME = 200;

/** A table of sessions in an SQLite database. */
export class SqliteEngine implements SessionEngine {
  readonly #database: SqliteDatabase;
  readonly #table: string;
  readonly #synchronous: "FULL" | "NORMAL";
  readonly #sql: SqlStatements;
  readonly #prepared: Map<string, SqliteStatement> = new Map();

  /**
   * @param database The open database.
   * @param table The table's name.
   * @param durability What an acknowledged change survives.
   * @throws {TypeError} If either makes no sense.
   */
  constructor(
    database: SqliteDatabase,
    table: string,
    durability: Durability,
  ) {
    if (durability !== "process" && durability !== "power") {
      throw new TypeError(
        'Cannot use durability: it is neither "process" nor "power"',
      );
    }
    this.#database = database;
    this.#sql = statementsFor(table);
    this.#table = table;
    this.#synchronous = durability === "power" ? "FULL" : "NORMAL";
  }

  async setup(): Promise<void> {
    const database = this.#database;
    const table = this.#table;
    database.exec(`
      PRAGMA busy_timeout = 5000;
      PRAGMA synchronous = ${this.#synchronous};
    `);
    // Here SQLite does not wait by itself for who has begun to write.
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
      // After some errors SQLite has done so by itself.
      if (database.isTransaction !== false) database.exec("ROLLBACK");
      throw error;
    }
  }

  read(id: string): EngineRow | undefined {
    return this.#get(this.#sql.read, id);
  }

  write(id: string, row: NewEngineRow): void {
    this.#run(this.#sql.write, id, ...valuesOf(row));
  }

  replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
  ): boolean {
    const { insert, replace } = this.#sql;
    const changes = expected === undefined
      ? this.#run(insert, id, ...valuesOf(row))
      : this.#run(replace, ...valuesOf(row), id, expected.version);
    return changes > 0;
  }

  touch(
    id: string,
    { lastAccess, endsAt }: EngineAccess,
    { version, lastAccess: before }: EngineRow,
  ): boolean {
    const values = [lastAccess, endsAt, id, version, before];
    return this.#run(this.#sql.touch, ...values) > 0;
  }

  remove(id: string, expected?: EngineRow): EngineRow | undefined {
    if (expected === undefined) return this.#get(this.#sql.remove, id);
    const { version, lastAccess } = expected;
    return this.#get(this.#sql.removeExpected, id, version, lastAccess);
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
    deleteSome: (old) =>
      this.#run(
        `DELETE FROM ${this.#table} WHERE id IN (
           SELECT id FROM ${this.#table} WHERE ${this.#sql.old}
           LIMIT ${DELETED_AT_A_TIME})`,
        ...boundsOf(old),
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

  #prepare(sql: string): SqliteStatement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql.replaceAll(/\$\d/g, "?"));
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}
