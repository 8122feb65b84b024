import { crc32 } from "node:zlib";
import type { SqlValue } from "./sql.ts";

/** What of a `Pool` or `Client` of `npm:pg` a store uses, in version 8. */
export interface PgPool {
  /** Runs a statement; one with a name is prepared once per connection. */
  query(statement: PgStatement): Promise<{
    readonly rows: unknown[][];
    readonly rowCount: number | null;
  }>;
}

/** A statement for `npm:pg`. */
export interface PgStatement {
  /** Under which it is prepared. */
  name?: string;
  /** The SQL. */
  text: string;
  /** What is bound to it. */
  values?: SqlValue[];
  /** Rows as lists of their columns. */
  rowMode: "array";
  /** Values as the server sent them. */
  types: { getTypeParser: () => (value: string) => string };
}

/** What of the `sql` of `npm:postgres` a store uses, in version 3. */
export interface PostgresSql {
  /** Makes a statement; what waits for it runs it. */
  unsafe(
    text: string,
    values?: SqlValue[],
    options?: { prepare?: boolean },
  ): {
    /** Asks for the values as the server sent them. */
    raw(): PromiseLike<
      (Uint8Array | null)[][] & { readonly count: number | null }
    >;
  };
}

/** A client of PostgreSQL. */
export type PostgresClient = PgPool | PostgresSql;

/** What a statement gave. */
export interface PostgresResult {
  /** The columns of each row, as text. */
  readonly rows: readonly (readonly string[])[];
  /** How many rows it gave or changed. */
  readonly count: number;
}

/**
 * Runs a statement, prepared, and anew where nothing has come of it; without
 * values it may be several.
 */
export type PostgresQuery = (
  text: string,
  values?: SqlValue[],
) => Promise<PostgresResult>;

/*
 * An application may have told its driver to give a bigint as a number or a
 * BigInt, or to write the names of columns its own way. So values are asked for
 * as they came over the wire, and columns by where they stand.
 */
const AS_IT_CAME = (value: string): string => value;
const TYPES = { getTypeParser: () => AS_IT_CAME };
const decoder = new TextDecoder();
const NOTHING: PostgresResult = { rows: [], count: 0 };

/**
 * With what the server says that it has undone a statement, or not begun it:
 * it was not to be serialized with others, where transactions have to be; an
 * administrator ended the connection, of which `npm:postgres` in version 3.4
 * also tells whoever is the first on the next one.
 */
const UNDONE: readonly unknown[] = ["40001", "57P01"];

/**
 * Finds out which client it is, and how to ask with it.
 *
 * @param client Either of them.
 * @throws {TypeError} If it is none.
 */
export function queryOf(client: PostgresClient): PostgresQuery {
  if (isOf<PostgresSql>(client, "unsafe")) return bySql(client);
  if (isOf<PgPool>(client, "query")) return byPool(client);
  throw new TypeError(
    "Cannot use client: it is neither of npm:pg nor of npm:postgres",
  );
}

function bySql(sql: PostgresSql): PostgresQuery {
  return async (text, values) => {
    for (;;) {
      try {
        const rows = await (values === undefined
          ? sql.unsafe(text)
          : sql.unsafe(text, values, { prepare: true })).raw();
        if (values === undefined) {
          return NOTHING;
        }
        return { rows: rows.map(decode), count: rows.count ?? 0 };
      } catch (error) {
        throwUnlessUndone(error);
      }
    }
  };
}

function byPool(pool: PgPool): PostgresQuery {
  const names = new Map<string, string>();
  return async (text, values) => {
    const statement: PgStatement = { text, rowMode: "array", types: TYPES };
    if (values !== undefined) {
      let name = names.get(text);
      if (name === undefined) {
        name = `latchkey_${hash(text)}`;
        names.set(text, name);
      }
      statement.name = name;
      statement.values = values;
    }
    for (;;) {
      try {
        const { rows, rowCount } = await pool.query(statement);
        if (values === undefined) return NOTHING;
        return { rows: rows as string[][], count: rowCount ?? 0 };
      } catch (error) {
        throwUnlessUndone(error);
      }
    }
  };
}

function decode(row: (Uint8Array | null)[]): string[] {
  return row.map((value) => decoder.decode(value!));
}

function throwUnlessUndone(error: unknown): void {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (!UNDONE.includes(code)) throw error;
}

function isOf<T>(client: unknown, method: keyof T): client is T {
  return typeof (client as Partial<T> | null | undefined)?.[method] ===
    "function";
}

function hash(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
