/*
 * A statement is a transaction of its own; which of two goes first the row's
 * lock decides, and the other sees by the revision that it came second.
 *
 * What changes a row writes another version of it. A touch does without the
 * JSON where that is longer than about 2 kB and so lies apart (TOAST); that of a
 * shorter one is copied within the page, and not into the log. The index to
 * clean up by is on slots of five minutes instead of instants, and a page is
 * filled to four fifths: most touches and updates then stay within their page
 * and leave all indices alone (HOT), and no vacuum has to follow them.
 */
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import {
  type PostgresClient,
  type PostgresQuery,
  queryOf,
} from "./postgres_client.ts";
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
  conditionOf,
  SCHEMA_VERSION,
  type SqlStatements,
  type SqlValue,
  statementsFor,
  streamRows,
  valuesOf,
} from "./sql.ts";

/** What {@linkcode PostgresSessionStore} takes. */
export interface PostgresSessionStoreOptions extends EngineStoreOptions {
  /**
   * The table: 1 to 48 of `a-z 0-9 _`. Managers that are not to share their
   * sessions have one each.
   *
   * @default {"latchkey_sessions"}
   */
  readonly table?: string | undefined;
}

/**
 * Keeps sessions in PostgreSQL, from version 12. A load is one statement, and
 * so is the update that follows it. A user's sessions, and those that are over,
 * are found by an index.
 *
 * It borrows a pool of `npm:pg` or the `sql` of `npm:postgres`, and closes
 * nothing. `setup` creates the table if it is missing, with the rights of the
 * client's role; where it is there already, the right to read and change it is
 * enough, and to read `latchkey_schema`. Which schema that is, the role's
 * `search_path` says.
 *
 * Statements are prepared. Behind PgBouncer, in transaction mode, that takes
 * its version 1.21 and `max_prepared_statements` above 0; or `npm:postgres` with
 * `prepare: false`, which this respects.
 *
 * While the server is away, what the client says reaches the caller, and the
 * next call works when it is back. A pool of `npm:pg` needs a listener for its
 * `error`: without one the end of an idle connection ends the process.
 *
 * What is acknowledged has survived a power loss, unless `synchronous_commit`
 * or `fsync` is off; what a standby that takes over had not got yet is lost, a
 * logout among it. Somebody has to call `deleteOldSessions` from time to time;
 * autovacuum does the rest.
 *
 * The clocks of the servers may differ by as much as an idle timeout can spare.
 * There are no locks, so a manager on it cannot be `exclusive`.
 *
 * @example With `npm:pg`
 * ```ts ignore
 * import { PostgresSessionStore, SessionManager } from "@latchkey/session";
 * import pg from "npm:pg@8";
 *
 * const pool = new pg.Pool({ host: "localhost" });
 * pool.on("error", console.error);
 * const store = new PostgresSessionStore(pool);
 * const sessions = new SessionManager({ store, idleTimeout: 1_800_000 });
 * ```
 */
export class PostgresSessionStore extends EngineSessionStore {
  /** Any number of processes, on any number of machines, may share a server. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers may, each with a client of its own. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param client A pool, or `sql`.
   * @param options See there.
   * @throws {TypeError} If it is no client, or an option makes no sense.
   */
  constructor(
    client: PostgresClient,
    options: PostgresSessionStoreOptions = {},
  ) {
    const { table = "latchkey_sessions" } = options;
    super(new PostgresEngine(client, table), options);
  }
}

const DELETED_AT_A_TIME = 1_000;
const MS_PER_SLOT = 5 * 60 * 1000;
/** Any number that nobody else locks: "latc" in ASCII. */
const SETUP_LOCK = 0x6c617463;

/** A table of sessions in a PostgreSQL database. */
export class PostgresEngine implements SessionEngine {
  readonly #query: PostgresQuery;
  readonly #table: string;
  readonly #sql: SqlStatements;
  readonly #deleteSome: string;

  /**
   * @param client A client.
   * @param table The table's name.
   * @throws {TypeError} If either makes no sense.
   */
  constructor(client: PostgresClient, table: string) {
    this.#query = queryOf(client);
    this.#sql = statementsFor(table);
    this.#table = table;
    this.#deleteSome = deletionFrom(table);
  }

  /**
   * Of processes that do this at once, one after the other does. Where there
   * is the table already it only looks, which takes no right to create, and
   * no lock that would wait for those who write.
   */
  async setup(): Promise<void> {
    let version = await this.#schemaVersion();
    if (version === undefined) {
      await this.#query(schemaOf(this.#table));
      version = await this.#schemaVersion();
    }
    checkSchemaVersion(version ?? 0);
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
      : await this.#query(replace, [
        ...valuesOf(row),
        id,
        expected.revision as SqlValue,
      ]);
    return count > 0;
  }

  async touch(
    id: string,
    { lastAccess, expiry }: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> {
    const values = [lastAccess, expiry, id, ...conditionOf(expected)];
    return (await this.#query(this.#sql.touch, values)).count > 0;
  }

  remove(id: string, expected?: EngineRow): Promise<EngineRow | undefined> {
    if (expected === undefined) return this.#get(this.#sql.remove, [id]);
    return this.#get(this.#sql.removeExpected, [id, ...conditionOf(expected)]);
  }

  rows(
    tag: string | undefined,
  ): AsyncIterable<readonly [id: string, row: EngineRow]> {
    const { list, listTag } = this.#sql;
    return streamRows(async (after) => {
      const { rows } = tag === undefined
        ? await this.#query(list, [after])
        : await this.#query(listTag, [tag, after]);
      return rows.map(([id, ...row]) => ({ id: id!, ...rowOf(row) }));
    });
  }

  readonly cleaner: EngineCleaner = {
    count: () => this.#count(this.#sql.count, []),
    countOld: (old) => this.#count(this.#sql.countOld, boundsOf(old)),
    atATime: DELETED_AT_A_TIME,
    deleteSome: async (old) =>
      (await this.#query(this.#deleteSome, boundsOf(old))).count,
  };

  async #schemaVersion(): Promise<number | undefined> {
    const tables = await this.#query(
      `SELECT 1 WHERE to_regclass('latchkey_schema') IS NOT NULL
         AND to_regclass('${this.#table}') IS NOT NULL`,
      [],
    );
    if (tables.count === 0) return undefined;
    const { rows: [found] } = await this.#query(this.#sql.version, []);
    return found && Number(found[0]);
  }

  async #count(sql: string, values: SqlValue[]): Promise<number> {
    const { rows: [found] } = await this.#query(sql, values);
    return Number(found![0]);
  }

  async #get(sql: string, values: SqlValue[]): Promise<EngineRow | undefined> {
    const { rows: [found] } = await this.#query(sql, values);
    return found && rowOf(found);
  }
}

/** Reads the columns of a row after the ID. */
function rowOf(columns: readonly string[]): EngineRow {
  const [json, lastAccess, revision] = columns as [string, string, string];
  return { json, lastAccess: Number(lastAccess), revision };
}

/** Writes what creates a table: several statements, one transaction. */
function schemaOf(table: string): string {
  return `
    SET LOCAL client_min_messages = warning;
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
      end_slot bigint GENERATED ALWAYS AS (ends_at / ${MS_PER_SLOT}) STORED,
      access_slot bigint NOT NULL
        GENERATED ALWAYS AS (last_access / ${MS_PER_SLOT}) STORED,
      tag text COLLATE "C",
      json text NOT NULL
    ) WITH (fillfactor = 80);
    CREATE INDEX IF NOT EXISTS ${table}_end
      ON ${table} (end_slot, access_slot);
    CREATE INDEX IF NOT EXISTS ${table}_tag
      ON ${table} (tag, id) WHERE tag IS NOT NULL;
  `;
}

/**
 * Writes what deletes some old rows. Who writes one at the moment uses it, so
 * it is passed over; whoever has the lock judges the row as it is by then. As
 * an array the IDs are found once, whatever the plan.
 */
function deletionFrom(table: string): string {
  const some =
    `ORDER BY end_slot, access_slot LIMIT ${DELETED_AT_A_TIME} FOR UPDATE SKIP LOCKED`;
  return `DELETE FROM ${table} WHERE id = ANY (ARRAY(
    SELECT id FROM (
      SELECT id FROM ${table}
      WHERE end_slot <= $1::bigint / ${MS_PER_SLOT} AND ends_at <= $1 ${some}
    ) AS ended
    UNION ALL
    SELECT id FROM (
      SELECT id FROM ${table}
      WHERE end_slot IS NULL AND access_slot <= $2::bigint / ${MS_PER_SLOT}
        AND last_access <= $2 ${some}
    ) AS unused
    LIMIT ${DELETED_AT_A_TIME}
  ))`;
}
