import {
  type PostgresClient,
  type PostgresQuery,
  queryOf,
} from "../../src/engines/postgres_client.ts";
import type { SqlValue } from "../../src/engines/sql.ts";

/** A statement that a store has run. */
export interface Statement {
  readonly text: string;
  readonly values: SqlValue[] | undefined;
  /** How many rows it gave or changed. */
  readonly count: number;
}

/** A client that remembers what was asked, for any driver's client. */
export class WatchedPostgres {
  readonly #query: PostgresQuery;
  #statements: Statement[] = [];

  /** @param client The driver's. */
  constructor(client: PostgresClient) {
    this.#query = queryOf(client);
  }

  /** The statements since this was last asked. */
  take(): Statement[] {
    const statements = this.#statements;
    this.#statements = [];
    return statements;
  }

  /** Runs a statement as a pool of `npm:pg` does. */
  async query(
    { text, values }: { text: string; values?: SqlValue[] },
  ): Promise<{ rows: string[][]; rowCount: number }> {
    const { rows, count } = await this.#query(text, values);
    this.#statements.push({ text, values, count });
    return { rows: rows as string[][], rowCount: count };
  }

  /** Shows how the server would run a statement, or does, with `ANALYZE`. */
  async explain(
    { text, values }: Statement,
    options = "COSTS OFF",
  ): Promise<string> {
    const { rows } = await this.#query(`EXPLAIN (${options}) ${text}`, values);
    return rows.join("\n");
  }
}
