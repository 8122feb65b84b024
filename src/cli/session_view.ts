import { expiryOf, type SessionRecord } from "../core/record.ts";

/** What a command shows of a session: what is not named here is not shown. */
export interface SessionView {
  readonly id: string;
  readonly user: string | null;
  readonly label: string | null;
  readonly createdAt: number;
  readonly lastAccess: number;
  /** When it expires unless it is accessed again; `null` for never. */
  readonly expiry: number | null;
  /** How long its record is as JSON. */
  readonly bytes: number;
}

/** A session of a store. */
export type StoredEntry = readonly [
  id: string,
  record: SessionRecord,
  lastAccess: number,
];

const encoder = new TextEncoder();

/** Shows a session without its data and its secrets. */
export function viewOf([id, record, lastAccess]: StoredEntry): SessionView {
  const { user = null, label = null, createdAt } = record;
  return {
    id,
    user,
    label,
    createdAt,
    lastAccess,
    expiry: expiryOf(record, lastAccess),
    bytes: bytesOf(record),
  };
}

/** Tells how long a record is as JSON, in UTF-8. */
export function bytesOf(record: SessionRecord): number {
  return encoder.encode(JSON.stringify(record)).length;
}

/** Writes an instant as 2026-11-28T11:26:17Z; `null` as `never`. */
export function timeOf(instant: number | null): string {
  if (instant === null) return "never";
  const date = new Date(instant);
  return Number.isNaN(date.getTime())
    ? String(instant)
    : date.toISOString().replace(/\.\d+Z$/, "Z");
}
