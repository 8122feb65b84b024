import { isRevoked, type Mark, markId, readMark } from "../core/revocation.ts";
import type { SessionRecord } from "../core/record.ts";
import type { SessionStore } from "../core/store.ts";

/** The marks of some users; whose sessions were never revoked has none. */
export type UserMarks = ReadonlyMap<string, Mark>;

const NO_MARKS: UserMarks = new Map();

/**
 * Loads the marks of users, for one `load` of the store each.
 *
 * @param store Where they are.
 * @param users The users; `undefined` is nobody, and costs nothing, not even a
 * promise.
 * @throws What the store throws.
 */
export function loadMarks(
  store: SessionStore,
  users: readonly (string | undefined)[],
): UserMarks | Promise<UserMarks> {
  const isNobody = users.every((user) => user === undefined);
  return isNobody ? NO_MARKS : loadSome(store, users);
}

async function loadSome(
  store: SessionStore,
  users: readonly (string | undefined)[],
): Promise<UserMarks> {
  const marks = new Map<string, Mark>();
  for (const user of new Set(users)) {
    if (user === undefined) continue;
    const id = markId(user);
    if (!await store.has(id)) continue;
    const mark = readMark(await store.load(id));
    if (mark !== undefined) marks.set(user, mark);
  }
  return marks;
}

/**
 * Tells whether a session was ended with the others of its user.
 *
 * @param id The session ID.
 * @param record Its record.
 * @param marks The marks of those who may be logged in to it.
 */
export function isSignedOut(
  id: string,
  record: SessionRecord,
  marks: UserMarks,
): boolean {
  const { user } = record;
  return user !== undefined && isRevoked(id, record, marks.get(user));
}

/**
 * Logs a user in to a record, or out: what was revoked before is over, and
 * this login is not part of it.
 *
 * @param record The record.
 * @param user Who is logged in from now on, if anybody is.
 * @param marks The marks, with his.
 */
export function bindUser(
  record: SessionRecord,
  user: string | undefined,
  marks: UserMarks,
): SessionRecord {
  const { user: _user, userGeneration: _userGeneration, ...rest } = record;
  if (user === undefined) return rest;
  const userGeneration = marks.get(user)?.generation;
  return {
    ...rest,
    user,
    ...(userGeneration !== undefined && { userGeneration }),
  };
}
