/** Shared by the tests of PostgreSQL: a server for each file, a table for each test. */

import {
  PostgresSessionStore,
  type PostgresSessionStoreOptions,
} from "../../src/engines/postgres.ts";
import {
  type PostgresClient,
  type PostgresQuery,
  queryOf,
} from "../../src/engines/postgres_client.ts";
import type { SqlValue } from "../../src/engines/sql.ts";
import type { EnginePlace } from "./engine_contract.ts";
import {
  connect,
  type ConnectOptions,
  type Driver,
  DRIVERS,
  type PostgresPlace,
} from "./open_postgres.ts";
import {
  missing,
  PostgresServer,
  type PostgresServerOptions,
} from "./postgres_server.ts";

/** A store on a table of its own, and the client that watches it. */
export interface WatchedStore extends AsyncDisposable {
  readonly store: PostgresSessionStore;
  readonly client: WatchedPostgres;
  readonly table: string;
  /** Runs a statement beside the store, and returns the columns of its rows. */
  sql(text: string): Promise<readonly (readonly string[])[]>;
}

/** A server that the tests of a file work on. */
export class PostgresScene {
  #server: PostgresServer | undefined;
  #tables = 0;

  /** Declares that it starts before the file's tests and ends after them. */
  constructor(options: PostgresServerOptions = {}) {
    if (missing !== undefined) return;
    Deno.test.beforeAll(async () => {
      this.#server = await PostgresServer.start(options);
    });
    Deno.test.afterAll(() => this.#server?.[Symbol.asyncDispose]());
  }

  /** The server, once the tests run. */
  get server(): PostgresServer {
    if (this.#server === undefined) throw new Error("There is no server yet");
    return this.#server;
  }

  /** Declares a test for each driver. */
  test(title: string, test: (driver: Driver) => Promise<void>): void {
    for (const driver of DRIVERS) {
      Deno.test({
        name: `PostgresSessionStore on npm:${driver}: ${title}`,
        ignore: missing !== undefined,
        fn: () => test(driver),
      });
    }
  }

  /** Returns a place that no test has used. */
  place(driver: Driver): PostgresPlace {
    const { port } = this.server;
    return { kind: "postgres", driver, port, table: `t${++this.#tables}` };
  }

  /** Returns such a place for the suite of all engines. */
  make(driver: Driver): Promise<EnginePlace> {
    return Promise.resolve({
      place: this.place(driver),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }

  /** Sets up a store on a place, or on a new one. */
  async open(
    at: Driver | PostgresPlace,
    options: PostgresSessionStoreOptions & ConnectOptions = {},
  ): Promise<WatchedStore> {
    const place = typeof at === "string" ? this.place(at) : at;
    const { table } = place;
    const opened = connect(place, options);
    const client = new WatchedPostgres(opened.client);
    const store = new PostgresSessionStore(client, { ...options, table });
    await store.setup();
    client.take();
    const query = queryOf(opened.client);
    return {
      store,
      client,
      table,
      sql: async (text) => (await query(text, [])).rows,
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  }
}

/** A statement that a store has run. */
export interface Statement {
  readonly text: string;
  readonly values: SqlValue[] | undefined;
  /** How many rows it returned or changed. */
  readonly count: number;
}

/** A client on the client of any driver; it remembers the statements. */
export class WatchedPostgres {
  readonly #query: PostgresQuery;
  #statements: Statement[] = [];

  /** @param client The driver's. */
  constructor(client: PostgresClient) {
    this.#query = queryOf(client);
  }

  /** Returns the statements since the last call. */
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
