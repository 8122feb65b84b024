import { DatabaseSync } from "node:sqlite";
import {
  SqliteSessionStore,
  type SqliteSessionStoreOptions,
} from "../../src/engines/sqlite.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { watch } from "./open_sqlite.ts";

const SCRIPT = new URL("./sqlite_script.ts", import.meta.url);

/** A store in a file of its own. */
export class SqlitePlace implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly path: string = this.#directory.join("sessions.db");
  readonly database: DatabaseSync = new DatabaseSync(this.path);
  readonly store: SqliteSessionStore;
  /** The statements since it was last emptied. */
  readonly statements: string[] = [];

  /** @param options The store's. */
  constructor(options?: SqliteSessionStoreOptions) {
    const watched = watch(this.database, (sql) => this.statements.push(sql));
    this.store = new SqliteSessionStore(watched, options);
  }

  /** Opens the file once more. */
  open(): DatabaseSync {
    return new DatabaseSync(this.path);
  }

  /** The value of a pragma, or of any statement that gives one. */
  ask(sql: string): unknown {
    return Object.values(this.database.prepare(sql).get()!)[0];
  }

  /** Starts what the script does on the file. */
  start(task: string): Deno.ChildProcess {
    const paths = ["", "-wal", "-shm", "-journal"].map((end) =>
      this.path + end
    );
    return new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        `--allow-read=${paths}`,
        `--allow-write=${paths}`,
        SCRIPT.href,
        task,
        this.path,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    this.database.close();
    this.#directory[Symbol.dispose]();
  }
}
