/*
 * A session is in the new store, or else in the old one. It moves in five steps,
 * and whoever wants to write moves it first:
 *
 *   1  look      is it in the old store? If not, there is nothing to move
 *   2  placeholder     create a placeholder in the new store; one of another is replaced
 *   3  read      it, from the old store
 *   4  put       it in the place of the placeholder, if that is still one's own
 *   5  delete    it from the old store
 *
 * A placeholder is no session: who finds one looks in the old store. What is put was
 * read while the placeholder lay there, and whoever else changed, deleted or moved
 * the session meanwhile has first replaced the placeholder. So nobody, however slow,
 * brings back what is gone or sets back what is newer, and no trace is needed
 * of what was deleted.
 *
 * Killed before 4: the session is where it was, and a placeholder is left, which the
 * next replaces. Killed before 5: it is in both, the same. Then step 2 finds a
 * session there, and only step 5 is left to do. It comes before any change, so
 * what is in the old store never is older than what is in the new.
 */
import type {
  RecordChange,
  SessionStore,
  StoreOptions,
  UpdateOptions,
} from "../core/store.ts";
import type { SessionRecord } from "../core/record.ts";
import { system } from "../system/system.ts";

/** In the place of a hash, so that no cookie opens it; no hash is so short. */
const PLACEHOLDER = "placeholder";
/** For what is left by the dead, in ms; who is slower finds his placeholder gone. */
const PLACEHOLDER_LIFE = 60 * 60 * 1000;
const LONGEST_WAIT = 32;

/** Tells that there is something else than was to be changed. */
class OtherKindError extends Error {}

/** A session, and when it was last accessed, in whole ms since the epoch. */
export interface FoundSession {
  readonly record: SessionRecord;
  readonly lastAccess: number;
}

/** Tells whether a record is a placeholder, and so no session. */
export function isPlaceholder({ secretHash }: SessionRecord): boolean {
  return secretHash === PLACEHOLDER;
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
      // A file's has fractions, and one set by hand may lie before 1970.
      lastAccess = Math.max(0, Math.floor(accessedAt));
      return false;
    },
  });
  return record && { record, lastAccess };
}

/**
 * Moves a session to another store, its last access with it. What that has of
 * it already stays.
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
  for (let wait = 1;; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    if (await findSession(from, id, { signal }) === undefined) return false;
    const placeholder = makePlaceholder();
    const isMine = (record: SessionRecord) =>
      record.label === placeholder.label;
    let isThere = false;
    try {
      const placed = await to.create(id, placeholder, { signal }) ||
        await changeIf(isPlaceholder, to, id, () => placeholder, { signal });
      isThere = placed === "other";
      const found = isThere
        ? undefined
        : await findSession(from, id, { signal });
      if (found !== undefined) {
        const { record, lastAccess } = found;
        const options = { signal, lastAccess };
        const put = await changeIf(isMine, to, id, () => record, options);
        isThere = put !== undefined && put !== "other";
      }
    } finally {
      if (!isThere) await changeIf(isMine, to, id, () => undefined, {});
    }
    if (isThere) return await from.delete(id, { signal });
    // Somebody else is at it.
    await system.wait(Math.random() * wait, signal);
  }
}

/**
 * Changes what a store has, if it is of a kind.
 *
 * @param isIt Tells whether it is.
 * @param store Where it is.
 * @param id The session ID.
 * @param change See `update` of a store, as the rest.
 * @param options See there.
 * @returns What `update` does, or `"other"` when it is something else.
 */
export async function changeIf(
  isIt: (record: SessionRecord) => boolean,
  store: SessionStore,
  id: string,
  change: RecordChange,
  options: UpdateOptions,
): Promise<SessionRecord | null | undefined | "other"> {
  try {
    return await store.update(id, (record) => {
      // Thrown, since whatever is returned would be written.
      if (!isIt(record)) throw new OtherKindError();
      return change(record);
    }, options);
  } catch (error) {
    if (error instanceof OtherKindError) return "other";
    throw error;
  }
}

function makePlaceholder(): SessionRecord {
  return {
    data: {},
    createdAt: Date.now(),
    idleTimeout: PLACEHOLDER_LIFE,
    secretHash: PLACEHOLDER,
    label: crypto.randomUUID(),
  };
}
