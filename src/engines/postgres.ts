import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import type { PostgresClient } from "./postgres_client.ts";
import { PostgresEngine } from "./postgres_engine.ts";

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
