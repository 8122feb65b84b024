import { system } from "../system/system.ts";
import { fromJson, type SessionRecord } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import type { Warnings } from "../core/warnings.ts";
import { CleanupBudget } from "../system/cleanup_budget.ts";
import { eachUntilAborted, untilAborted } from "../system/waiting.ts";
import {
  type EngineCleaner,
  makeNumber,
  type OldSessions,
  type SessionEngine,
} from "./session_engine.ts";

const ROWS_PER_REPORT = 1_000;

/** Deletes the old sessions that an index finds, a bounded number at a time. */
export async function cleanByIndex(
  cleaner: EngineCleaner,
  old: OldSessions,
  options: CleanupOptions,
  warnings: Warnings,
): Promise<CleanupResult> {
  const { dryRun = false, onProgress, signal } = options;
  const budget = new CleanupBudget(options);
  let deleted = 0;
  if (dryRun) {
    deleted = await untilAborted(cleaner.countOld(old), signal);
  } else {
    for (;;) {
      const most = Math.min(cleaner.atATime, budget.deletesLeft(deleted));
      if (most === 0) break;
      const some = await untilAborted(cleaner.deleteSome(old, most), signal);
      deleted += some;
      if (some < most) break;
      onProgress?.({ deleted, remaining: 0, orphans: 0 });
      // A timer, so that those of others run as well.
      await system.wait(0, signal);
    }
  }
  try {
    if (!dryRun) await untilAborted(cleaner.finish?.(), signal);
  } catch (error) {
    signal?.throwIfAborted();
    warnings.unwritten("give room back after a cleanup", error);
  }
  let remaining = NaN;
  try {
    const count = await untilAborted(cleaner.count(), signal);
    remaining = count - (dryRun ? deleted : 0);
  } catch (error) {
    signal?.throwIfAborted();
    warnings.unwritten("count the sessions that remain", error);
  }
  const result = budget.resultOf({ deleted, remaining, orphans: 0 });
  onProgress?.({ ...result });
  return result;
}

/** Deletes each old session, unless it was accessed since it was read. */
export async function cleanByScan(
  engine: SessionEngine,
  isOld: (record: SessionRecord, lastAccess: number) => boolean,
  options: CleanupOptions,
): Promise<CleanupResult> {
  const { dryRun = false, onProgress, signal } = options;
  const budget = new CleanupBudget(options);
  const count = { deleted: 0, remaining: 0, orphans: 0 };
  let rows = 0;
  for await (
    const [id, row] of eachUntilAborted(engine.rows(undefined), signal)
  ) {
    if (budget.deletesLeft(count.deleted) === 0) break;
    const record = fromJson(row.json);
    // What is not a session is neither deleted nor counted.
    if (typeof record === "string") continue;
    const remove = () => engine.remove(id, row, makeNumber());
    const isDeleted = isOld(record, row.lastAccess) &&
      (dryRun || await untilAborted(remove(), signal) !== undefined);
    if (isDeleted) count.deleted++;
    else count.remaining++;
    if (++rows % ROWS_PER_REPORT === 0) {
      onProgress?.({ ...count });
      await system.wait(0, signal);
    }
  }
  const result = budget.resultOf(count);
  onProgress?.({ ...result });
  return result;
}
