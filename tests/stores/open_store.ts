/** Stores of every kind, opened by what can be sent to another process. */

import type { SessionStore } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/stores/directory_store.ts";

/** Where a store is, and of which kind: plain JSON. */
export type StorePlace =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "kv"; readonly path: string }
  | MigratingPlace
  | { readonly kind: "sqlite"; readonly path: string };

/** A directory whose sessions move to an SQLite file. */
export interface MigratingPlace {
  readonly kind: "migrating";
  readonly from: string;
  readonly to: string;
}

/** A store, and what it holds open. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: SessionStore;
  /** Lets every call on the engine fail with this error, until disposed. */
  readonly breakDown?: (error: Error) => Disposable;
}

/** What {@linkcode openStore} takes. */
export interface OpenStoreOptions {
  /** The clock of a store on an engine. */
  readonly now?: () => number;
  /** Whether a directory's warnings are no error. */
  readonly toleratesWarnings?: boolean;
}

/**
 * Opens a store.
 *
 * @param place Where it is.
 * @param options See there.
 */
export async function openStore(
  place: StorePlace,
  { now, toleratesWarnings = false }: OpenStoreOptions = {},
): Promise<OpenedStore> {
  switch (place.kind) {
    case "directory":
      return {
        store: new DirectorySessionStore(place.path, {
          create: true,
          // A machine that is busy may take its time.
          lockTimeout: 60_000,
          onWarning: ({ message }) => {
            if (!toleratesWarnings) throw new Error(message);
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
      return openSqlite(place.path, now);
    }
  }
}

/**
 * Tells what a process may do that opens a store there, as flags of Deno.
 *
 * @param place Where the store is.
 * @param also A path that it may use as well.
 */
export function flagsFor(place: StorePlace, also: string): string[] {
  const paths = [also];
  switch (place.kind) {
    case "directory":
      paths.push(place.path);
      break;
    case "migrating":
      paths.push(place.from, place.to, `${place.to}-wal`, `${place.to}-shm`);
      break;
    case "kv":
    case "sqlite":
      paths.push(place.path, `${place.path}-wal`, `${place.path}-shm`);
      break;
  }
  return [`--allow-read=${paths}`, `--allow-write=${paths}`];
}
