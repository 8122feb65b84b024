import { statSync } from "node:fs";
import {
  bad,
  type Finding,
  type Inspection,
  ok,
  skip,
  warn,
} from "../core/finding.ts";
import { untilUnlocked } from "./locked_database.ts";
import { namesOf, SCHEMA_VERSION, statementsFor } from "./sql.ts";

const LARGEST_LOG = 64 * 1024 * 1024;

/**
 * Inspects a file of SQLite. It is opened to read only.
 *
 * @param path The file.
 * @param table The table of sessions.
 */
export async function* inspectSqlite(
  path: string,
  table: string,
): Inspection {
  const names = namesOf(table);
  const { DatabaseSync } = await import("node:sqlite");
  using database = new DatabaseSync(path, { readOnly: true });
  const read = (sql: string, ...values: string[]) =>
    untilUnlocked(() =>
      database.prepare(sql).all(...values).flatMap((row) => Object.values(row))
    );
  const found = await read("SELECT name FROM sqlite_master");
  if (!found.includes(names.name)) {
    yield bad(
      "table",
      `there is no table ${table}`,
      "give the right --table; the first start of a server makes one that is missing",
    );
    return false;
  }
  const [version] = await read(statementsFor(names).version);
  const isCurrent = version === SCHEMA_VERSION;
  yield isCurrent ? ok("table", `${table}, of version ${version}`) : bad(
    "table",
    `${table} is of version ${version}, this code knows ${SCHEMA_VERSION}`,
    "update this server",
  );
  let isWhole = isCurrent;
  const advice =
    "the next start of a server, and any command but this, mends it";
  const missing = ["end", "tag"].map((name) => `${table}_${name}`)
    .filter((name) => !found.includes(name));
  if (missing.length > 0) {
    isWhole = false;
    yield warn("indices", `there is no ${missing.join(", no ")}`, advice);
  } else yield ok("indices", "all are there");
  const [mode] = await read("PRAGMA journal_mode");
  if (mode === "wal") yield ok("journal", "write-ahead log");
  else {
    isWhole = false;
    yield warn(
      "journal",
      `${mode}, no write-ahead log: readers wait for writers`,
      `${advice}, on a disk of this machine`,
    );
  }
  yield* inspectLog(`${path}-wal`);
  const problems = (await read("PRAGMA quick_check(3)"))
    .filter((line) => line !== "ok");
  yield problems.length === 0
    ? ok("integrity", "quick_check finds nothing")
    : bad(
      "integrity",
      problems.join("; "),
      "recover it (sqlite3 FILE .recover), or go back to a backup",
    );
  return isWhole;
}

function* inspectLog(path: string): Generator<Finding> {
  let length: number;
  try {
    length = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    yield skip("log", `--allow-read=${path}`);
    return;
  }
  const state = `the write-ahead log has ${length} bytes`;
  yield length > LARGEST_LOG
    ? warn(
      "log",
      state,
      "look for a process that reads in one transaction for long; `cleanup` empties it",
    )
    : ok("log", state);
}
