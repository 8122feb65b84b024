/*
 * All that a user has open, listed and ended. To end them:
 *
 *   1. write his revocation, see core/revocation.ts: from here on no open and no
 *      commit that begins takes one of these sessions
 *   2. list them and delete each, so that the data in them are gone, too
 *
 * A crash in between, or a session that the listing missed, leaves records that
 * the revocation keeps shut; whoever opens one deletes it. A store whose listing may
 * miss some lists again until nothing more turns up.
 */
import { SessionGoneError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import {
  isRevoked,
  readRevocation,
  renewRevocation,
  type Revocation,
  revocationId,
} from "../core/revocation.ts";
import type { SessionStore } from "../core/store.ts";
import type { ManagerSettings } from "./manager_options.ts";

/**
 * One of the sessions that a user has open.
 *
 * @example Devices, and the end of all but this one
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
  /** What `setLabel` called it, or `null`. */
  readonly label: string | null;
}

/** What `revokeUser` takes. */
export interface RevokeUserOptions {
  /**
   * The ID of a session that stays, such as the one that asks. One that is not
   * the user's, or was ended before, is not spared.
   *
   * @default {undefined} all end
   */
  readonly except?: string | undefined;
}

/**
 * Lists the sessions that a user has open, the one accessed last first.
 *
 * @param settings The manager's.
 * @param user The user.
 * @throws {TypeError} If it is no name.
 * @throws What the store throws.
 */
export async function listSessionsOf(
  { store }: ManagerSettings,
  user: string,
): Promise<UserSession[]> {
  checkUser(user, "list sessions");
  const revocation = (await loadRevocations(store, [user])).get(user);
  const sessions: UserSession[] = [];
  for await (const [id, record, lastAccess] of store.entries({ user })) {
    if (isRevoked(id, record, revocation)) continue;
    const { createdAt, label = null } = record;
    sessions.push({ id, createdAt, lastAccess, label });
  }
  return sessions.sort((one, other) => other.lastAccess - one.lastAccess);
}

/**
 * Ends the sessions of a user.
 *
 * @param settings The manager's.
 * @param user The user.
 * @param options See there.
 * @returns How many records this deleted.
 * @throws {TypeError} If it is no name, or `except` is no text.
 * @throws What the store throws.
 */
export async function revokeUser(
  { store, now }: ManagerSettings,
  user: string,
  { except }: RevokeUserOptions,
): Promise<number> {
  checkUser(user, "revoke");
  if (except !== undefined && typeof except !== "string") {
    throw new TypeError("Cannot revoke: except is not text");
  }
  const revocation = await writeRevocation(store, user, (before) => {
    return renewRevocation(before, now(), except);
  });

  let ended = 0;
  for await (const [id, record] of store.entries({ user })) {
    if (!isRevoked(id, record, revocation)) continue;
    if (await deleteRevoked(store, id, { user, revocation })) ended++;
  }
  return ended;
}

/** Replaces the revocation, or creates it, whoever else does so at the moment. */
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

/**
 * Tells whether a session was ended with the others of its user, by one `load`
 * of the store, and deletes it then: no listing has found it.
 *
 * @param settings The manager's.
 * @param id The session ID.
 * @param record Its record.
 * @param user Who is logged in to it.
 * @throws What the store throws.
 */
export async function endIfRevoked(
  { store }: ManagerSettings,
  id: string,
  record: SessionRecord,
  user: string,
): Promise<boolean> {
  const revocation = (await loadRevocations(store, [user])).get(user);
  if (!isRevoked(id, record, revocation)) return false;
  await deleteRevoked(store, id, { user, revocation });
  return true;
}

/** Deletes a session, unless somebody has logged in to it meanwhile. */
async function deleteRevoked(
  store: SessionStore,
  id: string,
  { user, revocation }: { user: string; revocation: Revocation | undefined },
): Promise<boolean> {
  let isIt = false;
  try {
    await store.update(id, (record) => {
      isIt = record.user === user && isRevoked(id, record, revocation);
      // Thrown, since whatever is returned would be written.
      if (!isIt) throw new SessionGoneError(id);
      return undefined;
    });
  } catch (error) {
    if (!(error instanceof SessionGoneError)) throw error;
  }
  return isIt;
}

/** Without a user, the sessions of everybody would be listed. */
function checkUser(user: unknown, act: string): void {
  if (typeof user === "string" && user !== "") return;
  throw new TypeError(`Cannot ${act}: the user is not a name`);
}

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
