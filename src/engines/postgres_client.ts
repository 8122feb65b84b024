import { crc32 } from "node:zlib";
import type { SqlValue } from "./sql_statements.ts";

/** What of a `Pool` or `Client` of `npm:pg` a store uses, in version 8. */
export interface PgPool {
  /** Runs a statement; one with a name is prepared once per connection. */
  query(
    statement: { name?: string; text: string; values?: SqlValue[] },
  ): Promise<{ rows: unknown[]; rowCount: number | null }>;
}

/** What of the `sql` of `npm:postgres` a store uses, in version 3. */
export interface PostgresSql {
  /** Runs a statement. */
  unsafe(
    text: string,
    values?: SqlValue[],
    options?: { prepare?: boolean },
  ): PromiseLike<unknown[] & { readonly count: number | null }>;
}

/** A client of PostgreSQL. */
export type PostgresClient = PgPool | PostgresSql;

/** What a statement gave. */
export interface PostgresResult {
  readonly rows: unknown[];
  /** How many rows it changed. */
  readonly count: number;
}

/** Runs a statement, prepared; without values it may be several. */
export type PostgresQuery = (
  text: string,
  values?: SqlValue[],
) => Promise<PostgresResult>;

/**
 * Finds out which client it is, and how to ask with it.
 *
 * @param client Either of them.
 * @throws {TypeError} If it is none.
 */
export function queryOf(client: PostgresClient): PostgresQuery {
  if (typeof (client as Partial<PostgresSql> | null)?.unsafe === "function") {
    const sql = client as PostgresSql;
    return async (text, values) => {
      const rows = await (values === undefined
        ? sql.unsafe(text)
        : sql.unsafe(text, values, { prepare: true }));
      return { rows, count: rows.count ?? 0 };
    };
  }
  if (typeof (client as Partial<PgPool> | null)?.query === "function") {
    const pool = client as PgPool;
    const names = new Map<string, string>();
    return async (text, values) => {
      if (values === undefined) {
        const { rows } = await pool.query({ text });
        return { rows, count: 0 };
      }
      let name = names.get(text);
      if (name === undefined) {
        name = `latchkey_${hash(text)}`;
        names.set(text, name);
      }
      const { rows, rowCount } = await pool.query({ name, text, values });
      return { rows, count: rowCount ?? 0 };
    };
  }
  throw new TypeError(
    "Cannot use client: it is neither of npm:pg nor of npm:postgres",
  );
}

function hash(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
