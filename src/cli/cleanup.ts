import type { CleanupResult } from "../core/store.ts";
import { DirectorySessionStore } from "../directory/directory_store.ts";
import { checkSessions } from "./check_sessions.ts";
import { Interruption, ProgressLine } from "./terminal.ts";
import { readArguments, readNumber, UsageError } from "./usage.ts";

/** How the command is called, in one line. */
export const CLEANUP_USAGE =
  "cleanup DIR --minutes N [--grace-seconds N] [--dry-run] [--json]";

const DEFAULT_GRACE_SECONDS = 120;
const MS_PER_SECOND = 1000;

const HELP = `Usage: ${CLEANUP_USAGE}

Deletes the sessions in DIR that are over, those without a lifetime of their
own that nobody accessed for N minutes, and what killed processes left. A
session that is in use, or remembered for longer, stays. So do all files that
are no sessions.

Options:
  --minutes N        how long a session without a lifetime may lie unused
  --grace-seconds N  how much longer each is kept, because the clock of another
                     machine may differ (default: ${DEFAULT_GRACE_SECONDS})
  --dry-run          count what would be deleted, and delete nothing
  --json             print one line of JSON
  -h, --help         print this

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
Permissions: --allow-read=DIR --allow-write=DIR`;

/**
 * Deletes old sessions from a directory: `cleanup DIR --minutes 30`. A
 * directory that never held sessions is refused, so that a mistyped path
 * neither loses nor gains a file.
 *
 * @param args The arguments after the command.
 * @returns The exit code.
 * @throws {UsageError} If they make no sense.
 * @throws {SessionDirectoryError} If it is no directory of sessions.
 */
export async function cleanup(args: readonly string[]): Promise<number> {
  const given = readArguments(args, {
    options: ["minutes", "grace-seconds"],
    flags: ["dry-run", "json"],
    positionals: ["DIR"],
  });
  if (given === "help") {
    console.log(HELP);
    return 0;
  }
  const { options, flags, positionals: [directory = ""] } = given;
  if (directory === "") throw new UsageError("DIR is missing");
  if (options.minutes === undefined) {
    throw new UsageError("--minutes is missing");
  }
  const minutes = readNumber("minutes", options.minutes);
  const graceSeconds = options["grace-seconds"] === undefined
    ? DEFAULT_GRACE_SECONDS
    : readNumber("grace-seconds", options["grace-seconds"]);
  const dryRun = flags["dry-run"];

  using interruption = new Interruption();
  let result: CleanupResult;
  try {
    checkSessions(directory);
    using line = new ProgressLine(Deno.stderr);
    const store = new DirectorySessionStore(directory, {
      onWarning: ({ message }) => {
        line.erase();
        console.error(message);
      },
    });
    result = await store.deleteOldSessions(minutes, {
      grace: graceSeconds * MS_PER_SECOND,
      dryRun,
      signal: interruption.signal,
      onProgress: ({ deleted, remaining }) =>
        line.show(`${deleted + remaining} sessions seen, ${deleted} old`),
    });
  } catch (error) {
    const { exitCode, signal } = interruption;
    if (exitCode === undefined || error !== signal.reason) throw error;
    console.error("Interrupted: some old sessions may remain");
    return exitCode;
  }
  console.log(flags.json ? toJson(result, dryRun) : toText(result, dryRun));
  return 0;
}

function toJson(result: CleanupResult, dryRun: boolean): string {
  const { deleted, remaining, orphans } = result;
  return JSON.stringify({ deleted, remaining, orphans, dryRun });
}

function toText(result: CleanupResult, dryRun: boolean): string {
  const { deleted, remaining, orphans } = result;
  const text = `Deleted: ${deleted}, Remaining: ${remaining}` +
    (orphans > 0 ? `, Orphans removed: ${orphans}` : "");
  return dryRun ? `${text} (dry run: nothing was deleted)` : text;
}
