import { type CleanupRule, fromJson } from "../core/record.ts";
import type { CleanupOptions, CleanupResult } from "../core/store.ts";
import type {
  EngineCleaner,
  EngineRow,
  OldSessions,
  SessionEngine,
} from "./session_engine.ts";
import { eachUntilAborted, untilAborted } from "../system/waiting.ts";

const ROWS_PER_REPORT = 1_000;
const MS_PER_MINUTE = 60 * 1000;

/** Which sessions are old: `isDue` says it, and the rest what it goes by. */
export interface CleaningRule {
  readonly isDue: CleanupRule;
  readonly minutes: number;
  /** In milliseconds. */
  readonly grace: number;
  /** In ms since the epoch. */
  readonly now: number;
}

/**
 * Deletes the old sessions of an engine, by its index if it has one.
 *
 * @param engine The engine.
 * @param rule Which are old.
 * @param options See {@linkcode CleanupOptions}.
 */
export async function cleanEngine<R extends EngineRow>(
  engine: SessionEngine<R>,
  rule: CleaningRule,
  options: CleanupOptions,
): Promise<CleanupResult> {
  const { cleaner } = engine;
  if (cleaner === undefined) return await cleanByScan(engine, rule, options);
  const { minutes, grace, now } = rule;
  const endedAt = now - grace;
  const unusedSince = endedAt - minutes * MS_PER_MINUTE;
  return await cleanByIndex(cleaner, { endedAt, unusedSince }, options);
}

/** Deletes some at a time, so that others get their turn in between. */
async function cleanByIndex(
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
      await letOthersRun();
      signal?.throwIfAborted();
    }
  }
  const count = await untilAborted(cleaner.count(), signal);
  const remaining = count - (dryRun ? deleted : 0);
  onProgress?.({ deleted, remaining, orphans: 0 });
  return { deleted, remaining, orphans: 0 };
}

/** Deletes each that is old, unless somebody has accessed it since it was read. */
async function cleanByScan<R extends EngineRow>(
  engine: SessionEngine<R>,
  { isDue, now }: CleaningRule,
  { dryRun = false, onProgress, signal }: CleanupOptions,
): Promise<CleanupResult> {
  const count = { deleted: 0, remaining: 0, orphans: 0 };
  let rows = 0;
  const all = eachUntilAborted(engine.rows(undefined), signal);
  for await (const [id, row] of all) {
    const record = fromJson(row.json);
    // No session: neither is it deleted, nor does it remain.
    if (record === undefined) continue;
    const isDeleted = isDue(record, row.lastAccess, now) &&
      (dryRun ||
        await untilAborted(engine.remove(id, row), signal) !== undefined);
    if (isDeleted) count.deleted++;
    else count.remaining++;
    if (++rows % ROWS_PER_REPORT === 0) {
      onProgress?.({ ...count });
      await letOthersRun();
    }
  }
  onProgress?.({ ...count });
  return count;
}

function letOthersRun(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
