import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import type { RedisClient } from "./redis_client.ts";
import { RedisEngine, type RedisRow } from "./redis_engine.ts";

/** What {@linkcode RedisSessionStore} takes. */
export interface RedisSessionStoreOptions extends EngineStoreOptions {
  /**
   * What all keys begin with. Managers that are not to share their sessions
   * have one each.
   *
   * @default {"latchkey"}
   */
  readonly prefix?: string | undefined;
}

/**
 * Keeps sessions in Redis or Valkey, from version 6.2, or in a cluster of
 * theirs. A load is one round trip, and so is the update that follows it; a
 * touch sends a few bytes. A user's sessions are found by an index, which goes
 * with the last of them. What is over Redis deletes by itself, an hour later.
 *
 * It borrows a connected client of `npm:redis` or `npm:ioredis`, a cluster's
 * too, and closes nothing. While the server is away, or loads its data, what
 * the client says reaches the caller, and the next call works when it is back;
 * a client that waits for the server keeps the caller waiting, unless a signal
 * ends that. When a replica takes over in a cluster, `npm:ioredis` goes on with
 * it; `npm:redis` 5 waits until the node that failed answers again.
 *
 * What Redis has acknowledged it can lose: the last second when the machine
 * dies (`appendfsync everysec`; all since the last snapshot without
 * `appendonly`), and what the replica that takes over had not got yet. A logout
 * among it is undone. With `maxmemory`, let `maxmemory-policy` be `noeviction`
 * or `volatile-ttl`: others throw out sessions that are in use.
 *
 * While Redis resizes its table of keys, a listing of all may show a session
 * twice. The clocks of the servers may differ by as much as an idle timeout can
 * spare. There are no locks, so a manager on it cannot be `exclusive`.
 *
 * @example With `npm:redis`
 * ```ts ignore
 * import { RedisSessionStore, SessionManager } from "@latchkey/session";
 * import { createClient } from "npm:redis@5";
 *
 * const client = createClient({ url: "redis://localhost" });
 * client.on("error", console.error);
 * await client.connect();
 *
 * const store = new RedisSessionStore(client);
 * const sessions = new SessionManager({ store, idleTimeout: 1_800_000 });
 * ```
 */
export class RedisSessionStore extends EngineSessionStore<RedisRow> {
  /** Any number of processes, on any number of machines, may share a server. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers may, each with a client of its own. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param client A connected client.
   * @param options See there.
   * @throws {TypeError} If it is no client, or one of a cluster that reads
   * from replicas (`scaleReads`), or an option makes no sense.
   */
  constructor(client: RedisClient, options: RedisSessionStoreOptions = {}) {
    const { prefix = "latchkey" } = options;
    if (typeof prefix !== "string" || !/^[^{}]+$/.test(prefix)) {
      throw new TypeError("Cannot use prefix: it is not a text without braces");
    }
    super(new RedisEngine(client, prefix), options);
  }
}
