import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import type { KvDatabase } from "./kv_database.ts";
import { KvEngine, type KvRow } from "./kv_engine.ts";

/** What {@linkcode KvSessionStore} takes. */
export interface KvSessionStoreOptions extends EngineStoreOptions {
  /**
   * What all keys begin with. Managers that are not to share their sessions
   * have one each.
   *
   * @default {"latchkey"}
   */
  readonly prefix?: string | undefined;
}

/**
 * Keeps sessions in a `Deno.Kv`, in a file or on Deno Deploy. A user's sessions
 * are found by an index.
 *
 * It borrows the open database, and closes nothing. A record of more than
 * 65,536 bytes is refused with a `SessionTooLargeError`, because that is the
 * most that a value may have. The database deletes by itself what has passed
 * its absolute end; sessions that end unused are deleted by
 * `deleteOldSessions`, which looks at all.
 *
 * Any number of processes on a machine may open a file. While one of them
 * writes, Deno tells another that the database is locked; the store then tries
 * again, for five seconds. `Deno.openKv` itself can fail so, too. On Deno Deploy
 * any number of isolates share one. There are no locks, so a manager on it
 * cannot be `exclusive`.
 *
 * `Deno.Kv` is there with `--unstable-kv`, or `"unstable": ["kv"]` in deno.json.
 *
 * @example A session in memory
 * ```ts ignore
 * import { KvSessionStore, SessionManager } from "@latchkey/session";
 *
 * const store = new KvSessionStore(await Deno.openKv(":memory:"));
 * const sessions = new SessionManager({ store, absoluteTimeout: 86_400_000 });
 * ```
 */
export class KvSessionStore extends EngineSessionStore<KvRow> {
  /** Any number of processes on one machine, or of isolates on Deno Deploy. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers may open the file, each for itself. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param kv The open database.
   * @param options See there.
   * @throws {TypeError} If an option makes no sense.
   */
  constructor(kv: KvDatabase, options: KvSessionStoreOptions = {}) {
    const { prefix = "latchkey" } = options;
    if (typeof prefix !== "string" || prefix === "") {
      throw new TypeError("Cannot use prefix: it is not a text");
    }
    super(new KvEngine(kv, prefix), options);
  }
}
