/*
 * The secret of a session: which one opens the session, and how it is replaced.
 *
 * The secret may be replaced from time to time, without a login or logout: a
 * copy of a cookie is then valid for that long only. The browser may never get
 * the new one, as when a request is cancelled. So the one before stays valid,
 * and leads to the new one, until a request has brought the new one; and for a
 * grace after that, for requests that are under way.
 *
 *   record   secretHash   of the secret
 *            previous     hash    of the secret before
 *                         until   when the grace expires
 *                         sealed  the secret, under a key that comes from the one
 *                                 before and the server's first
 *
 *   rotate    hash, sealed          the secret before is good
 *   confirm   hash, sealed, until   good until then; the new secret was brought
 *   forget    hash, until           no longer good, and still recognised
 *
 * The secret of a session that is bound to a device is replaced by each proof of
 * the device, and in no other way without being asked; see answer_device.ts:
 *
 *   prove     hash, until           good until then, and leads nowhere; not to a
 *                                   new secret either: `regenerate` ends it
 *
 * It is one record and one `update` of it, so that a crash leaves the old state
 * or the new one. `regenerate` leaves no such way: after a login the cookie
 * from before it must not lead to the session that it became.
 */
import { knownMembers, type SessionRecord } from "../core/record.ts";
import { seal, unseal } from "../core/seal.ts";
import { hashSecret, isSameHash, type Token } from "../core/token.ts";
import { instantAfter } from "../session/lifetime.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { keyOf, type ServerSecret } from "./sealed_record.ts";

/** What a request brings to open a session. */
export interface Credentials extends Token {
  /** The hash of the secret. */
  readonly secretHash: string;
}

/** A record that credentials have opened. */
export interface Verified {
  /** The record, in clear. */
  readonly record: SessionRecord;
  /** Which secret of the record the request brought. */
  readonly match: OpeningMatch;
  /** The record's secret. */
  readonly secret: string;
  /** Whether another than the first secret of the server has sealed it. */
  readonly isSealOld: boolean;
}

/**
 * How a secret matches a record: it is the record's; it was, until a moment
 * ago; it was, and its grace has expired; it is, and the device that it is bound
 * to has not proved itself in time; it never was.
 */
type SecretMatch = "current" | "previous" | "reused" | "unproven" | "unknown";

/** How a secret matches that opens its session. */
type OpeningMatch = "current" | "previous";

/** What a commit does to the secret of a record that it keeps. */
export type RotationStep = "rotate" | "confirm" | "forget";

const PURPOSE = "rotation";

/**
 * Opens a record with the credentials of a request.
 *
 * @param settings The manager's.
 * @param record As the store had it.
 * @param credentials The request's.
 * @returns `undefined` when they do not open it.
 */
export function verify(
  { recordFormat, secrets, now }: ManagerSettings,
  record: SessionRecord,
  credentials: Credentials,
): Verified | undefined {
  const { id, secretHash } = credentials;
  const match = matchSecret(record, secretHash, now());
  if (!isOpening(match)) return undefined;
  const secret = match === "current" || isBound(record)
    ? credentials.secret
    : followRotation(record, credentials, secrets);
  if (secret === undefined) return undefined;
  const opened = recordFormat.unseal(record, { id, secret });
  return opened && { ...opened, match, secret };
}

/**
 * Tells how a secret matches a record.
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
  const { previous, device } = record;
  if (isSameHash(secretHash, record.secretHash)) {
    return device !== undefined && now >= device.until ? "unproven" : "current";
  }
  if (!isSameHash(secretHash, previous?.hash)) return "unknown";
  const { sealed, until = Infinity } = previous!;
  const isKept = sealed !== undefined || isBound(record);
  return isKept && now < until ? "previous" : "reused";
}

/**
 * Tells whether the session is bound to a device: a proof gives it each new
 * secret, and the secret before does not lead to it.
 */
export function isBound({ device }: SessionRecord): boolean {
  return device !== undefined;
}

/** Tells whether a secret that matches like that opens its session. */
export function isOpening(match: SecretMatch): match is OpeningMatch {
  return match === "current" || match === "previous";
}

/**
 * Tells what is due when a request brings the secret of a record.
 *
 * @param record The record.
 * @param rotateEvery How old a secret may become, in milliseconds.
 * @param now In ms since the epoch.
 */
export function dueRotation(
  record: SessionRecord,
  rotateEvery: number,
  now: number,
): RotationStep | undefined {
  if (isBound(record)) return undefined;
  const { rotatedAt, createdAt, previous } = record;
  // While the secret before is the only one that the browser may have, it must
  // not be replaced.
  if (previous !== undefined && previous.until === undefined) return "confirm";
  // Nor while requests may still bring it.
  if (previous !== undefined && now < previous.until!) return undefined;
  if (now - (rotatedAt ?? createdAt) >= rotateEvery) return "rotate";
  return previous?.sealed === undefined ? undefined : "forget";
}

/**
 * Gives a record a new secret, and a holder of the one so far the way to it.
 *
 * @param record The record.
 * @param token The session ID and the secret so far.
 * @param secret The new secret.
 * @param server The first secret of the server: an old cookie and a copy of
 * the store lead nowhere without it.
 * @param now In ms since the epoch.
 */
export function rotateSecret(
  record: SessionRecord,
  token: Token,
  secret: string,
  server: ServerSecret,
  now: number,
): SessionRecord {
  const key = keyOf(token, server, PURPOSE);
  return {
    ...record,
    secretHash: hashSecret(secret),
    rotatedAt: now,
    previous: {
      hash: hashSecret(token.secret),
      sealed: seal(key, secret),
    },
  };
}

/**
 * Notes that a request has brought the new secret of a record.
 *
 * @param record The record, whose secret was rotated.
 * @param now In ms since the epoch.
 * @param grace How long the secret before stays good, in milliseconds.
 */
export function confirmRotation(
  record: SessionRecord,
  now: number,
  grace: number,
): SessionRecord {
  const until = instantAfter(now, grace);
  return { ...record, previous: { ...record.previous!, until } };
}

/** Removes the way from the secret before; it is still recognised. */
export function forgetRotation(record: SessionRecord): SessionRecord {
  const { sealed: _sealed, ...previous } = record.previous!;
  return { ...record, previous };
}

/**
 * Gives a record a new secret, with no way from the old one to it, and counts
 * that, which a rotation does not.
 */
export function replaceSecret(
  record: SessionRecord,
  secret: string,
): SessionRecord {
  return { ...endGrace(record), secretHash: hashSecret(secret) };
}

/**
 * Leaves a record no secret but the one that it has, and counts that as
 * `replaceSecret` does.
 */
export function endGrace(record: SessionRecord): SessionRecord {
  // Of what it does not know, this version cannot tell whose it is.
  const known = knownMembers(record);
  const { previous: _previous, rotatedAt: _rotatedAt, ...rest } = known;
  const { renewals = 0 } = record;
  return { ...rest, renewals: renewals + 1 };
}

/**
 * Finds the secret of a record from the one before.
 *
 * @param record The record.
 * @param from The session ID, and the secret before.
 * @param secrets The server's.
 * @returns The secret; `undefined` when it is not the record's.
 */
export function followRotation(
  record: SessionRecord,
  from: Token,
  secrets: readonly ServerSecret[],
): string | undefined {
  const { previous, secretHash } = record;
  if (previous?.sealed === undefined) return undefined;
  for (const server of secrets) {
    const to = unseal(keyOf(from, server, PURPOSE), previous.sealed);
    const isIt = to !== undefined && isSameHash(hashSecret(to), secretHash);
    if (isIt) return to;
  }
  return undefined;
}
