/*
 * The secret of a session may be changed from time to time, without anybody
 * logging in or out: who has copied a cookie then holds it for that long only.
 * Requests that are under way carry the secret from before, so that one stays
 * good for a while; whoever brings it is handed the new one.
 *
 *   record   secretHash   of the secret
 *            previous     hash    of the secret before
 *                         until   when the grace is over
 *                         sealed  the secret, under a key that comes from the one before
 *
 * It is one record and one `update` of it, so that a crash leaves the old state
 * or the new one. There is no such thing for `regenerate`: after a login the
 * cookie from before it must not lead to the session that it became.
 */
import type { SessionRecord } from "../core/record.ts";
import { deriveKey, seal, unseal } from "../core/seal.ts";
import { hashSecret, isSameHash } from "../core/token.ts";
import { instantAfter } from "../session/lifetime.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { openRecord } from "./sealed_record.ts";

/**
 * How a secret fits a record: it is the one; it was, until a moment ago; it
 * was, and should be in nobody's hands any more; it never was.
 */
export type SecretMatch = "current" | "previous" | "reused" | "none";

/** How a secret fits that opens its session. */
export type OpeningMatch = Exclude<SecretMatch, "reused" | "none">;

const PURPOSE = "rotation";

/**
 * Tells how a secret fits a record.
 *
 * @param record The record.
 * @param secretHash The hash of the secret.
 * @param now In ms since the epoch.
 */
export function matchSecret(
  record: SessionRecord,
  secretHash: string,
  now: number,
): SecretMatch {
  if (isSameHash(secretHash, record.secretHash)) return "current";
  const { previous } = record;
  if (!isSameHash(secretHash, previous?.hash)) return "none";
  return now < previous!.until ? "previous" : "reused";
}

/** Tells whether a secret that fits like that opens its session. */
export function isOpening(match: SecretMatch): match is OpeningMatch {
  return match === "current" || match === "previous";
}

/** Tells whether a record has had its secret for so long that it gets another. */
export function isSecretOld(
  { rotatedAt, createdAt }: SessionRecord,
  rotateEvery: number,
  now: number,
): boolean {
  return now - (rotatedAt ?? createdAt) >= rotateEvery;
}

/** What {@linkcode rotateSecret} takes. */
export interface Rotation {
  readonly id: string;
  /** The secret so far. */
  readonly secret: string;
  /** The one from now on. */
  readonly to: string;
  /** The present, and how long the secret so far stays good, in ms. */
  readonly now: number;
  readonly grace: number;
}

/** Gives a record another secret, and whoever has the one so far the way to it. */
export function rotateSecret(
  record: SessionRecord,
  { id, secret, to, now, grace }: Rotation,
): SessionRecord {
  const sealed = seal(deriveKey([secret], id, PURPOSE), to);
  return {
    ...record,
    secretHash: hashSecret(to),
    rotatedAt: now,
    previous: {
      hash: hashSecret(secret),
      until: instantAfter(now, grace),
      sealed,
    },
  };
}

/**
 * Finds the secret of a record for who has the one before.
 *
 * @param record The record.
 * @param id Its session ID.
 * @param from The secret before.
 * @returns The secret; `undefined` when the record is not what we wrote.
 */
export function followRotation(
  record: SessionRecord,
  id: string,
  from: string,
): string | undefined {
  const { previous, secretHash } = record;
  if (previous === undefined) return undefined;
  const to = unseal(deriveKey([from], id, PURPOSE), previous.sealed);
  const isIt = to !== undefined && isSameHash(hashSecret(to), secretHash);
  return isIt ? to : undefined;
}

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
