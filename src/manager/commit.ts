import { SessionGoneError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { createSecret, hashSecret } from "../core/token.ts";
import { type Credentials, verify } from "./rotation.ts";
import { beginLife, cookieAge, isCookieStale } from "../session/lifetime.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { isSecretOld, rotateSecret } from "./rotation.ts";
import { sealRecord } from "./sealed_record.ts";
import type { SessionState } from "../session/session_state.ts";
import { readData, writeData } from "./stored_data.ts";
import { type Header, isHttps } from "../http/transport.ts";
import { isSignedOut, loadRevocations } from "./users.ts";
import type { SessionChange, Visit } from "./visit.ts";

/**
 * Does to the stored record what a request did to its session, in one step of
 * the store, and brings session and visit up to date.
 *
 * @param settings The manager's.
 * @param visit How the request came.
 * @param state What lies behind the session.
 * @param change What the request did.
 * @returns What hands the client its token, or takes it back; `undefined` when
 * it has nothing to learn.
 * @throws {SessionGoneError} If the record is gone, has another secret, or was
 * revoked with the others of its user.
 * @throws {SessionConflictError} If somebody came between who must not.
 * @throws {SessionDataError} If the data would not fit the schema.
 * @throws {SessionTooLargeError} If it would be more than may be.
 * @throws What the store throws.
 */
export function commitChange(
  settings: ManagerSettings,
  visit: Visit,
  state: SessionState,
  change: SessionChange,
): Promise<Header | undefined> {
  const { credentials } = visit;
  return credentials === undefined
    ? createRecord(settings, visit, state, change)
    : updateRecord(settings, visit, state, change, credentials);
}

async function createRecord(
  settings: ManagerSettings,
  visit: Visit,
  state: SessionState,
  change: SessionChange,
): Promise<Header | undefined> {
  const { store, lifetime, sealing } = settings;
  const { createdAt } = state;
  const life = beginLife(lifetime, createdAt);
  const revocations = await loadRevocations(store, change.users);
  const begun = change.apply({ data: {}, createdAt, ...life }, revocations);
  if (begun === undefined) return undefined;

  const { id } = state;
  const secret = createSecret();
  const secretHash = hashSecret(secret);
  const credentials = { id, secret, secretHash };
  const record = noteCookie({ ...begun, secretHash }, settings.now());
  const written = writeData(settings, id, record);
  if (!await store.create(id, sealRecord(written, credentials, sealing))) {
    throw new Error(`Cannot create session ${id}: its ID is taken`);
  }
  visit.credentials = credentials;
  visit.isolation.create(record);
  state.finish(record);
  return setCookie(settings, visit, record);
}

async function updateRecord(
  settings: ManagerSettings,
  visit: Visit,
  state: SessionState,
  change: SessionChange,
  credentials: Credentials,
): Promise<Header | undefined> {
  const { id } = credentials;
  const { rotateEvery, rotateGrace: grace } = settings;
  const revocations = await loadRevocations(settings.store, change.users);
  let newSecret: string | undefined;
  let isRevoked = false;
  let secret = credentials.secret;
  let isCookieDue = false;
  let record: SessionRecord | undefined;
  const commit = (found: SessionRecord): SessionRecord | undefined => {
    const verified = verify(settings, found, credentials);
    // Thrown, since whatever is returned would be written.
    if (verified === undefined) throw new SessionGoneError(id);
    isRevoked = isSignedOut(id, found, revocations);
    if (isRevoked) return undefined;
    const { isChanged } = change;
    const before = visit.isolation.advance(id, verified.record, isChanged);
    const merged = change.isDestroyed
      ? undefined
      : change.apply(readData(settings, id, before), revocations);
    if (merged === undefined) return undefined;

    const now = settings.now();
    const renewed = change.isRegenerated
      ? replaceSecret(settings, merged, newSecret ??= createSecret())
      : verified.match === "current" && isSecretOld(merged, rotateEvery, now)
      ? rotateSecret(merged, {
        ...credentials,
        to: newSecret ??= createSecret(),
        now,
        grace,
      })
      : merged;
    secret = renewed === merged ? verified.secret : newSecret!;
    isCookieDue = visit.renewed !== undefined || change.isLifeChanged ||
      secret !== credentials.secret ||
      isCookieStale(merged, merged.cookieSentAt ?? merged.createdAt, now);
    record = isCookieDue ? noteCookie(renewed, now) : renewed;
    const written = writeData(settings, id, record, verified.record);
    return sealRecord(written, { id, secret }, settings.sealing);
  };
  let stored: SessionRecord | null | undefined;
  try {
    stored = await settings.store.update(id, commit);
  } catch (error) {
    visit.isolation.countFailure(error);
    throw error;
  }

  const isGone = stored === undefined || isRevoked;
  if (isGone && !change.isDestroyed) throw visit.isolation.refuse(id);
  const kept = stored ? record : undefined;
  if (!isGone) visit.isolation.settle(kept, true);
  visit.credentials = kept && { id, secret, secretHash: kept.secretHash! };
  visit.renewed = undefined;
  visit.isSecretOld = false;
  state.finish(kept);
  // Only who ended the session clears the cookie: one who merely found it gone
  // could wipe the new cookie that a parallel request has just been given.
  if (isGone) return undefined;
  if (kept === undefined) {
    return settings.transport.revoke(howItCame(settings, visit));
  }
  return isCookieDue ? setCookie(settings, visit, kept) : undefined;
}

/** Gives a record another secret, with no way from the old one to it. */
function replaceSecret(
  { rotateEvery, now }: ManagerSettings,
  record: SessionRecord,
  secret: string,
): SessionRecord {
  const { previous: _previous, rotatedAt: _rotatedAt, ...rest } = record;
  return {
    ...rest,
    secretHash: hashSecret(secret),
    ...(rotateEvery !== Infinity && { rotatedAt: now() }),
  };
}

/**
 * Sends the browser its cookie again when the request marked an access: it is
 * to keep it as long as the session lives now.
 *
 * @param settings The manager's.
 * @param visit How the request came.
 * @returns What hands it the token, or `undefined` when there is no need.
 */
export function renewCookie(
  settings: ManagerSettings,
  visit: Visit,
): Header | undefined {
  const { renewed } = visit;
  visit.renewed = undefined;
  return renewed && setCookie(settings, visit, renewed);
}

/** Keeps in the record when the cookie was sent, where that matters. */
function noteCookie(record: SessionRecord, now: number): SessionRecord {
  const { idleTimeout, untilBrowserCloses } = record;
  const isAged = idleTimeout !== undefined && !untilBrowserCloses;
  return isAged ? { ...record, cookieSentAt: now } : record;
}

function setCookie(
  settings: ManagerSettings,
  visit: Visit,
  record: SessionRecord,
): Header {
  const { id, secret } = visit.credentials!;
  const maxAge = cookieAge(record, settings.now());
  const options = { ...howItCame(settings, visit), maxAge };
  return settings.transport.issue(id + secret, options);
}

function howItCame(
  { trustProxy }: ManagerSettings,
  { request }: Visit,
): { isHttps: boolean } {
  return { isHttps: isHttps(request, trustProxy) };
}
