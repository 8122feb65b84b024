/** What the tests of PostgreSQL share: a server for a file, a table for a test. */

import type { EnginePlace } from "./engine_suite.ts";
import type { Driver, PostgresPlace } from "./open_postgres.ts";
import {
  PostgresServer,
  type PostgresServerOptions,
} from "./postgres_server.ts";

/** A server that the tests of a file work on. */
export class PostgresScene {
  #server: PostgresServer | undefined;
  #tables = 0;

  /** Declares that it starts before the file's tests and ends after them. */
  constructor(options: PostgresServerOptions = {}) {
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

  /** Gives a place that nobody has used. */
  place(driver: Driver): PostgresPlace {
    const { port } = this.server;
    return { kind: "postgres", driver, port, table: `t${++this.#tables}` };
  }

  /** Gives one as the suite of all engines wants it. */
  make(driver: Driver): Promise<EnginePlace> {
    return Promise.resolve({
      place: this.place(driver),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }
}
