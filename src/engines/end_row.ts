import { expiryOf, fromJson } from "../core/record.ts";
import type { EngineRow, SessionEngine } from "./session_engine.ts";

/** How late a change may reach the engine that was under way, in ms. */
const LATEST = 60 * 1000;

/**
 * Removes a session that is over, before anybody is told that it is: a change
 * that is under way since before would revive it. One that is over for a minute
 * is left to the cleaner, and what is no record to whoever writes one.
 *
 * @param engine Where it is.
 * @param id The session ID.
 * @param row What was read, if anything; no live session.
 * @param now In ms since the epoch.
 * @returns `false` when it is another by now.
 */
export async function endRow<R extends EngineRow>(
  engine: SessionEngine<R>,
  id: string,
  row: R | undefined,
  now: number,
): Promise<boolean> {
  const record = row && fromJson(row.json);
  if (record === undefined) return true;
  const endsAt = expiryOf(record, row!.lastAccess);
  if (endsAt === null || now - endsAt > LATEST) return true;
  return await engine.remove(id, row) !== undefined;
}
