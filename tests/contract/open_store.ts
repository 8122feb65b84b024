/** Stores of every kind, opened from a description that can be sent to another process. */

import type { SessionStore } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { PostgresPlace } from "../engines/open_postgres.ts";
import type { SqlitePlace } from "../engines/open_sqlite.ts";
import type { RedisPlace } from "../engines/open_redis.ts";

/** Where a store is, and of which kind: plain JSON. */
export type StorePlace =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "kv"; readonly path: string }
  | SqlitePlace
  | MigratingPlace
  | PostgresPlace
  | RedisPlace;

/** A directory whose sessions move to an SQLite file. */
export interface MigratingPlace {
  readonly kind: "migrating";
  readonly from: string;
  readonly to: string;
}

/** A store, and the resources that it holds open. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: SessionStore;
  /** Lets every call on the medium fail with this error, until disposed. */
  readonly breakDown?: (error: Error) => Disposable;
}

/** What {@linkcode openStore} takes. */
export interface OpenStoreOptions {
  /** The clock of a store on an engine. */
  readonly now?: () => number;
  /**
   * Whether a directory's store is damaged on purpose: its warnings are then not
   * errors, and a wait for a lock ends soon, as the lock may never be freed.
   */
  readonly isDamaged?: boolean;
}

/**
 * Opens a store.
 *
 * @param place Where it is.
 */
export async function openStore(
  place: StorePlace,
  { now, isDamaged = false }: OpenStoreOptions = {},
): Promise<OpenedStore> {
  switch (place.kind) {
    case "directory":
      return {
        store: new DirectorySessionStore(place.path, {
          create: true,
          // A busy machine may be slow.
          lockTimeout: isDamaged ? 100 : 60_000,
          onWarning: ({ message }) => {
            if (!isDamaged) throw new Error(message);
          },
        }),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    case "kv": {
      const { openKv } = await import("../engines/open_kv.ts");
      return await openKv(place.path, now);
    }
    case "migrating": {
      const { openMigrating } = await import("../engines/open_migrating.ts");
      return await openMigrating(place);
    }
    case "sqlite": {
      const { openSqlite } = await import("../engines/open_sqlite.ts");
      return openSqlite(place, now);
    }
    case "redis": {
      const { openRedis } = await import("../engines/open_redis.ts");
      return await openRedis(place, now);
    }
    case "postgres": {
      const { openPostgres } = await import("../engines/open_postgres.ts");
      return openPostgres(place, now);
    }
  }
}

/**
 * Waits until an engine has finished the calls of an ended process.
 *
 * @param place Where the store is.
 * @param pid The process.
 */
export async function settle(place: StorePlace, pid: number): Promise<void> {
  if (place.kind === "postgres") {
    const { settlePostgres } = await import("../engines/open_postgres.ts");
    await settlePostgres(place, pid);
  }
  if (place.kind === "redis") {
    const { settleRedis } = await import("../engines/settle_redis.ts");
    await settleRedis(place, pid);
  }
}

/**
 * Returns the permissions that a process needs to open a store, as flags of Deno.
 *
 * @param place Where the store is.
 * @param also A path that it may use as well.
 */
export function flagsFor(place: StorePlace, also: string): string[] {
  const paths = [also];
  const others: string[] = [];
  switch (place.kind) {
    case "directory":
      paths.push(place.path);
      break;
    case "migrating":
      paths.push(place.from, place.to, `${place.to}-wal`, `${place.to}-shm`);
      break;
    case "kv":
    case "sqlite":
      paths.push(
        ...["", "-wal", "-shm", "-journal"].map((end) => place.path + end),
      );
      break;
    case "redis":
      // A cluster has more ports; the drivers look into the environment.
      others.push("--allow-net=127.0.0.1", "--allow-env", "--allow-sys");
      break;
    case "postgres":
      // The drivers look for their settings in the environment.
      others.push(`--allow-net=127.0.0.1:${place.port}`, "--allow-env");
      break;
  }
  return [`--allow-read=${paths}`, `--allow-write=${paths}`, ...others];
}
