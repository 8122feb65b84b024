/** Shared by the tests of SQLite: a file for each test. */

import { DatabaseSync } from "node:sqlite";
import type { StoreWarning } from "../../src/core/store.ts";
import {
  SqliteSessionStore,
  type SqliteSessionStoreOptions,
} from "../../src/engines/sqlite.ts";
import { replaceSystem } from "../replaced_system.ts";
import { type Child, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { watch } from "./open_sqlite.ts";

const SCRIPT = new URL("./sqlite_script.ts", import.meta.url);

/** A file of SQLite's, a store that opens it, and an application that has. */
export class SqliteScene implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly path: string = this.#directory.join("sessions.db");
  /** The application's. */
  readonly database: DatabaseSync = new DatabaseSync(this.path);
  /** It opens the file for itself. */
  readonly store: SqliteSessionStore;
  /** The statements of the stores that borrow, since it was last emptied. */
  readonly statements: string[] = [];
  /** What the stores have warned of. */
  readonly warnings: StoreWarning[] = [];

  /** @param options The store's. */
  constructor(options: SqliteSessionStoreOptions = {}) {
    const { onWarning } = this;
    this.store = new SqliteSessionStore(this.path, { onWarning, ...options });
  }

  /** Makes a store that borrows the application's database. */
  borrow(options: SqliteSessionStoreOptions = {}): SqliteSessionStore {
    const { database, onWarning, statements } = this;
    const watched = watch(database, (sql) => void statements.push(sql));
    return new SqliteSessionStore(watched, { onWarning, ...options });
  }

  /** Opens the file once more. */
  open(): DatabaseSync {
    return new DatabaseSync(this.path);
  }

  /** Returns the value of a pragma, or of any statement that has one. */
  ask(sql: string): unknown {
    return Object.values(this.database.prepare(sql).get()!)[0];
  }

  /** Returns the size of the write-ahead log. */
  get logSize(): number {
    return Deno.statSync(`${this.path}-wal`).size;
  }

  /** Starts a task of the script on the file. */
  start(task: string): Child {
    const paths = ["", "-wal", "-shm", "-journal"].map((end) =>
      this.path + end
    );
    return spawn(SCRIPT, [task, this.path], { paths });
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
    this.database.close();
    this.#directory[Symbol.dispose]();
  }

  readonly onWarning = (warning: StoreWarning): void =>
    void this.warnings.push(warning);
}

/**
 * Lets a wait last as long as it says, and take no time.
 *
 * @param onWait Called at each.
 */
export function skipWaits(onWait: () => void = () => {}): Disposable {
  let now = 0;
  return replaceSystem({
    monotonic: () => now,
    wait: async (ms) => {
      now += ms;
      onWait();
      await Promise.resolve();
    },
  });
}
