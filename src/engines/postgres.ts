/*
 * Each statement is a transaction of its own. Of two at one row, the row's lock
 * decides which goes first, and the other sees by the revision that it is second.
 *
 * PostgreSQL writes a changed row anew. A touch does not copy a JSON of more than
 * about 2 kB, which lies apart (TOAST); a shorter one is copied within the page,
 * and not into the log. The index for cleanups is on slots of five minutes
 * instead of instants, and a page is filled to four fifths: so most touches and
 * updates stay within their page and change no index (HOT), and leave nothing
 * for a vacuum.
 */
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import {
  lacksErrorListener,
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
  IS_THIS_FORMAT,
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
 * so is the update that follows it. An index finds the sessions of a user, and
 * those that have expired.
 *
 * The store borrows a pool of `npm:pg` or the `sql` of `npm:postgres` and does
 * not close it. `setup` creates the table if it is missing, with the rights of
 * the client's role; for a table that exists, the right to read and change it
 * is enough, and to read `latchkey_schema`. The schema is the one that the
 * role's `search_path` finds.
 *
 * Statements are prepared. PgBouncer in transaction mode supports that from
 * version 1.21, with `max_prepared_statements` above 0. Behind an older one,
 * `npm:pg` works: a store that finds this out prepares no more, and warns once.
 * `npm:postgres` needs `prepare: false`: without it, its calls may hang there.
 *
 * While the server is away, the client's errors reach the caller; the next call
 * works when it is back. A pool of `npm:pg` needs a listener for its `error`:
 * without one the end of an idle connection ends the process, so `setup` warns.
 *
 * A change that is acknowledged survives a power loss, unless
 * `synchronous_commit` or `fsync` is off. When a standby takes over, changes that
 * it had not received are lost, a logout among them. Call `deleteOldSessions`
 * from time to time; autovacuum does the rest.
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
  /** Any number of processes, on any number of machines. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers, each with a client of its own. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param client A pool, or `sql`.
   * @param options The table, and the clock.
   * @throws {TypeError} If the client or the table is invalid.
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
const NO_LISTENER =
  'The pool of PostgreSQL has no listener for its "error": when the server ends an idle connection, that ends this process. Add one: pool.on("error", console.error)';
const UNPREPARED =
  "The statements for PostgreSQL are no longer prepared, because another connection answers each: they take longer. PgBouncer prepares them from version 1.21, with max_prepared_statements above 0";
const MS_PER_SLOT = 5 * 60 * 1000;
/** A number that no other program locks: "latc" in ASCII. */
const SETUP_LOCK = 0x6c617463;

class PostgresEngine implements SessionEngine {
  readonly #client: PostgresClient;
  readonly #query: PostgresQuery;
  readonly #table: string;
  readonly #sql: SqlStatements;
  readonly #deleteSome: string;
  #warn: (message: string) => void = () => {};

  constructor(client: PostgresClient, table: string) {
    this.#client = client;
    this.#query = queryOf(client, () => this.#warn(UNPREPARED));
    this.#sql = statementsFor(table);
    this.#table = table;
    this.#deleteSome = deletionFrom(table);
  }

  /**
   * Processes that do this at once take turns. Where the table exists this only
   * reads, which takes no right to create, and no lock that waits for writers.
   */
  async setup(warn: (message: string) => void): Promise<void> {
    this.#warn = warn;
    if (lacksErrorListener(this.#client)) warn(NO_LISTENER);
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
    const { revision, lastAccess: before } = expected;
    const values = [lastAccess, expiry, id, revision as SqlValue, before];
    return (await this.#query(this.#sql.touch, values)).count > 0;
  }

  remove(id: string, expected?: EngineRow): Promise<EngineRow | undefined> {
    if (expected === undefined) return this.#get(this.#sql.remove, [id]);
    const values = [id, expected.revision as SqlValue, expected.lastAccess];
    return this.#get(this.#sql.removeExpected, values);
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
    deleteSome: async (old, most) =>
      (await this.#query(this.#deleteSome, [...boundsOf(old), most])).count,
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

/** Returns the statements that create a table, for one transaction. */
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
 * Returns the statement that deletes some old rows. A row that is being written
 * is in use, so it is skipped; of a row that is locked, the newest state is
 * judged. As an array the IDs are found once, whatever the plan.
 */
function deletionFrom(table: string): string {
  const some = `ORDER BY end_slot, access_slot LIMIT $3 FOR UPDATE SKIP LOCKED`;
  return `DELETE FROM ${table} WHERE id = ANY (ARRAY(
    SELECT id FROM (
      SELECT id FROM ${table}
      WHERE end_slot <= $1::bigint / ${MS_PER_SLOT} AND ends_at <= $1
        AND ${IS_THIS_FORMAT} ${some}
    ) AS expired
    UNION ALL
    SELECT id FROM (
      SELECT id FROM ${table}
      WHERE end_slot IS NULL AND access_slot <= $2::bigint / ${MS_PER_SLOT}
        AND last_access <= $2 AND ${IS_THIS_FORMAT} ${some}
    ) AS unused
    LIMIT $3
  ))`;
}
