/*
 * What a request does to the record of its session without being asked, when it
 * looks at it and that is due:
 *
 *   renewal    the cookie is sent again before the browser forgets it
 *   rotation   the secret is replaced, or a step of that is done; see rotation.ts
 *   sealing    what another than the first secret of the server has sealed is
 *              written, and so sealed, anew
 *
 * A renewal is one `update` of its own and no commit. The others are part of a
 * commit, which is due for their sake if for nothing else. None of them fails a
 * request: what they fail with is an event, `"unrotated"`.
 */
import type { SessionRecord } from "../core/record.ts";
import { KEEP } from "../core/store.ts";
import type { Token } from "../core/token.ts";
import type { Header } from "../http/transport.ts";
import { isCookieStale, noteCookie } from "../session/lifetime.ts";
import type { ManagerSettings } from "./manager_options.ts";
import {
  confirmRotation,
  type Credentials,
  dueRotation,
  forgetRotation,
  isBound,
  rotateSecret,
  type RotationStep,
} from "./rotation.ts";
import { loadRevocations } from "./users.ts";
import type { Visit } from "./visit.ts";

/** Tells whether the browser needs the cookie of a record again. */
export function needsCookie(visit: Visit, record: SessionRecord): boolean {
  // Only a proof of the device brings the cookie of a bound session.
  return !isBound(record) &&
    (visit.isHandedOn || isCookieStale(record, visit.settings.now()));
}

/**
 * Sends the cookie again, if it is still the session's: another request may
 * have given the browser a newer one.
 */
export async function renewCookie(
  visit: Visit,
  credentials: Credentials,
): Promise<Header | undefined> {
  const { state } = visit;
  const { store, recordFormat, report, now } = visit.settings;
  const { id } = credentials;
  let record: SessionRecord | undefined;
  let secret = credentials.secret;
  let touchedAt: number | undefined;
  try {
    const revocations = await loadRevocations(store, state.storedUser);
    const stored = await store.update(id, (found) => {
      record = touchedAt = undefined;
      const access = visit.verifyWriter(found, credentials, revocations);
      if (typeof access === "string") return KEEP;
      ({ secret } = access);
      const isDue = secret !== credentials.secret ||
        needsCookie(visit, access.record);
      if (!isDue) return KEEP;
      const time = now();
      record = noteCookie(access.record, time);
      if (record === access.record) return KEEP;
      touchedAt = time;
      return recordFormat.seal(record, { id, secret });
    });
    if (!stored || record === undefined) return undefined;
  } catch (error) {
    // Whatever it is, the request has its answer; a later one sends the cookie.
    report({ type: "unrotated", sessionId: id, error });
    return undefined;
  }
  visit.credentials = { id, secret, secretHash: record.secretHash! };
  visit.isHandedOn = false;
  if (touchedAt !== undefined) state.noteTouch(touchedAt);
  return visit.issue(record);
}

/** Tells which step is due in the rotation of a record's secret. */
export function dueStep(
  { settings, broughtHash }: Visit,
  record: SessionRecord,
): RotationStep | undefined {
  const { rotateEvery, now } = settings;
  // A request with the secret before has been handed this one, but the browser
  // may not have it.
  const isBrought = broughtHash === record.secretHash;
  return isBrought ? dueRotation(record, rotateEvery, now()) : undefined;
}

/**
 * Does a step in the rotation of a record's secret.
 *
 * @param token The session ID and the secret so far.
 * @param secret The new secret, if that is the step.
 */
export function takeStep(
  step: RotationStep,
  { rotateGrace, secrets, now }: ManagerSettings,
  record: SessionRecord,
  token: Token,
  secret: string,
): SessionRecord {
  switch (step) {
    case "rotate":
      return rotateSecret(record, token, secret, secrets[0]!, now());
    case "confirm":
      return confirmRotation(record, now(), rotateGrace);
    case "forget":
      return forgetRotation(record);
  }
}
