import { SessionGoneError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { type Credentials, verify } from "./rotation.ts";
import { isCookieStale, TENTHS } from "../session/lifetime.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { isOpening, isSecretOld, matchSecret } from "./rotation.ts";
import type { StoredSession } from "../session/session_state.ts";
import { loadData } from "./stored_data.ts";
import { endIfRevoked } from "./users.ts";
import type { Visit } from "./visit.ts";

/** A session that a request may have, and what is to be said to its browser. */
export interface FoundSession extends StoredSession {
  /** See {@linkcode Visit}. */
  readonly visit: Omit<Visit, "request" | "owner" | "isolation">;
}

/**
 * Finds the session that a request asks for, and marks it accessed when that
 * is due. Whoever brings a secret that was replaced, after its grace, is told
 * of, and gets nothing.
 *
 * @param settings The manager's.
 * @param credentials What the request brought.
 * @returns The session; `undefined` when there is none for this credentials.
 * @throws What the store throws.
 */
export async function findSession(
  settings: ManagerSettings,
  credentials: Credentials,
): Promise<FoundSession | undefined> {
  const { store, touchAfter, rotateEvery, now } = settings;
  const { id, secretHash } = credentials;
  let lastAccess = now();
  let isTouched = false;
  const stored = await store.load(id, {
    touch: (record, accessedAt) => {
      lastAccess = accessedAt;
      const time = now();
      const { idleTimeout = Infinity } = record;
      const age = time - accessedAt;
      // Below 0 the clock was set back, and the access would never be due.
      const isDue = age < 0 ||
        age >= Math.min(touchAfter, idleTimeout / TENTHS);
      isTouched = isDue && isOpening(matchSecret(record, secretHash, time));
      return isTouched;
    },
  });
  if (stored === undefined) return undefined;
  const verified = verify(settings, stored, credentials);
  if (verified === undefined) {
    if (matchSecret(stored, secretHash, now()) === "reused") {
      await reportReuse(settings, credentials);
    }
    return undefined;
  }

  const { match, secret } = verified;
  const { user } = verified.record;
  if (
    user !== undefined &&
    await endIfRevoked(settings, id, verified.record, user)
  ) return undefined;
  const record = loadData(settings, id, verified.record);
  if (record === undefined) return undefined;

  const sentAt = record.cookieSentAt ?? record.createdAt;
  const isStale = isTouched && isCookieStale(record, sentAt, now());
  return {
    id,
    record,
    lastAccess,
    visit: {
      credentials: { id, secret, secretHash: record.secretHash! },
      renewed: isStale || match === "previous" ? record : undefined,
      isSecretOld: match === "current" &&
        isSecretOld(record, rotateEvery, now()),
    },
  };
}

async function reportReuse(
  settings: ManagerSettings,
  { id, secretHash }: Credentials,
): Promise<void> {
  const { store, onEvent, endOnReuse, now } = settings;
  onEvent?.({ type: "reused", sessionId: id });
  if (!endOnReuse) return;
  try {
    await store.update(id, (record: SessionRecord) => {
      if (matchSecret(record, secretHash, now()) === "reused") return undefined;
      throw new SessionGoneError(id);
    });
  } catch (error) {
    // It has been logged in again meanwhile: that one is nobody's prey.
    if (!(error instanceof SessionGoneError)) throw error;
  }
}
