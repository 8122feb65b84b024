import { SessionGoneError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { createSecret, hashSecret, isSameHash } from "../core/token.ts";
import { clearCookie, writeCookie } from "./cookie.ts";
import { isHttps } from "./is_https.ts";
import type { ManagerSettings } from "./manager_options.ts";
import type { SessionChange, SessionState, Visit } from "./session_state.ts";

/** What the last run of a change made of the record. */
type Outcome = "not run" | "ended" | "kept";

/**
 * Does to the stored record what a request did to its session, in one step of
 * the store, and brings session and visit up to date.
 *
 * @param settings The manager's.
 * @param visit How the request came.
 * @param state What lies behind the session.
 * @param change What the request did.
 * @returns A `Set-Cookie` header, or `undefined` when the browser has nothing
 * to learn.
 * @throws {SessionGoneError} If the record is gone, or has another secret.
 * @throws What the store throws.
 */
export function commitChange(
  settings: ManagerSettings,
  visit: Visit,
  state: SessionState,
  change: SessionChange,
): Promise<string | undefined> {
  const { secretHash } = visit;
  return secretHash === undefined
    ? createRecord(settings, visit, state, change)
    : updateRecord(settings, visit, state, change, secretHash);
}

async function createRecord(
  settings: ManagerSettings,
  visit: Visit,
  state: SessionState,
  change: SessionChange,
): Promise<string | undefined> {
  const { store, idleTimeout, absoluteTimeout } = settings;
  const { createdAt } = state;
  const record = change.apply({
    data: {},
    createdAt,
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(absoluteTimeout !== undefined &&
      { expiresAt: createdAt + absoluteTimeout }),
  });
  if (record === undefined) return undefined;

  const { id } = state;
  const secret = createSecret();
  const secretHash = hashSecret(secret);
  if (!await store.create(id, { ...record, secretHash })) {
    throw new Error(`Cannot create session ${id}: its ID is taken`);
  }
  visit.secretHash = secretHash;
  state.finish(record);
  return setCookie(settings, visit, id + secret, record);
}

async function updateRecord(
  settings: ManagerSettings,
  visit: Visit,
  state: SessionState,
  change: SessionChange,
  secretHash: string,
): Promise<string | undefined> {
  const { id } = state;
  const secret = change.isRegenerated ? createSecret() : undefined;
  const newHash = secret === undefined ? secretHash : hashSecret(secret);
  let outcome = "not run" as Outcome;
  const kept = await settings.store.update(id, (record) => {
    // Thrown, since whatever is returned would be written.
    if (!isSameHash(secretHash, record.secretHash)) {
      throw new SessionGoneError(id);
    }
    const merged = change.isDestroyed ? undefined : change.apply(record);
    outcome = merged === undefined ? "ended" : "kept";
    return merged && { ...merged, secretHash: newHash };
  });

  const isGone = kept === undefined && outcome !== "ended";
  if (isGone && !change.isDestroyed) throw new SessionGoneError(id);
  visit.secretHash = kept && newHash;
  state.finish(kept);
  // Only who ended the session clears the cookie: one who merely found it gone
  // could wipe the new cookie that a parallel request has just been given.
  if (isGone) return undefined;
  if (kept === undefined) {
    return clearCookie(settings.cookie, howItCame(settings, visit));
  }
  return secret && setCookie(settings, visit, id + secret, kept);
}

function setCookie(
  settings: ManagerSettings,
  visit: Visit,
  token: string,
  { expiresAt }: SessionRecord,
): string {
  const maxAge = expiresAt === undefined
    ? undefined
    : expiresAt - settings.now();
  const options = { ...howItCame(settings, visit), maxAge };
  return writeCookie(settings.cookie, token, options);
}

function howItCame(
  { trustProxy }: ManagerSettings,
  { request }: Visit,
): { isHttps: boolean } {
  return { isHttps: isHttps(request, trustProxy) };
}
