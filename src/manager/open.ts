import { SessionDataError } from "../core/errors.ts";
import { KEEP } from "../core/store.ts";
import type { Token } from "../core/token.ts";
import { isTouchDue } from "../session/lifetime.ts";
import type { SessionRequest } from "../http/transport.ts";
import { readSkipped } from "../device/headers.ts";
import {
  compareTokens,
  credentialsOf,
  findTokens,
  MOST_TOKENS,
} from "./choose_token.ts";
import {
  Isolation,
  type IsolationSettings,
  type Unopened,
} from "./isolation.ts";
import type { ManagerSettings } from "./manager_options.ts";
import {
  type Credentials,
  dueRotation,
  isBound,
  isOpening,
  matchSecret,
  verify,
} from "./rotation.ts";
import { enterGeneration } from "./users.ts";
import { type OpenedSession, Visit } from "./visit.ts";

/**
 * Opens the session that a request asks for, or a new one.
 *
 * @throws {SessionLockTimeoutError} If other exclusive requests take too long.
 * @throws {SessionDataError} If its data cannot be used, and that is to be
 * thrown.
 * @throws The reason of the request's signal, if it is aborted while it waits.
 */
export function openVisit(
  settings: ManagerSettings,
  request: SessionRequest,
  isolationSettings: IsolationSettings,
  isPassive: boolean,
): Promise<Visit> {
  const isolation = new Isolation(isolationSettings, settings.counters);
  return settings.observe(
    "open",
    () => open(settings, request, isolation, isPassive),
    ({ opening }) => opening,
  );
}

async function open(
  settings: ManagerSettings,
  request: SessionRequest,
  isolation: Isolation,
  isPassive: boolean,
): Promise<Visit> {
  const { store, transport } = settings;
  const tokens = findTokens(transport.read(request));
  let fitting: readonly Credentials[] = [];
  let found: OpenedSession | Unopened = "none";
  try {
    if (tokens.length === 1) fitting = tokens.map(credentialsOf);
    else if (tokens.length > 1) {
      [fitting, found] = await findFitting(settings, tokens);
    }
    const [credentials] = fitting;
    if (credentials !== undefined && fitting.length === 1) {
      if (isolation.needsLock && await isValid(settings, credentials)) {
        await isolation.enter(store, credentials.id, request);
      }
      found = await findSession(settings, credentials, isPassive);
      if (typeof found !== "string") fitting = [];
      else await isolation.leave();
    }
  } catch (error) {
    isolation.countFailure(error);
    await isolation.leave();
    throw error;
  }
  if (found === "none" || found === "miss") {
    found = findSkipped(settings, request) ?? found;
  }
  return new Visit(settings, request, isolation, isPassive, found, fitting);
}

/** Finds out, of a request without a session, if the browser has a bound one. */
function findSkipped(
  { device, report }: ManagerSettings,
  { headers }: SessionRequest,
): "skipped" | undefined {
  if (device === undefined) return undefined;
  const header = headers.get("secure-session-skipped");
  const reason = readSkipped(header, device.cookie);
  if (reason === undefined) return undefined;
  report({ type: "skipped", reason });
  return "skipped";
}

/**
 * Finds those of several tokens that fit; reports what is wrong with them.
 *
 * @returns They, and why none opens a session, if it is not one.
 */
async function findFitting(
  settings: ManagerSettings,
  tokens: readonly Token[],
): Promise<[fitting: readonly Credentials[], why: Unopened]> {
  const { report } = settings;
  if (tokens.length > MOST_TOKENS) {
    report({ type: "ambiguous", sessionIds: [] });
    return [[], "ambiguous"];
  }
  const compared = await compareTokens(settings, tokens);
  const { fitting, reused, isUnproven } = compared;
  for (const credentials of reused) await reportReuse(settings, credentials);
  if (fitting.length > 1) {
    report({ type: "ambiguous", sessionIds: fitting.map(({ id }) => id) });
    return [fitting, "ambiguous"];
  }
  if (isUnproven) return [fitting, "unproven"];
  return [fitting, reused.length > 0 ? "reused" : "miss"];
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

/**
 * Finds a session, and marks it accessed when that is due, unless the request is
 * passive.
 *
 * @returns Why it is not opened, if it is not.
 */
async function findSession(
  settings: ManagerSettings,
  credentials: Credentials,
  isPassive: boolean,
): Promise<OpenedSession | Unopened> {
  const { store, recordFormat, touchAfter, rotateEvery, now } = settings;
  const { onInvalid, report, counters } = settings;
  const { id, secretHash } = credentials;
  let lastAccess = now();
  let touchedAt: number | undefined;
  let missing: Unopened = "miss";
  const stored = await store.load(id, {
    onExpired() {
      missing = "expired";
    },
    touch(record, accessedAt) {
      const time = now();
      lastAccess = accessedAt;
      const isTouched = !isPassive &&
        isTouchDue(touchAfter, record, accessedAt, time) &&
        isOpening(matchSecret(record, secretHash, time));
      touchedAt = isTouched ? time : undefined;
      return isTouched;
    },
  });
  if (stored === undefined) return missing;
  if (touchedAt !== undefined) counters.touches++;
  const verified = verify(settings, stored, credentials);
  if (verified === undefined) {
    const matched = matchSecret(stored, secretHash, now());
    if (!isOpening(matched)) {
      const isOld = matched === "reused" || matched === "unproven";
      if (isOld) await reportReuse(settings, credentials);
      if (isBound(stored)) return "unproven";
      return isOld ? "reused" : "wrong_secret";
    }
    report({ type: "unopenable", sessionId: id });
    return "unopenable";
  }
  const { match, secret, record: { user } } = verified;
  let generation: number | undefined;
  if (user !== undefined) {
    generation = await enterGeneration(settings, id, verified.record, user);
    if (generation === undefined) return "revoked";
  }

  let record = verified.record;
  try {
    record = recordFormat.load(id, record);
  } catch (error) {
    if (!(error instanceof SessionDataError) || onInvalid === "throw") {
      throw error;
    }
    report({ type: "invalid", sessionId: id, error });
    return "invalid";
  }
  // The secret before that of a bound session leads to no other.
  const isCurrent = match === "current" || isBound(record);
  return {
    id,
    record,
    lastAccess,
    touchedAt,
    generation,
    credentials: isCurrent
      ? credentials
      : { id, secret, secretHash: record.secretHash! },
    broughtHash: secretHash,
    isHandedOn: !isCurrent,
    isUpkeepDue: verified.isSealOld || isCurrent &&
        dueRotation(record, rotateEvery, now()) !== undefined,
  };
}

/** Deletes the session of a secret that was replaced, if asked to; reports it. */
async function reportReuse(
  { store, report, endOnReuse, now }: ManagerSettings,
  { id, secretHash }: Credentials,
): Promise<void> {
  const ending = endOnReuse && store.update(id, (record) => {
    // A login may have replaced the secret meanwhile.
    const isReused = matchSecret(record, secretHash, now()) === "reused";
    // The browser itself brings one, if it did not get the answer to its proof.
    return isReused && !isBound(record) ? undefined : KEEP;
  });
  try {
    await ending;
  } catch (error) {
    report({ type: "unended", sessionId: id, error });
  }
  report({ type: "reused", sessionId: id });
}
