import { SessionDataError } from "../core/errors.ts";
import { KEEP } from "../core/store.ts";
import { hashSecret, parseToken } from "../core/token.ts";
import { accuracyOf, hasPassed, isCookieStale } from "../session/lifetime.ts";
import {
  Isolation,
  type IsolationOptions,
  resolveIsolation,
} from "./isolation.ts";
import type { ManagerSettings } from "./manager_options.ts";
import {
  type Credentials,
  dueRotation,
  isOpening,
  matchSecret,
  verify,
} from "./rotation.ts";
import { deleteIfRevoked } from "./users.ts";
import { type OpenedSession, Visit } from "./visit.ts";

/**
 * Opens the session that a request asks for, or a new one.
 *
 * @throws {TypeError} If the store cannot isolate like that.
 * @throws {SessionLockTimeoutError} If other exclusive requests take too long.
 * @throws {SessionDataError} If its data cannot be used, and that is to be
 * thrown.
 * @throws The reason of the request's signal, if it is aborted while it waits.
 */
export async function openVisit<Data extends object>(
  settings: ManagerSettings,
  request: Request,
  options: IsolationOptions | undefined,
): Promise<Visit<Data>> {
  const { store, transport, counters, isolation: defaults } = settings;
  const isolation = new Isolation(
    options ? resolveIsolation(store, options, defaults) : defaults,
    counters,
  );
  const text = transport.read(request);
  const token = text === undefined ? undefined : parseToken(text);
  if (token === undefined) {
    return new Visit(settings, request, isolation, undefined);
  }
  const credentials = { ...token, secretHash: hashSecret(token.secret) };
  if (isolation.needsLock && await isValid(settings, credentials)) {
    await isolation.enter(store, token.id, request);
  }
  let found: OpenedSession | undefined;
  try {
    found = await findSession(settings, credentials);
  } finally {
    if (found === undefined) await isolation.leave();
  }
  return new Visit(settings, request, isolation, found);
}

/** A request without a valid secret neither waits nor makes others wait. */
async function isValid(
  { store, now }: ManagerSettings,
  { id, secretHash }: Credentials,
): Promise<boolean> {
  const record = await store.load(id);
  return record !== undefined &&
    isOpening(matchSecret(record, secretHash, now()));
}

/** Finds a session, and marks it accessed when that is due. */
async function findSession(
  settings: ManagerSettings,
  credentials: Credentials,
): Promise<OpenedSession | undefined> {
  const { store, data, touchAfter, rotateEvery, now } = settings;
  const { onInvalid, report, counters } = settings;
  const { id, secretHash } = credentials;
  let lastAccess = now();
  let isTouched = false;
  const stored = await store.load(id, {
    touch(record, accessedAt) {
      const time = now();
      const due = Math.min(touchAfter, accuracyOf(record.idleTimeout));
      lastAccess = accessedAt;
      isTouched = hasPassed(due, accessedAt, time) &&
        isOpening(matchSecret(record, secretHash, time));
      return isTouched;
    },
  });
  if (stored === undefined) return undefined;
  const verified = verify(settings, stored, credentials);
  if (verified === undefined) {
    const matched = matchSecret(stored, secretHash, now());
    if (matched === "reused") await reportReuse(settings, credentials);
    if (isOpening(matched)) {
      counters.unopenable++;
      report({ type: "unopenable", sessionId: id });
    }
    return undefined;
  }
  const { match, secret, record: { user } } = verified;
  if (
    user !== undefined &&
    await deleteIfRevoked(store, id, verified.record, user)
  ) return undefined;

  let record = verified.record;
  try {
    record = data.load(id, record);
  } catch (error) {
    if (!(error instanceof SessionDataError) || onInvalid === "throw") {
      throw error;
    }
    report({ type: "invalid", sessionId: id, error });
    return undefined;
  }
  const isCurrent = match === "current";
  return {
    id,
    record,
    lastAccess,
    credentials: { id, secret, secretHash: record.secretHash! },
    broughtHash: secretHash,
    isCookieDue: !isCurrent || isTouched && isCookieStale(record, now()),
    isUpkeepDue: verified.isSealOld || isCurrent &&
        dueRotation(record, rotateEvery, now()) !== undefined,
  };
}

/** Deletes the session of a secret that was replaced, if asked to; reports it. */
async function reportReuse(
  { store, report, endOnReuse, now }: ManagerSettings,
  { id, secretHash }: Credentials,
): Promise<void> {
  try {
    if (!endOnReuse) return;
    await store.update(id, (record) => {
      // A login may have replaced the secret meanwhile.
      const isReused = matchSecret(record, secretHash, now()) === "reused";
      return isReused ? undefined : KEEP;
    });
  } finally {
    report({ type: "reused", sessionId: id });
  }
}
