import { hashSecret, parseToken } from "../core/token.ts";
import type { Credentials } from "./rotation.ts";
import { findSession, type FoundSession } from "./open.ts";
import type { Isolation } from "./isolation.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { isOpening, matchSecret } from "./rotation.ts";

/**
 * Finds the session that a request asks for, as {@linkcode findSession} does;
 * for an exclusive request after it has waited for the others.
 *
 * @param settings The manager's.
 * @param request The request.
 * @param isolation How far it is to be kept apart.
 * @returns The session, which is locked then; `undefined` when there is none
 * for this request, and nothing is locked; no promise when it has no token.
 * @throws {SessionLockTimeoutError} If the others take too long.
 * @throws The reason of the request's signal, if it is aborted meanwhile; what
 * the store throws.
 */
export function findIsolated(
  settings: ManagerSettings,
  request: Request,
  isolation: Isolation,
): Promise<FoundSession | undefined> | undefined {
  const value = settings.transport.read(request.headers);
  const token = value === undefined ? undefined : parseToken(value);
  if (token === undefined) return undefined;
  const credentials = { ...token, secretHash: hashSecret(token.secret) };
  return isolation.needsLock
    ? findLocked(settings, request, isolation, credentials)
    : findSession(settings, credentials);
}

async function findLocked(
  settings: ManagerSettings,
  request: Request,
  isolation: Isolation,
  credentials: Credentials,
): Promise<FoundSession | undefined> {
  if (await isGood(settings, credentials)) {
    await isolation.enter(settings.store, credentials.id, request);
  }
  let found: FoundSession | undefined;
  try {
    found = await findSession(settings, credentials);
  } finally {
    if (found === undefined) await isolation.leave();
  }
  return found;
}

/** Who has no secret of a session waits for nobody, and nobody for him. */
async function isGood(
  { store, now }: ManagerSettings,
  { id, secretHash }: Credentials,
): Promise<boolean> {
  const record = await store.load(id);
  return record !== undefined &&
    isOpening(matchSecret(record, secretHash, now()));
}
