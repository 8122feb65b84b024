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
import type { StoreWarning } from "../core/store.ts";
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
  MAY_GO,
  namesOf,
  replacement,
  SCHEMA_VERSION,
  type SqlNames,
  type SqlStatements,
  type SqlValue,
  statementsFor,
  streamRows,
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
  /**
   * The schema of the table, by any name that PostgreSQL takes. It must exist:
   * `setup` makes none. Give it where applications share a database.
   *
   * @default {undefined} the one that the role's `search_path` finds
   */
  readonly schema?: string | undefined;
}

/**
 * Keeps sessions in PostgreSQL, from version 12. A load is one statement, and
 * so is the update that follows it. An index finds the sessions of a user, and
 * those that have expired.
 *
 * The store borrows a pool of `npm:pg` or the `sql` of `npm:postgres` and does
 * not close it. `setup` creates the table if it is missing, with the rights of
 * the client's role; a role that may not create serves when another one has run
 * {@linkcode PostgresSessionStore.setupSql}. A table of that name that belongs to
 * another application is refused.
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
   * @param options The table, its schema, and the clock.
   * @throws {TypeError} If the client, the table or the schema is invalid.
   *
   * @example With `npm:postgres`, and a schema of its own
   * ```ts ignore
   * import { PostgresSessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   * import postgres from "npm:postgres@3";
   *
   * const sql = postgres("postgres://localhost/app", { connect_timeout: 2 });
   * const store = new PostgresSessionStore(sql, { schema: "web" });
   * await store.setup(); // throws at the start if a right is missing
   * assertEquals(await store.has("0123456789abcdef"), false);
   * await sql.end();
   * ```
   */
  constructor(
    client: PostgresClient,
    options: PostgresSessionStoreOptions = {},
  ) {
    super(new PostgresEngine(client, namesFrom(options)), options);
  }

  /**
   * Returns what a role that may create runs once, for a store whose role may
   * not: it creates the schema, if one is given, and the tables, and grants what
   * the store needs. It may be run again.
   *
   * @param role The role that the store's client has.
   * @param options The table and its schema, as the store gets them.
   * @returns SQL: one transaction.
   * @throws {TypeError} If the role, the table or the schema is invalid.
   *
   * @example
   * ```ts
   * import { PostgresSessionStore } from "@latchkey/session";
   * import { assertStringIncludes } from "@std/assert";
   *
   * const sql = PostgresSessionStore.setupSql("app", { schema: "web" });
   * assertStringIncludes(sql, `GRANT USAGE ON SCHEMA "web" TO "app"`);
   * ```
   */
  static setupSql(
    role: string,
    options: Pick<PostgresSessionStoreOptions, "table" | "schema"> = {},
  ): string {
    const names = namesFrom(options);
    const to = quote(role, "role");
    const schema = options.schema && quote(options.schema, "schema");
    const lines = [
      "BEGIN;",
      QUIETLY,
      ...(schema ? [`CREATE SCHEMA IF NOT EXISTS ${schema};`] : []),
      schemaOf(names),
      ...(schema ? [`GRANT USAGE ON SCHEMA ${schema} TO ${to};`] : []),
      `GRANT SELECT ON ${names.versions} TO ${to};`,
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ${names.table} TO ${to};`,
      "COMMIT;",
    ];
    return lines.join("\n").replaceAll(/^ {4}/gm, "");
  }
}

const encoder = new TextEncoder();
const DELETED_AT_A_TIME = 1_000;
const NO_LISTENER =
  'The pool of PostgreSQL has no listener for its "error": when the server ends an idle connection, that ends this process. Add one: pool.on("error", console.error)';
const UNPREPARED =
  "The statements for PostgreSQL are no longer prepared, because another connection answers each: they take longer. PgBouncer prepares them from version 1.21, with max_prepared_statements above 0";
const MS_PER_SLOT = 5 * 60 * 1000;
/** A number that no other program locks: "latc" in ASCII. */
const SETUP_LOCK = 0x6c617463;

/** Says nothing of what exists already. */
const QUIETLY = "SET LOCAL client_min_messages = warning;";
/** A name of PostgreSQL is cut off behind this many bytes. */
const LONGEST_NAME = 63;
/** No right, no such schema. */
const NOT_ALLOWED: readonly unknown[] = ["42501", "3F000"];
const COLUMNS: ReadonlyMap<string, string> = new Map([
  ["id", "text"],
  ["version", "bigint"],
  ["last_access", "bigint"],
  ["ends_at", "bigint"],
  ["end_slot", "bigint"],
  ["access_slot", "bigint"],
  ["tag", "text"],
  ["json", "text"],
]);
/** The columns of a table, whether versions are kept, and in which schemas. */
const INSPECT = `
  SELECT attname, format_type(atttypid, atttypmod),
    to_regclass($2::text) IS NOT NULL, nspname, coalesce(current_schema(), '')
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped`;

class PostgresEngine implements SessionEngine {
  readonly #client: PostgresClient;
  readonly #query: PostgresQuery;
  readonly #names: SqlNames;
  readonly #sql: SqlStatements;
  readonly #deleteSome: string;
  #warn: (message: string) => void = () => {};

  constructor(client: PostgresClient, names: SqlNames) {
    this.#client = client;
    this.#query = queryOf(client, () => this.#warn(UNPREPARED));
    this.#sql = statementsFor(names);
    this.#names = names;
    this.#deleteSome = deletionFrom(names.table);
  }

  /**
   * Processes that do this at once take turns. Where the table exists this only
   * reads, which takes no right to create, and no lock that waits for writers.
   */
  async setup(warn: (warning: StoreWarning) => void): Promise<void> {
    this.#warn = (message) => warn({ type: "setup", message });
    if (lacksErrorListener(this.#client)) this.#warn(NO_LISTENER);
    try {
      let version = await this.#inspect();
      if (version === undefined) {
        await this.#query(QUIETLY + schemaOf(this.#names));
        version = await this.#inspect();
      }
      checkSchemaVersion(version ?? 0);
    } catch (error) {
      const { code, message } = error as Error & { readonly code?: unknown };
      if (!NOT_ALLOWED.includes(code)) throw error;
      throw new Error(
        `Cannot set up ${this.#names.table}: ${message}; let a role that may create run what the command \`schema postgres\` prints, or PostgresSessionStore.setupSql() returns`,
        { cause: error },
      );
    }
  }

  read(id: string): Promise<EngineRow | undefined> {
    return this.#get(this.#sql.read, [id]);
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
    isUntouched?: boolean,
  ): Promise<boolean> {
    const sql = this.#sql;
    const { text, values } = replacement(sql, id, row, expected, isUntouched);
    return (await this.#query(text, values)).count > 0;
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

  /**
   * Looks at the table, and refuses one that is not of this package.
   *
   * @returns Its version; `undefined` when it is missing, or its version is.
   */
  async #inspect(): Promise<number | undefined> {
    const { name, table, versions } = this.#names;
    const { rows } = await this.#query(INSPECT, [table, versions]);
    const [first] = rows;
    if (first === undefined) return undefined;
    const [, , hasVersions, schema, current] = first;
    const found = hasVersions === "t"
      ? (await this.#query(this.#sql.version, [])).rows[0]
      : undefined;
    const version = found && Number(found[0]);
    if (version === undefined || version === SCHEMA_VERSION) {
      checkColumns(table, rows);
    }
    if (table === name && schema !== current) {
      this.#warn(
        `Sessions are kept in the table ${name} of the schema ${schema}, which search_path finds although it begins with ${current}: give the store the schema that is meant`,
      );
    }
    return version;
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

/**
 * Tells whether a database has a table of sessions, whatever columns that has.
 *
 * @param client A pool, or `sql`.
 * @param options The table and its schema, as the store gets them.
 */
export async function hasPostgresTable(
  client: PostgresClient,
  options: Pick<PostgresSessionStoreOptions, "table" | "schema">,
): Promise<boolean> {
  const { table } = namesFrom(options);
  const { rows: [found] } = await queryOf(client)(
    "SELECT to_regclass($1) IS NOT NULL",
    [table],
  );
  return found![0] === "t";
}

/** Reads the columns of a row after the ID. */
function rowOf(columns: readonly string[]): EngineRow {
  const [json, lastAccess, revision] = columns as [string, string, string];
  return { json, lastAccess: Number(lastAccess), revision };
}

/** Names the tables that the options mean. */
export function namesFrom(
  { table = "latchkey_sessions", schema }: Pick<
    PostgresSessionStoreOptions,
    "table" | "schema"
  >,
): SqlNames {
  return namesOf(
    table,
    schema === undefined ? undefined : quote(schema, "schema"),
  );
}

/** Puts a name in quotes. */
function quote(name: unknown, what: string): string {
  const isName = typeof name === "string" && name !== "" &&
    !name.includes("\0") && encoder.encode(name).length <= LONGEST_NAME;
  if (isName) return `"${name.replaceAll('"', '""')}"`;
  throw new TypeError(
    `Cannot use ${what}: it is not a string of 1 to ${LONGEST_NAME} bytes`,
  );
}

/** Refuses a table that has not the columns of a table of sessions. */
function checkColumns(
  table: string,
  rows: readonly (readonly string[])[],
): void {
  const found = new Map(rows.map(([name, type]) => [name, type]));
  for (const [name, type] of COLUMNS) {
    if (found.get(name) === type) continue;
    throw new TypeError(
      `Cannot keep sessions in ${table}: it is another application's, without a column ${name} of type ${type}; give the store another table or schema`,
    );
  }
}

/** Returns the statements that create a table, for one transaction. */
function schemaOf({ name, table, versions }: SqlNames): string {
  return `
    SELECT pg_advisory_xact_lock(${SETUP_LOCK});
    CREATE TABLE IF NOT EXISTS ${versions} (
      name text PRIMARY KEY,
      version integer NOT NULL
    );
    INSERT INTO ${versions} VALUES ('${name}', ${SCHEMA_VERSION})
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
    CREATE INDEX IF NOT EXISTS ${name}_end
      ON ${table} (end_slot, access_slot);
    CREATE INDEX IF NOT EXISTS ${name}_tag
      ON ${table} (tag, id) WHERE tag IS NOT NULL;`;
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
        AND ${MAY_GO} ${some}
    ) AS expired
    UNION ALL
    SELECT id FROM (
      SELECT id FROM ${table}
      WHERE end_slot IS NULL AND access_slot <= $2::bigint / ${MS_PER_SLOT}
        AND last_access <= $2 AND ${MAY_GO} ${some}
    ) AS unused
    LIMIT $3
  ))`;
}
