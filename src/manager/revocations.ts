import {
  isRevoked,
  readRevocation,
  type Revocation,
  revocationId,
} from "../core/revocation.ts";
import type { SessionRecord } from "../core/record.ts";
import type { SessionStore } from "../core/store.ts";

/** The revocations of some users; whose sessions were never revoked has none. */
export type Revocations = ReadonlyMap<string, Revocation>;

const NO_REVOCATIONS: Revocations = new Map();

/**
 * Loads the revocations of users, for one `load` of the store each.
 *
 * @param store Where they are.
 * @param users The users; `undefined` is nobody, and costs nothing, not even a
 * promise.
 * @throws What the store throws.
 */
export function loadRevocations(
  store: SessionStore,
  users: readonly (string | undefined)[],
): Revocations | Promise<Revocations> {
  const isNobody = users.every((user) => user === undefined);
  return isNobody ? NO_REVOCATIONS : loadSome(store, users);
}

async function loadSome(
  store: SessionStore,
  users: readonly (string | undefined)[],
): Promise<Revocations> {
  const revocations = new Map<string, Revocation>();
  for (const user of new Set(users)) {
    if (user === undefined) continue;
    const id = revocationId(user);
    if (!await store.has(id)) continue;
    const revocation = readRevocation(await store.load(id));
    if (revocation !== undefined) revocations.set(user, revocation);
  }
  return revocations;
}

/**
 * Tells whether a session was ended with the others of its user.
 *
 * @param id The session ID.
 * @param record Its record.
 * @param revocations The revocations of those who may be logged in to it.
 */
export function isSignedOut(
  id: string,
  record: SessionRecord,
  revocations: Revocations,
): boolean {
  const { user } = record;
  return user !== undefined && isRevoked(id, record, revocations.get(user));
}

/**
 * Logs a user in to a record, or out: what was revoked before is over, and
 * this login is not part of it.
 *
 * @param record The record.
 * @param user Who is logged in from now on, if anybody is.
 * @param revocations The revocations, with his.
 */
export function bindUser(
  record: SessionRecord,
  user: string | undefined,
  revocations: Revocations,
): SessionRecord {
  const { user: _user, userGeneration: _userGeneration, ...rest } = record;
  if (user === undefined) return rest;
  const userGeneration = revocations.get(user)?.generation;
  return {
    ...rest,
    user,
    ...(userGeneration !== undefined && { userGeneration }),
  };
}
