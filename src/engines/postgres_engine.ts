/*
 * A statement is a transaction of its own; which of two goes first the row's
 * lock decides, and the other sees by the version that it came second. What a
 * touch writes is a new version of the row without its JSON, where that is
 * longer than about 2 kB and so lies apart (TOAST); the JSON of a shorter one
 * is copied within the row.
 */
import type {
  EngineAccess,
  EngineCleaner,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "./session_engine.ts";
import {
  type PostgresClient,
  type PostgresQuery,
  queryOf,
} from "./postgres_client.ts";
import {
  boundsOf,
  checkSchemaVersion,
  type IdentifiedRow,
  SCHEMA_VERSION,
  type SqlStatements,
  statementsFor,
  streamRows,
  valuesOf,
} from "./sql_statements.ts";

const DELETED_AT_A_TIME = 1_000;
/** Any number that nobody else locks: "latchkey" in ASCII, 32 bits of it. */
const SETUP_LOCK = 0x6c617463;

/** A table of sessions in a PostgreSQL database. */
export class PostgresEngine implements SessionEngine {
  readonly #query: PostgresQuery;
  readonly #table: string;
  readonly #sql: SqlStatements;

  /**
   * @param client A client.
   * @param table The table's name.
   * @throws {TypeError} If either makes no sense.
   */
  constructor(client: PostgresClient, table: string) {
    this.#query = queryOf(client);
    this.#sql = statementsFor(table);
    this.#table = table;
  }

  /** Of processes that do this at once, one after the other does. */
  async setup(): Promise<void> {
    const table = this.#table;
    await this.#query(`
      SELECT pg_advisory_xact_lock(${SETUP_LOCK});
      CREATE TABLE IF NOT EXISTS latchkey_schema (
        name text PRIMARY KEY,
        version integer NOT NULL
      );
      INSERT INTO latchkey_schema VALUES ('${table}', ${SCHEMA_VERSION})
        ON CONFLICT DO NOTHING;
      CREATE TABLE IF NOT EXISTS ${table} (
        id text COLLATE "C" PRIMARY KEY,
        version bigint NOT NULL,
        last_access bigint NOT NULL,
        ends_at bigint,
        tag text COLLATE "C",
        json text NOT NULL
      );
      CREATE INDEX IF NOT EXISTS ${table}_end
        ON ${table} (ends_at, last_access);
      CREATE INDEX IF NOT EXISTS ${table}_tag
        ON ${table} (tag, id) WHERE tag IS NOT NULL;
    `);
    const { rows: [found] } = await this.#query(this.#sql.version, []);
    checkSchemaVersion((found as { version: number }).version);
  }

  read(id: string): Promise<EngineRow | undefined> {
    return this.#get(this.#sql.read, [id]);
  }

  async write(id: string, row: NewEngineRow): Promise<void> {
    await this.#query(this.#sql.write, [id, ...valuesOf(row)]);
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
  ): Promise<boolean> {
    const { insert, replace } = this.#sql;
    const { count } = expected === undefined
      ? await this.#query(insert, [id, ...valuesOf(row)])
      : await this.#query(replace, [...valuesOf(row), id, expected.version]);
    return count > 0;
  }

  async touch(
    id: string,
    { lastAccess, endsAt }: EngineAccess,
    { version }: EngineRow,
  ): Promise<boolean> {
    const values = [lastAccess, endsAt, id, version];
    return (await this.#query(this.#sql.touch, values)).count > 0;
  }

  remove(id: string, expected?: EngineRow): Promise<EngineRow | undefined> {
    if (expected === undefined) return this.#get(this.#sql.remove, [id]);
    const { version, lastAccess } = expected;
    return this.#get(this.#sql.removeExpected, [id, version, lastAccess]);
  }

  rows(
    tag: string | undefined,
  ): AsyncIterable<readonly [id: string, row: EngineRow]> {
    const { list, listTag } = this.#sql;
    return streamRows(async (after) => {
      const { rows } = tag === undefined
        ? await this.#query(list, [after])
        : await this.#query(listTag, [tag, after]);
      return (rows as IdentifiedRow[]).map(readNumbers);
    });
  }

  readonly cleaner: EngineCleaner = {
    count: () => this.#count(this.#sql.count, []),
    countOld: (old) => this.#count(this.#sql.countOld, boundsOf(old)),
    atATime: DELETED_AT_A_TIME,
    deleteSome: async (old) => {
      // Who writes one at the moment uses it: the lock is what judges anew.
      const { count } = await this.#query(
        `DELETE FROM ${this.#table} WHERE id IN (
           SELECT id FROM ${this.#table} WHERE ${this.#sql.old}
           LIMIT ${DELETED_AT_A_TIME} FOR UPDATE SKIP LOCKED)`,
        boundsOf(old),
      );
      return count;
    },
  };

  async #count(
    sql: string,
    values: ReturnType<typeof boundsOf>,
  ): Promise<number> {
    const { rows: [found] } = await this.#query(sql, values);
    return Number((found as { count: unknown }).count);
  }

  async #get(
    sql: string,
    values: (string | number)[],
  ): Promise<EngineRow | undefined> {
    const { rows: [found] } = await this.#query(sql, values);
    return found === undefined ? undefined : readNumbers(found as EngineRow);
  }
}

/** A `bigint` comes as text; as a version it is as good as that. */
function readNumbers<T extends EngineRow>(row: T): T {
  return { ...row, lastAccess: Number(row.lastAccess) };
}
