import { system } from "../system/system.ts";
import { fromJson, type SessionRecord } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import { eachUntilAborted, untilAborted } from "../system/waiting.ts";
import type {
  EngineCleaner,
  OldSessions,
  SessionEngine,
} from "./session_engine.ts";

const ROWS_PER_REPORT = 1_000;

/** Deletes the old sessions that an index finds, a bounded number at a time. */
export async function cleanByIndex(
  cleaner: EngineCleaner,
  old: OldSessions,
  { dryRun = false, onProgress, signal }: CleanupOptions,
): Promise<CleanupResult> {
  let deleted = 0;
  if (dryRun) {
    deleted = await untilAborted(cleaner.countOld(old), signal);
  } else {
    for (;;) {
      const some = await untilAborted(cleaner.deleteSome(old), signal);
      deleted += some;
      if (some < cleaner.atATime) break;
      onProgress?.({ deleted, remaining: 0, orphans: 0 });
      // A timer, so that those of others run as well.
      await system.wait(0, signal);
    }
  }
  const count = await untilAborted(cleaner.count(), signal);
  const remaining = count - (dryRun ? deleted : 0);
  onProgress?.({ deleted, remaining, orphans: 0 });
  return { deleted, remaining, orphans: 0 };
}

/** Deletes each old session, unless it was accessed since it was read. */
export async function cleanByScan(
  engine: SessionEngine,
  isOld: (record: SessionRecord, lastAccess: number) => boolean,
  { dryRun = false, onProgress, signal }: CleanupOptions,
): Promise<CleanupResult> {
  const count = { deleted: 0, remaining: 0, orphans: 0 };
  let rows = 0;
  for await (
    const [id, row] of eachUntilAborted(engine.rows(undefined), signal)
  ) {
    const record = fromJson(row.json);
    // What is not a session is neither deleted nor counted.
    if (record === undefined) continue;
    const isDeleted = isOld(record, row.lastAccess) &&
      (dryRun ||
        await untilAborted(engine.remove(id, row), signal) !== undefined);
    if (isDeleted) count.deleted++;
    else count.remaining++;
    if (++rows % ROWS_PER_REPORT === 0) {
      onProgress?.({ ...count });
      await system.wait(0, signal);
    }
  }
  onProgress?.({ ...count });
  return count;
}
