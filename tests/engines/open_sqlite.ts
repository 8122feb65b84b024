import { DatabaseSync } from "node:sqlite";
import {
  type SqliteDatabase,
  SqliteSessionStore,
} from "../../src/engines/sqlite.ts";
import type { OpenedStore } from "../contract/open_store.ts";
import { Breakable } from "./breakable.ts";

/** A file of SQLite's. */
export interface SqlitePlace {
  readonly kind: "sqlite";
  readonly path: string;
  /** Whether the store borrows an open database, instead of opening it. */
  readonly isBorrowed?: boolean;
}

/**
 * Opens a store in a file of SQLite's.
 *
 * @param place The file.
 * @param now The store's clock.
 */
export function openSqlite(
  { path, isBorrowed = false }: SqlitePlace,
  now: (() => number) | undefined,
): OpenedStore {
  if (!isBorrowed) {
    const store = new SqliteSessionStore(path, { now });
    return {
      store,
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.dispose]()),
    };
  }
  const database = openFast(path);
  const breakable = new Breakable();
  const watched = watch(database, () => breakable.check());
  return {
    store: new SqliteSessionStore(watched, { now }),
    breakDown: (error) => breakable.breakDown(error),
    [Symbol.asyncDispose]: () => {
      database.close();
      return Promise.resolve();
    },
  };
}

/** Stores a text in the place of a record under an ID. */
export async function spoilSqlite(
  { path }: SqlitePlace,
  id: string,
  text: string,
): Promise<void> {
  using store = new SqliteSessionStore(path);
  await store.setup();
  using database = new DatabaseSync(path);
  database.prepare(
    "INSERT OR REPLACE INTO latchkey_sessions VALUES (?, 1, ?, NULL, NULL, ?)",
  ).run(id, Date.now(), text);
}

/** Opens a database with a rollback journal, which waits for no disk. */
function openFast(path: string): DatabaseSync {
  // Setting it reads the file, which another process may have locked.
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec("PRAGMA synchronous = OFF; PRAGMA busy_timeout = 0");
  return database;
}

/**
 * Watches a database.
 *
 * @param database What is watched.
 * @param onRun Called with each statement before it runs; may throw.
 */
export function watch(
  database: DatabaseSync,
  onRun: (sql: string) => void,
): SqliteDatabase {
  return {
    get isTransaction() {
      return database.isTransaction;
    },
    exec: (sql) => {
      onRun(sql);
      database.exec(sql);
    },
    prepare: (sql) => {
      const statement: ReturnType<SqliteDatabase["prepare"]> = database.prepare(
        sql,
      );
      const watched = <V extends unknown[], R>(run: (...values: V) => R) =>
      (
        ...values: V
      ) => {
        onRun(sql);
        return run.apply(statement, values);
      };
      return {
        get: watched(statement.get),
        all: watched(statement.all),
        run: watched(statement.run),
      };
    },
  };
}
