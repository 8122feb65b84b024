import type { CleanupResult } from "../core/store.ts";
import { openSessionDirectory } from "./session_directory.ts";
import { Interruption, ProgressLine } from "./terminal.ts";
import { readArguments, readNumber, UsageError } from "./usage.ts";

/** How the command is called, in one line. */
export const CLEANUP_USAGE =
  "cleanup DIR --minutes N [--grace-seconds N] [--max-seconds N] [--max-deletes N] [--dry-run] [--json]";

const DEFAULT_GRACE_SECONDS = 120;
const MS_PER_SECOND = 1000;
const DAY = 24 * 60 * 60 * MS_PER_SECOND;

const HELP = `Usage: ${CLEANUP_USAGE}

Deletes the expired sessions in DIR, the sessions without a lifetime of their
own that were not accessed for N minutes, and the files that killed processes
left. Sessions that are in use or live longer stay, and so do all files that
are not sessions. While another cleanup of DIR is at work it does nothing.

Options:
  --minutes N        how long a session without a lifetime may lie unused
  --grace-seconds N  how much longer each session is kept, because the clock of
                     another machine may differ (default: ${DEFAULT_GRACE_SECONDS})
  --max-seconds N    stop after N seconds, with what it has done
  --max-deletes N    stop after N deleted sessions
  --dry-run          count what would be deleted, and change nothing
  --json             print one line of JSON
  -h, --help         print this

Exit codes: 0 done, or another cleanup is at work; 1 failed, or the other one
began over a day ago; 2 wrong usage; 130 interrupted.
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
    options: ["minutes", "grace-seconds", "max-seconds", "max-deletes"],
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
  const read = (name: keyof typeof options, missing: number) => {
    const text = options[name];
    return text === undefined ? missing : readNumber(name, text);
  };
  const graceSeconds = read("grace-seconds", DEFAULT_GRACE_SECONDS);
  const dryRun = flags["dry-run"];

  using interruption = new Interruption();
  let result: CleanupResult;
  try {
    using line = new ProgressLine(Deno.stderr);
    const store = openSessionDirectory(directory, line);
    result = await store.deleteOldSessions(minutes, {
      grace: graceSeconds * MS_PER_SECOND,
      dryRun,
      maxSeconds: read("max-seconds", Infinity),
      maxDeletes: read("max-deletes", Infinity),
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
  console.log(
    flags.json ? JSON.stringify({ ...result, dryRun }) : toText(result, dryRun),
  );
  const { isBusy, busySince = 0 } = result;
  if (!isBusy || Date.now() - busySince <= DAY) return 0;
  console.error("The other cleanup began over a day ago: look if it hangs");
  return 1;
}

function toText(result: CleanupResult, dryRun: boolean): string {
  const { deleted, remaining, orphans, skipped, isPartial } = result;
  if (result.isBusy) {
    const since = new Date(result.busySince ?? NaN);
    return `Nothing done: another cleanup is at work since ${since.toISOString()}`;
  }
  const text = `Deleted: ${deleted}, Remaining: ${remaining}` +
    (orphans > 0 ? `, Orphans removed: ${orphans}` : "") +
    (skipped !== undefined ? `, Skipped: ${skipped}` : "") +
    (isPartial ? " (stopped early, as told)" : "");
  return dryRun ? `${text} (dry run: nothing was deleted)` : text;
}
