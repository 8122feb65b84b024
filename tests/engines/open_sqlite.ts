import { DatabaseSync } from "node:sqlite";
import {
  type SqliteDatabase,
  SqliteSessionStore,
} from "../../src/engines/sqlite.ts";
import type { OpenedStore } from "../contract/open_store.ts";
import { Breakable } from "./breakable.ts";

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
