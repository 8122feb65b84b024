/*
 * A table of sessions, in SQLite and PostgreSQL:
 *
 *   id | version | last_access | ends_at | tag | json
 *
 * `version` is the revision of a row, `ends_at` its expiry. Indices find what has
 * expired (ends_at; last_access where that is null) and the sessions of a user
 * (tag). Another table, `latchkey_schema`, has the version of each table. Every
 * parameter stands once, in order.
 */
import type { EngineRow, NewEngineRow, OldSessions } from "./session_engine.ts";

/** What a statement binds. */
export type SqlValue = string | number | null;

/** How many rows a stream reads at a time. */
const ROWS_AT_A_TIME = 100;
/** The version of the tables that this code reads and writes. */
export const SCHEMA_VERSION = 1;

/** A row of a stream. */
export type IdentifiedRow = EngineRow & { readonly id: string };

const ROW = `json, last_access AS "lastAccess", version AS revision`;
/**
 * A row that a cleanup may delete: one that no later version has written, and if
 * it is the mark of a revocation, one that can be read, see core/record.ts.
 */
export const MAY_GO = `json NOT LIKE '{"format":%'
  AND (id NOT LIKE 'user-%' OR json LIKE '{"createdAt":%}')`;
const OLD =
  `(ends_at <= $1 OR (ends_at IS NULL AND last_access <= $2)) AND ${MAY_GO}`;
const TABLE_NAME = /^[a-z_][a-z0-9_]{0,47}$/;
const OLDEST = -1;
const LATEST = Number.MAX_SAFE_INTEGER;

/** The statements on a table. */
export interface SqlStatements {
  readonly read: string;
  readonly insert: string;
  readonly replace: string;
  readonly replaceUntouched: string;
  readonly touch: string;
  readonly remove: string;
  readonly removeExpected: string;
  readonly list: string;
  readonly listTag: string;
  readonly count: string;
  readonly countOld: string;
  /** Which rows are old, as the condition of another statement. */
  readonly old: string;
  readonly version: string;
}

/** Where the sessions are. */
export interface SqlNames {
  /** The table, as it was given. */
  readonly name: string;
  /** The table, as statements name it. */
  readonly table: string;
  /** The table of versions, as statements name it. */
  readonly versions: string;
}

/**
 * Names the tables.
 *
 * @param table The table.
 * @param schema The schema that has both, in quotes.
 * @throws {TypeError} If the table is not a name that needs no quotes.
 */
export function namesOf(table: unknown, schema?: string): SqlNames {
  if (typeof table !== "string" || !TABLE_NAME.test(table)) {
    throw new TypeError(
      "Cannot use table: it is not 1 to 48 of the characters a-z 0-9 _, the first not a digit",
    );
  }
  const start = schema === undefined ? "" : `${schema}.`;
  return {
    name: table,
    table: start + table,
    versions: `${start}latchkey_schema`,
  };
}

/** Makes the row of what `read` selects, in the order of its columns. */
export function rowOf(
  [json, lastAccess, revision]: readonly unknown[],
): EngineRow {
  return {
    json: json as string,
    lastAccess: lastAccess as number,
    revision: revision as SqlValue,
  };
}

/** Writes the statements on a table. */
export function statementsFor(
  { name, table, versions }: SqlNames,
): SqlStatements {
  const replace = `UPDATE ${table} SET
    version = $1, last_access = $2, ends_at = $3, tag = $4, json = $5
    WHERE id = $6 AND version = $7`;
  const remove = `DELETE FROM ${table} WHERE id = $1`;
  const page = `ORDER BY id LIMIT ${ROWS_AT_A_TIME}`;
  return {
    read: `SELECT ${ROW} FROM ${table} WHERE id = $1`,
    insert: `INSERT INTO ${table} (id, version, last_access, ends_at, tag, json)
      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
    replace,
    replaceUntouched: `${replace} AND last_access = $8`,
    touch: `UPDATE ${table} SET last_access = $1, ends_at = $2
      WHERE id = $3 AND version = $4 AND last_access = $5`,
    remove: `${remove} RETURNING ${ROW}`,
    removeExpected:
      `${remove} AND version = $2 AND last_access = $3 RETURNING ${ROW}`,
    list: `SELECT id, ${ROW} FROM ${table} WHERE id > $1 ${page}`,
    listTag:
      `SELECT id, ${ROW} FROM ${table} WHERE tag = $1 AND id > $2 ${page}`,
    count: `SELECT count(*) AS count FROM ${table}`,
    countOld: `SELECT count(*) AS count FROM ${table} WHERE ${OLD}`,
    old: OLD,
    version: `SELECT version FROM ${versions} WHERE name = '${name}'`,
  };
}

/**
 * Refuses a table of another version than this code knows.
 *
 * @param version What the database says.
 * @throws {TypeError} If it is another version.
 */
export function checkSchemaVersion(version: number): void {
  if (version === SCHEMA_VERSION) return;
  throw new TypeError(
    `Cannot keep sessions: their table is of version ${version}, this code knows ${SCHEMA_VERSION}`,
  );
}

/** A statement, and what it binds. */
export interface SqlCall {
  readonly text: string;
  readonly values: SqlValue[];
}

/** Makes the statement of an engine's `replace`. */
export function replacement(
  { insert, replace, replaceUntouched }: SqlStatements,
  id: string,
  row: NewEngineRow,
  expected: EngineRow | undefined,
  isUntouched: boolean | undefined,
): SqlCall {
  const { revision, lastAccess, expiry, tag, json } = row;
  const columns = [revision, lastAccess, expiry, tag, json];
  if (expected === undefined) return { text: insert, values: [id, ...columns] };
  const values = [...columns, id, expected.revision as SqlValue];
  return isUntouched
    ? { text: replaceUntouched, values: [...values, expected.lastAccess] }
    : { text: replace, values };
}

/** Returns what {@linkcode SqlStatements.old} binds: whole numbers. */
export function boundsOf({ expiredAt, unusedSince }: OldSessions): SqlValue[] {
  return [expiredAt, unusedSince].map((instant) =>
    Math.min(Math.max(Math.floor(instant), OLDEST), LATEST)
  );
}

/**
 * Streams rows, a page at a time.
 *
 * @param readPage Reads those that come after an ID.
 */
export async function* streamRows(
  readPage: (after: string) => Promise<IdentifiedRow[]> | IdentifiedRow[],
): AsyncGenerator<readonly [id: string, row: EngineRow]> {
  for (let after = "";;) {
    const rows = await readPage(after);
    for (const { id, ...row } of rows) yield [id, row];
    if (rows.length < ROWS_AT_A_TIME) return;
    after = rows.at(-1)!.id;
  }
}
