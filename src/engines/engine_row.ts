import {
  expiryOf,
  fromJson,
  isExpired,
  type SessionRecord,
  toJson,
} from "../core/record.ts";
import { userTag } from "../core/codec.ts";
import type { EngineRow, NewEngineRow } from "./session_engine.ts";

const VERSIONS = 2 ** 53;

/**
 * Gives the record of a row.
 *
 * @param row What the engine has, if anything.
 * @param now In ms since the epoch.
 * @returns `undefined` when there is none, or it is over.
 */
export function readRow(
  row: EngineRow | undefined,
  now: number,
): SessionRecord | undefined {
  if (row === undefined) return undefined;
  const record = fromJson(row.json);
  if (record === undefined) return undefined;
  return isExpired(record, row.lastAccess, now) ? undefined : record;
}

/**
 * Makes the row of a record.
 *
 * @param record What to keep.
 * @param lastAccess When it is accessed, in ms since the epoch.
 * @throws {TypeError} If the record cannot be kept.
 */
export function makeRow(
  record: SessionRecord,
  lastAccess: number,
): NewEngineRow {
  const json = toJson(record);
  return {
    json,
    version: Math.floor(Math.random() * VERSIONS),
    lastAccess,
    endsAt: expiryOf(record, lastAccess),
    expiresAt: record.expiresAt ?? null,
    tag: record.user === undefined ? null : userTag(record.user),
  };
}
