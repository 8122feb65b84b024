/*
 * All sessions of a user, listed and revoked. To revoke them:
 *
 *   1. write the user's revocation, see core/revocation.ts: from here on no open
 *      and no commit that begins takes one of these sessions
 *   2. list them and delete each, so that their data is gone, too
 *
 * A crash in between, or a session that the listing missed, leaves records that
 * the revocation keeps shut; a request that brings one deletes it. A store whose
 * listing may miss some lists again until nothing more turns up.
 */
import type { SessionRecord } from "../core/record.ts";
import {
  isRevoked,
  readRevocation,
  renewRevocation,
  type Revocation,
  revocationId,
} from "../core/revocation.ts";
import { KEEP, type SessionStore } from "../core/store.ts";

/**
 * One of the sessions in which a user is signed in.
 *
 * @example Devices, and how to sign out all but this one
 * ```ts
 * import { MemorySessionStore, SessionManager } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const sessions = new SessionManager({ store: new MemorySessionStore() });
 * for (const label of ["Firefox on Linux", "Safari on iPhone"]) {
 *   await sessions.run(new Request("http://localhost/"), (session) => {
 *     session.setUser("ann");
 *     session.setLabel(label);
 *     return new Response();
 *   });
 * }
 * const [mine] = await sessions.sessionsOf("ann");
 * assertEquals(await sessions.revokeUser("ann", { except: mine!.id }), 1);
 * assertEquals(await sessions.sessionsOf("ann"), [mine]);
 * ```
 */
export interface UserSession {
  /** The session ID; it opens nothing. */
  readonly id: string;
  /** When it began, in ms since the epoch. */
  readonly createdAt: number;
  /**
   * When it was last accessed, in ms since the epoch; as exact as the manager's
   * `touchAfter`.
   */
  readonly lastAccess: number;
  /** The name that `setLabel` gave it, or `null`. */
  readonly label: string | null;
}

/** What `revokeUser` takes. */
export interface RevokeUserOptions {
  /**
   * The ID of a session that stays, such as the one of this request. A session
   * that is not the user's, or was revoked before, is not spared.
   *
   * @default {undefined} no session stays
   */
  readonly except?: string | undefined;
}

/** The revocations of some users; a user without one is missing. */
export type Revocations = ReadonlyMap<string, Revocation>;

const NO_REVOCATIONS: Revocations = new Map();

/**
 * Loads the revocations of users.
 *
 * @param store Where they are.
 * @param users The users; `undefined` costs nothing, not even a promise.
 */
export function loadRevocations(
  store: SessionStore,
  ...users: readonly (string | undefined)[]
): Revocations | Promise<Revocations> {
  const isAny = users.some((user) => user !== undefined);
  return isAny ? loadSome(store, users) : NO_REVOCATIONS;
}

async function loadSome(
  store: SessionStore,
  users: readonly (string | undefined)[],
): Promise<Revocations> {
  const revocations = new Map<string, Revocation>();
  for (const user of new Set(users)) {
    if (user === undefined) continue;
    const revocation = await loadRevocation(store, user);
    if (revocation !== undefined) revocations.set(user, revocation);
  }
  return revocations;
}

async function loadRevocation(
  store: SessionStore,
  user: string,
): Promise<Revocation | undefined> {
  return readRevocation(await store.load(revocationId(user)));
}

/**
 * Tells whether a session was revoked with the others of its user.
 *
 * @param id The session ID.
 * @param record Its record.
 * @param revocations Those of the users whose session it may be.
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
 * Tells whether a session was revoked with the others of its user, and deletes
 * it then: no listing has found it.
 *
 * @param store The store.
 * @param id The session ID.
 * @param record Its record.
 * @param user The record's user.
 */
export async function deleteIfRevoked(
  store: SessionStore,
  id: string,
  record: SessionRecord,
  user: string,
): Promise<boolean> {
  const revocation = await loadRevocation(store, user);
  if (!isRevoked(id, record, revocation)) return false;
  await deleteRevoked(store, id, user, revocation);
  return true;
}

/**
 * Lists the sessions of a user, the one accessed last first.
 *
 * @throws {TypeError} If the user is not a name.
 */
export async function listSessionsOf(
  store: SessionStore,
  user: string,
): Promise<UserSession[]> {
  checkUser(user, "list sessions");
  const revocation = await loadRevocation(store, user);
  const sessions: UserSession[] = [];
  for await (const [id, record, lastAccess] of store.entries({ user })) {
    if (isRevoked(id, record, revocation)) continue;
    const { createdAt, label = null } = record;
    sessions.push({ id, createdAt, lastAccess, label });
  }
  return sessions.sort((one, other) => other.lastAccess - one.lastAccess);
}

/**
 * Revokes the sessions of a user.
 *
 * @param store The store.
 * @param user The user.
 * @param now In ms since the epoch.
 * @param except The ID of the session to spare.
 * @returns How many records this deleted.
 * @throws {TypeError} If the user is not a name, or `except` is not a string.
 */
export async function revokeSessionsOf(
  store: SessionStore,
  user: string,
  now: number,
  except: string | undefined,
): Promise<number> {
  checkUser(user, "revoke");
  if (except !== undefined && typeof except !== "string") {
    throw new TypeError("Cannot revoke: except is not a string");
  }
  const revocation = await writeRevocation(
    store,
    user,
    (before) => renewRevocation(before, now, except),
  );
  let deleted = 0;
  for await (const [id, record] of store.entries({ user })) {
    if (!isRevoked(id, record, revocation)) continue;
    if (await deleteRevoked(store, id, user, revocation)) deleted++;
  }
  return deleted;
}

/** Replaces a revocation or creates it, while others may do the same. */
async function writeRevocation(
  store: SessionStore,
  user: string,
  renew: (before: SessionRecord | undefined) => SessionRecord,
): Promise<Revocation> {
  const id = revocationId(user);
  for (;;) {
    const renewed = await store.update(id, renew);
    if (renewed) return readRevocation(renewed)!;
    const first = renew(undefined);
    if (await store.create(id, first)) return readRevocation(first)!;
  }
}

/** Deletes a session, unless a login has changed it meanwhile. */
async function deleteRevoked(
  store: SessionStore,
  id: string,
  user: string,
  revocation: Revocation | undefined,
): Promise<boolean> {
  const kept = await store.update(id, (record) => {
    const isStill = record.user === user && isRevoked(id, record, revocation);
    return isStill ? undefined : KEEP;
  });
  return kept === null;
}

/** Refuses to go on without a user, whose sessions would be those of all. */
function checkUser(user: unknown, act: string): void {
  if (typeof user === "string" && user !== "") return;
  throw new TypeError(`Cannot ${act}: the user is not a name`);
}
