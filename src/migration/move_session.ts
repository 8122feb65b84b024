/*
 * A session is in the new store or, if it is not there, in the old one. It moves
 * in six steps:
 *
 *   1  look         whether the old store has the session; if not, stop
 *   2  placeholder  create one in the new store, or replace that of another call
 *   3  freeze       mark the session in the old store: it is not changed there now
 *   4  read         the session from the old store
 *   5  put          it in place of the placeholder, if that is still one's own
 *   6  delete       it from the old store
 *
 * A placeholder is not a session: a call that finds one looks in the old store,
 * where a frozen session still is one, to be read. Step 4 reads while the
 * placeholder is there, and any other call that changes, deletes or moves the
 * session replaces or removes the placeholder first. So a slow call can neither
 * bring back a deleted session nor overwrite a newer one, and a deleted session
 * needs no record of its deletion.
 *
 * After a crash before step 5 the session is in the old store, and the next call
 * replaces the placeholder. After a crash before step 6 both stores have the
 * same session: the next call finds it in step 2, and only step 6 is left. No
 * call changes the session before step 6, so the two copies never differ.
 *
 * Servers of the first phase, beside those that know the old store alone, change
 * what is not frozen in the old store. What is frozen they move, step 6 included,
 * before they change it in the new store; without that, they would undo changes.
 */
import type { SessionRecord } from "../core/record.ts";
import {
  KEEP,
  type RecordChange,
  type SessionStore,
  type StoreOptions,
  type UpdateOptions,
} from "../core/store.ts";
import { Conflicts, Pacer } from "../system/waiting.ts";

/** In place of the hash of a secret: no cookie opens it, as no hash is so short. */
const PLACEHOLDER = "placeholder";
/** When a placeholder that a crash left expires, in ms; a slower move begins anew. */
const PLACEHOLDER_LIFE = 60 * 60 * 1000;

/** What {@linkcode migrateSessions} takes. */
export interface MigrationOptions extends StoreOptions {
  /**
   * Called after each session with the number of sessions moved so far.
   *
   * @default {undefined}
   */
  readonly onProgress?: ((moved: number) => void) | undefined;
}

/**
 * Moves all sessions from one store to another, with their lifetimes and last
 * accesses, until the old store has none. Servers may run meanwhile if each of
 * them uses a `MigratingSessionStore` of the two stores; for a server that uses
 * the old store alone, sessions disappear. After a crash, call it again: it
 * moves what is left.
 *
 * @param from The old store.
 * @param to The new store.
 * @param options A callback for progress, and a signal that ends waits.
 * @returns How many sessions this call moved.
 * @throws What either store throws, for example when a session is too large for
 * the new store. No session is lost then, and the others can still be moved.
 *
 * @example From a directory to SQLite
 * ```ts
 * import {
 *   DirectorySessionStore,
 *   migrateSessions,
 *   SqliteSessionStore,
 * } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const from = new DirectorySessionStore(directory);
 * await from.save("0123456789abcdef", { data: {}, createdAt: Date.now() });
 *
 * using to = new SqliteSessionStore(":memory:");
 * assertEquals(await migrateSessions(from, to), 1);
 * assertEquals(await to.has("0123456789abcdef"), true);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function migrateSessions(
  from: SessionStore,
  to: SessionStore,
  options: MigrationOptions = {},
): Promise<number> {
  const { signal, onProgress } = options;
  await to.setup();
  let moved = 0;
  // Between two stores that answer at once no other flow would run.
  const pacer = new Pacer();
  for (;;) {
    let found = 0;
    // One listing may miss some.
    for await (const [id] of from.entries({ signal })) {
      if (pacer.isDue) await pacer.pause();
      signal?.throwIfAborted();
      found++;
      if (!await moveSession(from, to, id, { signal })) continue;
      moved++;
      onProgress?.(moved);
    }
    if (found === 0) return moved;
  }
}

/**
 * Moves one session to another store, with its last access. If that store has
 * the session already, it is only deleted from the old one.
 *
 * @param isOnlyFrozen Whether to leave one that no other call has begun to move.
 * @returns `false` when the old store does not have it.
 * @throws What either store throws; at least one of them still has the session.
 */
export async function moveSession(
  from: SessionStore,
  to: SessionStore,
  id: string,
  { signal }: StoreOptions,
  isOnlyFrozen = false,
): Promise<boolean> {
  const conflicts = new Conflicts(id, signal);
  for (;;) {
    const old = await findSession(from, id, { signal });
    if (old === undefined) return false;
    if (isOnlyFrozen && !isFrozen(old.record)) return false;
    const placeholder = await Placeholder.put(to, id, { signal });
    let isMoved = placeholder === undefined;
    try {
      const found = isMoved
        ? undefined
        : await freezeSession(from, id, { signal });
      if (found !== undefined) {
        const { record, lastAccess } = found;
        isMoved = await placeholder!.replace(record, { signal, lastAccess });
      }
    } finally {
      if (!isMoved) await placeholder!.remove();
    }
    if (isMoved) return await from.delete(id, { signal });
    // Another call works on the same session.
    await conflicts.wait();
  }
}

/** Freezes a session, and returns it as it was before. */
async function freezeSession(
  from: SessionStore,
  id: string,
  options: StoreOptions,
): Promise<{ record: SessionRecord; lastAccess: number } | undefined> {
  await from.update(
    id,
    (record) => isFrozen(record) ? KEEP : { ...record, isMoving: true },
    { ...options, lastAccess: "unchanged" },
  );
  const found = await findSession(from, id, options);
  return found && { ...found, record: thaw(found.record) };
}

/** Loads a session with its last access, in whole ms, and marks nothing. */
export async function findSession(
  store: SessionStore,
  id: string,
  { signal }: StoreOptions,
): Promise<{ record: SessionRecord; lastAccess: number } | undefined> {
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

/** A record of a call in the place of a session that is not there yet. */
export class Placeholder {
  readonly #store: SessionStore;
  readonly #id: string;
  readonly #label: string = crypto.randomUUID();

  private constructor(store: SessionStore, id: string) {
    this.#store = store;
    this.#id = id;
  }

  /**
   * Creates a placeholder, or puts it in place of that of another call.
   *
   * @returns `undefined`, and nothing changed, when there is a session.
   */
  static async put(
    store: SessionStore,
    id: string,
    { signal }: StoreOptions,
  ): Promise<Placeholder | undefined> {
    const placeholder = new Placeholder(store, id);
    const record = placeholder.#record;
    const conflicts = new Conflicts(id, signal);
    for (;;) {
      if (await store.create(id, record, { signal })) return placeholder;
      const put = await changeIf(isPlaceholder, store, id, () => record, {
        signal,
      });
      if (put === "other") return undefined;
      if (put !== undefined) return placeholder;
      await conflicts.wait();
    }
  }

  /** Puts a session in its place; `false` when it is no longer there. */
  async replace(
    record: SessionRecord,
    options: UpdateOptions,
  ): Promise<boolean> {
    const put = await this.#change(() => record, options);
    return put !== undefined && put !== "other";
  }

  /** Removes it; `false` when it is no longer there. */
  async remove(): Promise<boolean> {
    return await this.#change(() => undefined, {}) === null;
  }

  get #record(): SessionRecord {
    return {
      data: {},
      createdAt: Date.now(),
      idleTimeout: PLACEHOLDER_LIFE,
      secretHash: PLACEHOLDER,
      label: this.#label,
    };
  }

  #change(
    change: RecordChange,
    options: UpdateOptions,
  ): ReturnType<typeof changeIf> {
    const isOwn = ({ label }: SessionRecord) => label === this.#label;
    return changeIf(isOwn, this.#store, this.#id, change, options);
  }
}

/** Updates a record if it is of the right kind; else resolves to `"other"`. */
export async function changeIf(
  isRight: (record: SessionRecord) => boolean,
  store: SessionStore,
  id: string,
  change: RecordChange,
  options: UpdateOptions,
): Promise<SessionRecord | null | undefined | "other"> {
  let isOther = false;
  const kept = await store.update(id, (record) => {
    // Called again, it may be given another record.
    isOther = !isRight(record);
    return isOther ? KEEP : change(record);
  }, options);
  return isOther && kept !== undefined ? "other" : kept;
}

/** Tells whether a record is a placeholder, and so not a session. */
export function isPlaceholder({ secretHash }: SessionRecord): boolean {
  return secretHash === PLACEHOLDER;
}

/** Tells whether a session is on its way, and must not be changed where it is. */
export function isFrozen({ isMoving = false }: SessionRecord): boolean {
  return isMoving;
}

/** Returns a session without the mark of one that is on its way. */
export function thaw(record: SessionRecord): SessionRecord {
  if (!isFrozen(record)) return record;
  const { isMoving: _, ...rest } = record;
  return rest;
}
