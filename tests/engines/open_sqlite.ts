import { DatabaseSync } from "node:sqlite";
import { SqliteSessionStore } from "../../src/engines/sqlite_session_store.ts";
import type { OpenedStore } from "../stores/open_store.ts";

/**
 * Opens a store in a file of SQLite's.
 *
 * @param path The file.
 * @param now The store's clock.
 */
export function openSqlite(
  path: string,
  now: (() => number) | undefined,
): OpenedStore {
  const database = new DatabaseSync(path);
  return {
    store: new SqliteSessionStore(database, { now }),
    [Symbol.asyncDispose]: () => {
      database.close();
      return Promise.resolve();
    },
  };
}
