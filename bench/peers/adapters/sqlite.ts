import { join } from "node:path";
import type { Adapter } from "../contestant.ts";

const HOUR = 60 * 60 * 1000;

export const adapter: Adapter = {
  name: "node:sqlite",
  kind: "database",
  note: "one table, WAL, `synchronous = NORMAL`, waits up to 5 s for the " +
    "lock; cleanup: one `DELETE` over a column without an index",
  runtimes: ["Deno", "Node"],
  packages: {},
  async open(directory) {
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(join(directory, "sessions.db"));
    db.exec(`
      PRAGMA busy_timeout = 5000;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS session (
        id TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        accessed INTEGER NOT NULL
      ) WITHOUT ROWID;
    `);
    const selected = db.prepare("SELECT value FROM session WHERE id = ?");
    const accessed = db.prepare(
      "UPDATE session SET accessed = ? WHERE id = ?",
    );
    const replaced = db.prepare("REPLACE INTO session VALUES (?, ?, ?)");
    const deleted = db.prepare("DELETE FROM session WHERE accessed < ?");
    const counted = db.prepare("SELECT count(*) AS left FROM session");
    const load = (id: string): unknown => {
      const row = selected.get(id);
      return row === undefined ? undefined : JSON.parse(String(row.value));
    };
    return {
      load,
      touch(id) {
        const value = load(id);
        accessed.run(Date.now(), id);
        return value;
      },
      save(id, value) {
        replaced.run(id, JSON.stringify(value), Date.now());
      },
      fill(sessions) {
        const now = Date.now();
        db.exec("BEGIN IMMEDIATE");
        for (const { id, value, isOver } of sessions) {
          replaced.run(id, JSON.stringify(value), isOver ? 0 : now);
        }
        db.exec("COMMIT");
      },
      clean() {
        deleted.run(Date.now() - HOUR);
      },
      count: () => Number(counted.get()!.left),
      update(id, change) {
        db.exec("BEGIN IMMEDIATE");
        try {
          const value = JSON.stringify(change(load(id)));
          replaced.run(id, value, Date.now());
          db.exec("COMMIT");
        } catch (error) {
          db.exec("ROLLBACK");
          throw error;
        }
      },
      close: () => db.close(),
    };
  },
};
