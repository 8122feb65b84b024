import type { CleanupResult } from "../core/store.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { withCommas } from "./console.ts";
import { countSessions, openStore, STORE_OPTIONS } from "./open_store.ts";
import { ADDRESS_HELP, PERMISSIONS_HELP } from "./store_address.ts";
import { readNumber } from "./usage.ts";

const DEFAULT_GRACE_SECONDS = 120;
const MS_PER_SECOND = 1000;
const DAY = 24 * 60 * 60 * MS_PER_SECOND;

/** Deletes old sessions: `cleanup STORE`. */
export const cleanup: ProgramCommand = defineCommand({
  name: "cleanup",
  summary: "deletes old sessions",
  positionals: ["STORE"],
  options: {
    minutes: {
      value: "N",
      help:
        "also delete what has no lifetime of its own and was not\naccessed for N minutes",
    },
    "grace-seconds": {
      value: "N",
      help:
        `how much longer each session is kept, because the clock of\nanother machine may differ (default: ${DEFAULT_GRACE_SECONDS})`,
    },
    "max-seconds": {
      value: "N",
      help: "stop after N seconds, with what it has done",
    },
    "max-deletes": { value: "N", help: "stop after N deleted sessions" },
    "dry-run": { help: "count what would be deleted, and change nothing" },
    json: { help: "print one line of JSON" },
    ...STORE_OPTIONS,
  },
  about:
    `Deletes the sessions that have expired, and what killed processes left.
Sessions that are in use or live longer stay, and so does all that is not a
session. Of a directory, one cleanup is at work at a time: a second one does
nothing, and says so. On a server several do no harm.

${ADDRESS_HELP}`,
  exitCodes: `0 done, or another cleanup is at work; 1 failed, or the other one
began over a day ago; 2 wrong usage; 130 interrupted.`,
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const read = (name: "minutes" | "max-seconds" | "max-deletes") => {
      const text = options[name];
      return text === undefined ? Infinity : readNumber(name, text);
    };
    const { "grace-seconds": grace = String(DEFAULT_GRACE_SECONDS) } = options;
    const minutes = read("minutes");
    const limits = {
      grace: readNumber("grace-seconds", grace) * MS_PER_SECOND,
      maxSeconds: read("max-seconds"),
      maxDeletes: read("max-deletes"),
      signal: call.signal,
    };
    const dryRun = flags["dry-run"];
    call.onInterruption(() => "some old sessions may remain");
    await using opened = await openStore(positionals[0]!, options, console);
    const { address, store } = opened;
    // By an index, what is not old is not seen.
    const isIndexed = address.kind === "sqlite" || address.kind === "postgres";
    let total: number | undefined;
    if (console.showsProgress) {
      total = isIndexed
        ? (await store.deleteOldSessions(minutes, { ...limits, dryRun: true }))
          .deleted
        : await countSessions(opened, call.signal);
    }
    const result = await store.deleteOldSessions(minutes, {
      ...limits,
      dryRun,
      onProgress: ({ deleted, remaining }) =>
        isIndexed
          ? console.showProgress(deleted, "old sessions deleted", total)
          : console.showProgress(
            deleted + remaining,
            `sessions seen, ${withCommas(deleted)} old`,
            total,
          ),
    });
    console.endProgress();
    console.printResult(
      flags.json,
      { ...result, dryRun },
      toText(result, dryRun),
    );
    const { isBusy, busySince = 0 } = result;
    if (!isBusy || Date.now() - busySince <= DAY) return 0;
    console.tell("The other cleanup began over a day ago: look if it hangs");
    return 1;
  },
});

function toText(result: CleanupResult, dryRun: boolean): string {
  const { deleted, remaining, orphans, skipped, isPartial } = result;
  if (result.isBusy) {
    const since = new Date(result.busySince ?? NaN);
    return `Nothing done: another cleanup is at work since ${since.toISOString()}`;
  }
  const text =
    `Deleted: ${deleted}, Remaining: ${
      Number.isNaN(remaining) ? "unknown" : remaining
    }` +
    (orphans > 0 ? `, Orphans removed: ${orphans}` : "") +
    (skipped !== undefined ? `, Skipped: ${skipped}` : "") +
    (isPartial ? " (stopped early, as told)" : "");
  return dryRun ? `${text} (dry run: nothing was deleted)` : text;
}
