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
import { SessionUnreadableError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import {
  isRevoked,
  readRevocation,
  renewRevocation,
  type Revocation,
  revocationId,
  takeTurn,
} from "../core/revocation.ts";
import { KEEP } from "../core/store.ts";
import type { ManagedStore } from "./bounded_store.ts";
import type { Session } from "../session/session.ts";
import type { ManagerSettings } from "./manager_options.ts";

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

/**
 * What `revokeUser` takes.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 */
export interface RevokeUserOptions<
  Data extends object = Record<string, unknown>,
> {
  /**
   * A session that stays, by its ID or as the `Session` of this request; with the
   * latter this request may sign the user in. A session that is not the user's,
   * or was revoked before, is not spared.
   *
   * @default {undefined} no session stays
   */
  readonly except?: string | Session<Data> | undefined;
}

/** The revocations of some users; a user without one is missing. */
export type Revocations = ReadonlyMap<string, Revocation>;

const NO_REVOCATIONS: Revocations = new Map();
/** Stands for one that cannot be read: it shuts every session of the user. */
const UNREADABLE: Revocation = { generation: Infinity };
/** How often to try what only fails when another process comes between. */
const MOST_TRIES = 100;

/**
 * Loads the revocations of users.
 *
 * @param store Where they are.
 * @param users The users; `undefined` costs nothing, not even a promise.
 */
export function loadRevocations(
  store: ManagedStore,
  ...users: readonly (string | undefined)[]
): Revocations | Promise<Revocations> {
  const isAny = users.some((user) => user !== undefined);
  return isAny ? loadSome(store, users) : NO_REVOCATIONS;
}

/**
 * Loads the revocation of a user where neither the end of a session nor a new
 * secret may rest on one that cannot be read.
 *
 * @throws {SessionUnreadableError} If there is one that cannot be read.
 */
export async function loadReadableRevocations(
  store: ManagedStore,
  user: string | undefined,
): Promise<Revocations> {
  const revocations = await loadRevocations(store, user);
  if (user !== undefined) readable(revocations.get(user), user);
  return revocations;
}

async function loadSome(
  store: ManagedStore,
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

function loadRevocation(
  store: ManagedStore,
  user: string,
): Promise<Revocation | undefined> {
  return store.load(revocationId(user), { mustBeReadable: true })
    .then(readRevocation, shutUnreadable);
}

function shutUnreadable(error: unknown): Revocation {
  if (error instanceof SessionUnreadableError) return UNREADABLE;
  throw error;
}

/**
 * Returns the revocation of a user who signs in, or whose session is about to get
 * a new secret.
 *
 * @throws {SessionUnreadableError} If there is one that cannot be read.
 */
export function readable(
  revocation: Revocation | undefined,
  user: string,
): Revocation | undefined {
  if (revocation !== UNREADABLE) return revocation;
  throw new SessionUnreadableError(revocationId(user));
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
 * Finds out to which generation of its user's sessions a request belongs, and
 * deletes a session that was revoked: no listing has found it.
 *
 * @param settings The manager's.
 * @param id The session ID.
 * @param record Its record.
 * @param user The record's user.
 * @returns The newest generation, 0 for the first; `undefined` when the session
 * was revoked, or that cannot be told.
 */
export async function enterGeneration(
  { store, report }: ManagerSettings,
  id: string,
  record: SessionRecord,
  user: string,
): Promise<number | undefined> {
  const revocation = await loadRevocation(store, user);
  if (!isRevoked(id, record, revocation)) return revocation?.generation ?? 0;
  // It may be mended.
  if (revocation === UNREADABLE) return undefined;
  await deleteRevoked(store, id, user, revocation).catch((error) =>
    report({ type: "unended", sessionId: id, error })
  );
  return undefined;
}

/**
 * Loads the newest generation of a user's sessions.
 *
 * @returns 0 for the first.
 * @throws {TypeError} If the user is not a name.
 * @throws {SessionUnreadableError} If the user's revocation cannot be read.
 */
export async function loadGeneration(
  store: ManagedStore,
  user: string,
): Promise<number> {
  checkUser(user, "begin a login");
  const revocation = await loadRevocation(store, user);
  return readable(revocation, user)?.generation ?? 0;
}

/**
 * Lists the sessions of a user, the one accessed last first.
 *
 * @throws {TypeError} If the user is not a name.
 */
export async function listSessionsOf(
  store: ManagedStore,
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
 * Begins a new generation of a user's sessions, which ends all earlier ones, and
 * deletes those.
 *
 * @param settings The manager's.
 * @param user The user.
 * @param except The ID of the session to spare.
 * @param onBegun Is told the generation, before any session is deleted.
 * @returns How many it deleted.
 * @throws {TypeError} If the user is not a name, or `except` is not a string.
 * @throws What the store throws; what can be found is deleted all the same.
 */
export async function revokeSessions(
  { store, now, report }: ManagerSettings,
  user: string,
  except: string | undefined,
  onBegun: (generation: number) => void,
): Promise<number> {
  checkUser(user, "revoke");
  if (except !== undefined && typeof except !== "string") {
    throw new TypeError(
      "Cannot revoke: except is neither a session ID nor a session",
    );
  }
  const moment = { turn: takeTurn(), at: now() };
  const renew = (before: SessionRecord | undefined) =>
    renewRevocation(before, moment, except);
  let revocation: Revocation;
  try {
    revocation = await writeRevocation(store, user, renew);
  } catch (error) {
    // No room, or a mark of a later version.
    const spared = except !== undefined &&
      { except: { id: except, generation: 0 } };
    await deleteEarlier(store, user, { ...UNREADABLE, ...spared }).catch(
      (other) =>
        report({
          type: "unended",
          sessionId: revocationId(user),
          error: other,
        }),
    );
    throw error;
  }
  onBegun(revocation.generation);
  try {
    return await deleteEarlier(store, user, revocation);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot delete the sessions of a user, all of which are shut already: ${why}`,
      { cause },
    );
  }
}

/** Deletes the sessions of a user that were revoked; returns how many. */
async function deleteEarlier(
  store: ManagedStore,
  user: string,
  revocation: Revocation,
): Promise<number> {
  let deleted = 0;
  for await (const [id, record] of store.entries({ user })) {
    if (!isRevoked(id, record, revocation)) continue;
    if (await deleteRevoked(store, id, user, revocation)) deleted++;
  }
  return deleted;
}

/** Replaces a revocation or creates it, while others may do the same. */
async function writeRevocation(
  store: ManagedStore,
  user: string,
  renew: (before: SessionRecord | undefined) => SessionRecord,
): Promise<Revocation> {
  const id = revocationId(user);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const renewed = await store.update(id, renew);
    if (renewed) return readRevocation(renewed)!;
    // Also in place of one that cannot be read.
    const first = renew(undefined);
    if (await store.create(id, first)) return readRevocation(first)!;
  }
  throw new Error(
    `Cannot revoke: the store neither finds nor creates ${id}, in ${MOST_TRIES} tries`,
  );
}

/** Deletes a session, unless a login has changed it meanwhile. */
async function deleteRevoked(
  store: ManagedStore,
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
