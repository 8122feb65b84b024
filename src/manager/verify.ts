import type { SessionRecord } from "../core/record.ts";
import type { ManagerSettings } from "./manager_options.ts";
import {
  followRotation,
  isOpening,
  matchSecret,
  type OpeningMatch,
} from "./rotation.ts";
import { openRecord } from "./sealed_record.ts";

/** Who asks for a record: a session ID, and the proof that it is his. */
export interface Credentials {
  /** The session ID. */
  readonly id: string;
  /** The secret that he has. */
  readonly secret: string;
  /** Its hash. */
  readonly secretHash: string;
}

/** A record that somebody was let to. */
export interface Verified {
  /** The record, in clear. */
  readonly record: SessionRecord;
  /** Whether the credentials's secret is the record's, or was it a moment ago. */
  readonly match: OpeningMatch;
  /** The record's secret. */
  readonly secret: string;
}

/**
 * Lets whoever has the secret of a record to it, also with the one before while
 * its grace lasts.
 *
 * @param settings The manager's.
 * @param record As the store had it.
 * @param credentials Who asks.
 * @returns The record in clear; `undefined` when it is not for him.
 */
export function verify(
  settings: ManagerSettings,
  record: SessionRecord,
  credentials: Credentials,
): Verified | undefined {
  const { id, secretHash } = credentials;
  const match = matchSecret(record, secretHash, settings.now());
  if (!isOpening(match)) return undefined;
  const secret = match === "current"
    ? credentials.secret
    : followRotation(record, id, credentials.secret);
  if (secret === undefined) return undefined;
  const opened = openRecord(record, { id, secret }, settings.sealing);
  return opened && { record: opened, match, secret };
}
