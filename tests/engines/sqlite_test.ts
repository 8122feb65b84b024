import { DatabaseSync } from "node:sqlite";
import type { StorePlace } from "../contract/open_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { testEngine } from "./engine_suite.ts";
import { openSqlite } from "./open_sqlite.ts";

testEngine("SqliteSessionStore", {
  isShared: true,
  countsAll: true,
  make: () => {
    const directory = new TemporaryDirectory();
    return Promise.resolve({
      place: { kind: "sqlite", path: directory.join("sessions.db") },
      [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.dispose]()),
    });
  },
  spoil: async (place, id) => {
    const { path } = place as Extract<StorePlace, { kind: "sqlite" }>;
    await using opened = openSqlite(path, undefined);
    await opened.store.setup();
    using database = new DatabaseSync(path);
    database.prepare(
      "INSERT OR REPLACE INTO latchkey_sessions VALUES (?, 1, ?, NULL, NULL, ?)",
    ).run(id, Date.now(), '{"data":');
  },
});
