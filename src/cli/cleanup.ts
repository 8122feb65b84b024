import type { CleanupResult } from "../core/store.ts";
import { openSessionDirectory } from "./session_directory.ts";
import { Interruption, ProgressLine } from "./terminal.ts";
import { readArguments, readNumber, UsageError } from "./usage.ts";

/** How the command is called, in one line. */
export const CLEANUP_USAGE =
  "cleanup DIR --minutes N [--grace-seconds N] [--dry-run] [--json]";

const DEFAULT_GRACE_SECONDS = 120;
const MS_PER_SECOND = 1000;

const HELP = `Usage: ${CLEANUP_USAGE}

Deletes the expired sessions in DIR, the sessions without a lifetime of their
own that were not accessed for N minutes, and the files that killed processes
left. Sessions that are in use or live longer stay, and so do all files that
are not sessions.

Options:
  --minutes N        how long a session without a lifetime may lie unused
  --grace-seconds N  how much longer each session is kept, because the clock of
                     another machine may differ (default: ${DEFAULT_GRACE_SECONDS})
  --dry-run          count what would be deleted, and delete nothing
  --json             print one line of JSON
  -h, --help         print this

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
Permissions: --allow-read=DIR --allow-write=DIR`;

/**
 * Deletes old sessions from a directory: `cleanup DIR --minutes 30`.
 *
 * @param args The arguments after the command.
 * @returns The exit code.
 * @throws {UsageError} If the arguments are invalid.
 * @throws {SessionDirectoryError} If no sessions were ever kept in DIR.
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
    using line = new ProgressLine(Deno.stderr);
    const store = openSessionDirectory(directory, line);
    result = await store.deleteOldSessions(minutes, {
      grace: graceSeconds * MS_PER_SECOND,
      dryRun,
      signal: interruption.signal,
      onProgress: ({ deleted, remaining }) =>
        line.show(
          `${deleted + remaining} sessions seen, ${deleted} old`,
        ),
    });
  } catch (error) {
    const exitCode = interruption.exitCodeOf(error);
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
