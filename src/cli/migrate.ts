import { SqliteSessionStore } from "../engines/sqlite.ts";
import { migrateSessions } from "../migration/move_session.ts";
import { openSessionDirectory } from "./session_directory.ts";
import { Interruption, ProgressLine } from "./terminal.ts";
import { readArguments, UsageError } from "./usage.ts";

/** How the command is called, in one line. */
export const MIGRATE_USAGE = "migrate DIR FILE [--json]";

const HELP = `Usage: ${MIGRATE_USAGE}

Moves all sessions from the directory DIR to the SQLite database FILE, with
their lifetimes and last accesses, until DIR has none. FILE is created if it is
missing. After an interruption, the same command moves what is left.

Servers may run meanwhile if each of them keeps its sessions in a
MigratingSessionStore of the two; other servers would miss sessions that moved.

Options:
  --json      print one line of JSON
  -h, --help  print this

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
Permissions: --allow-read=DIR,FILE --allow-write=DIR,FILE`;

/**
 * Moves sessions from a directory to SQLite: `migrate DIR FILE`.
 *
 * @param args The arguments after the command.
 * @returns The exit code.
 * @throws {UsageError} If the arguments are invalid.
 * @throws {SessionDirectoryError} If no sessions were ever kept in DIR; FILE is
 * not created then.
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
  // SQLite would take it for a database in memory, or for a URL with settings.
  if (/^(:memory:$|file:)/.test(file)) {
    throw new UsageError(`FILE is not a path: ${file} (write ./${file})`);
  }

  using interruption = new Interruption();
  let moved = 0;
  try {
    using line = new ProgressLine(Deno.stderr);
    using from = openSessionDirectory(directory, line);
    using to = new SqliteSessionStore(file);
    await migrateSessions(from, to, {
      signal: interruption.signal,
      onProgress: (soFar) => {
        moved = soFar;
        line.show(`${moved} sessions moved`);
      },
    });
  } catch (error) {
    const exitCode = interruption.exitCodeOf(error);
    console.error(`Interrupted: ${moved} sessions moved, others may remain`);
    return exitCode;
  }
  console.log(flags.json ? JSON.stringify({ moved }) : `Moved: ${moved}`);
  return 0;
}
