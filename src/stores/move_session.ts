import type { SessionRecord } from "../core/record.ts";
import type { SessionStore, StoreOptions } from "../core/store.ts";

/** A session, and when it was last accessed, in ms since the epoch. */
export interface FoundSession {
  readonly record: SessionRecord;
  readonly lastAccess: number;
}

/**
 * Loads a session and its last access, and marks nothing.
 *
 * @param store Where it is, if anywhere.
 * @param id The session ID.
 * @param options Ends a wait.
 */
export async function findSession(
  store: SessionStore,
  id: string,
  { signal }: StoreOptions,
): Promise<FoundSession | undefined> {
  let lastAccess = 0;
  const record = await store.load(id, {
    signal,
    touch: (_record, accessedAt) => {
      lastAccess = accessedAt;
      return false;
    },
  });
  return record && { record, lastAccess };
}

/**
 * Moves a session to another store, its last access with it; see
 * `migrating_session_store.ts`. What the other one has of it stays.
 *
 * @param from Where it is, if anywhere.
 * @param to Where it goes.
 * @param id The session ID.
 * @param options Ends a wait.
 * @returns `false` when it was not there.
 * @throws What either store throws; the session is in one of them, or in both.
 */
export async function moveSession(
  from: SessionStore,
  to: SessionStore,
  id: string,
  { signal }: StoreOptions,
): Promise<boolean> {
  const found = await findSession(from, id, { signal });
  if (found === undefined) return false;
  // A file's has fractions, and one that was set by hand may lie before 1970.
  const lastAccess = Math.max(0, Math.floor(found.lastAccess));
  await to.create(id, found.record, { signal, lastAccess });
  return await from.delete(id, { signal });
}
