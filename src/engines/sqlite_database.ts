import type { SqlValue } from "./sql.ts";

/** What of a `DatabaseSync` of `node:sqlite` a store uses. */
export interface SqliteDatabase {
  /** Whether a transaction has begun, and not ended. */
  readonly isTransaction?: boolean | undefined;
  /** Runs statements that give nothing back. */
  exec(sql: string): void;
  /** Prepares a statement. */
  prepare(sql: string): SqliteStatement;
}

/** What of a prepared statement of `node:sqlite` a store uses. */
export interface SqliteStatement {
  /** Runs it for its first row. */
  get(...values: SqlValue[]): object | undefined;
  /** Runs it for all of its rows. */
  all(...values: SqlValue[]): object[];
  /** Runs it for what it changes. */
  run(...values: SqlValue[]): { readonly changes: number | bigint };
}
