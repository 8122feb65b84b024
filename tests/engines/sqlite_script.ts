/** Changes an SQLite file in a process: `setup`, or `transaction`. */

import { DatabaseSync } from "node:sqlite";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";

const [task, path] = Deno.args;
if (task === "setup") {
  using store = new SqliteSessionStore(path!);
  await store.setup();
  console.log("done");
} else {
  const database = new DatabaseSync(path!);
  database.exec("BEGIN IMMEDIATE; DELETE FROM latchkey_sessions");
  console.log("begun");
  await Deno.stdin.read(new Uint8Array(1));
}
