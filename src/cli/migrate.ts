import { type SqliteDatabase, SqliteSessionStore } from "../engines/sqlite.ts";
import { DirectorySessionStore } from "../directory/directory_store.ts";
import { migrateSessions } from "../migration/migrate_sessions.ts";
import { checkSessions } from "./check_sessions.ts";
import { loadDriver } from "./driver.ts";
import { Interruption } from "./terminal.ts";
import { ProgressLine } from "./progress_line.ts";
import { readArguments, UsageError } from "./usage.ts";

interface SqliteDriver {
  readonly DatabaseSync: new (path: string) => SqliteDatabase & Disposable;
}

/** How the command is called, in one line. */
export const MIGRATE_USAGE = "migrate DIR FILE [--json]";

const HELP = `Usage: ${MIGRATE_USAGE}

Moves all sessions from the directory DIR to the SQLite database FILE, with
their lifetimes and last accesses, until DIR has none. FILE is made when it is
missing. What was interrupted goes on when it is called again.

Servers may be at work meanwhile, if all of them keep their sessions in a
MigratingSessionStore of the two; others would miss those that have moved.

Options:
  --json      print one line of JSON
  -h, --help  print this

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
Permissions: --allow-read=DIR,FILE --allow-write=DIR,FILE`;

/**
 * Moves sessions from a directory to SQLite: `migrate DIR FILE`. A directory
 * that never held sessions is refused, before the file is made.
 *
 * @param args The arguments after the command.
 * @returns The exit code.
 * @throws {UsageError} If they make no sense.
 * @throws {SessionDirectoryError} If it is no directory of sessions.
 */
export async function migrate(args: readonly string[]): Promise<number> {
  const given = readArguments(args, {
    options: [],
    flags: ["json"],
    positionals: ["DIR", "FILE"],
  });
  if (given === "help") {
    console.log(HELP);
    return 0;
  }
  const { flags, positionals: [directory = "", file = ""] } = given;
  if (directory === "") throw new UsageError("DIR is missing");
  if (file === "") throw new UsageError("FILE is missing");

  using interruption = new Interruption();
  let moved = 0;
  try {
    checkSessions(directory);
    makePrivate(file);
    using line = new ProgressLine(Deno.stderr);
    const { DatabaseSync } = await loadDriver<SqliteDriver>("sqlite");
    using database = new DatabaseSync(file);
    const from = new DirectorySessionStore(directory, {
      onWarning: ({ message }) => {
        line.erase();
        console.error(message);
      },
    });
    await migrateSessions(from, new SqliteSessionStore(database), {
      signal: interruption.signal,
      onProgress: (soFar) => {
        moved = soFar;
        line.show(`${moved} sessions moved`);
      },
    });
  } catch (error) {
    const { exitCode, signal } = interruption;
    if (exitCode === undefined || error !== signal.reason) throw error;
    console.error(`Interrupted: ${moved} sessions moved, others may remain`);
    return exitCode;
  }
  console.log(flags.json ? JSON.stringify({ moved }) : `Moved: ${moved}`);
  return 0;
}

/** Makes the file if it is missing; SQLite would let everybody read it. */
function makePrivate(file: string): void {
  try {
    const options = { write: true, createNew: true, mode: 0o600 };
    Deno.openSync(file, options).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
