/*
 * A session is three keys, which change at one instant:
 *
 *   [prefix, "session", id]    the record, JSON in UTF-8
 *   [prefix, "access", id]     { lastAccess, tag, expiresAt }, JSON in UTF-8
 *   [prefix, "user", tag, id]  true, if the session has a user
 *
 * A touch writes the second alone. The database deletes all three some time
 * after the absolute end of a session, if it has one. When a session expires by
 * its idle timeout is not known before, so that is left to the cleanup.
 *
 * A value is written as bytes: Deno takes longer to bring an object over.
 */
import { SessionTooLargeError } from "../core/errors.ts";
import { parseJson } from "../core/record.ts";
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import { Conflicts } from "../system/waiting.ts";
import { untilUnlocked } from "./locked_database.ts";
import {
  type EngineAccess,
  type EngineRow,
  expireIn,
  type NewEngineRow,
  type SessionEngine,
} from "./session_engine.ts";

/** What {@linkcode KvSessionStore} takes. */
export interface KvSessionStoreOptions extends EngineStoreOptions {
  /**
   * What all keys begin with. Managers that are not to share their sessions
   * have one each.
   *
   * @default {"latchkey"}
   */
  readonly prefix?: string | undefined;
}

/** What a store uses of a `Deno.Kv`. */
export interface KvDatabase {
  /** Reads keys, at one instant. */
  getMany(keys: (readonly string[])[]): Promise<
    { readonly value: unknown; readonly versionstamp: string | null }[]
  >;
  /** Streams the keys that begin with a prefix, from one on. */
  list(
    selector: { prefix: readonly string[]; start?: readonly string[] },
    options?: { limit?: number },
  ): AsyncIterable<{ readonly key: readonly unknown[] }>;
  /** Begins to change several keys at one instant. */
  atomic(): {
    /** Makes the change fail unless a key is as it was. */
    check(check: {
      key: readonly string[];
      versionstamp: string | null;
    }): unknown;
    /** Sets a key. */
    set(
      key: readonly string[],
      value: unknown,
      options?: { expireIn?: number },
    ): unknown;
    /** Deletes a key. */
    delete(key: readonly string[]): unknown;
    /** Makes the whole change, or none of it. */
    commit(): Promise<{ ok: boolean }>;
  };
}

/**
 * Keeps sessions in a `Deno.Kv`, in a file or on Deno Deploy. An index finds
 * the sessions of a user.
 *
 * The store borrows the open database and does not close it. It refuses a
 * record of more than 65,536 bytes, the most that a value may have, with a
 * `SessionTooLargeError`. The database deletes by itself the sessions whose
 * absolute end has passed; those that expire by their idle timeout are deleted
 * by `deleteOldSessions`, which reads all sessions.
 *
 * Any number of processes on a machine may open a file. While one of them
 * writes, Deno tells another that the database is locked; the store then tries
 * again, for five seconds. `Deno.openKv` itself throws "database is locked" when
 * another process is making the file at that moment: call it again. On Deno Deploy
 * any number of isolates share one database. There are no locks, so a manager on
 * it cannot be `exclusive`.
 *
 * `Deno.Kv` needs `--unstable-kv`, or `"unstable": ["kv"]` in deno.json.
 *
 * @example A session in memory
 * ```ts
 * import { KvSessionStore, SessionManager, signIn } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * using kv = await Deno.openKv(":memory:");
 * const store = new KvSessionStore(kv);
 * const sessions = new SessionManager({ store, absoluteTimeout: 86_400_000 });
 * await signIn(sessions, "ann");
 * assertEquals((await sessions.sessionsOf("ann")).length, 1);
 * ```
 */
export class KvSessionStore extends EngineSessionStore {
  /** Any number of processes on a machine, or isolates on Deno Deploy. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers, each with the database opened for itself. */
  override readonly isThreadSafe = true;
  /** The most bytes of a value: https://docs.deno.com/deploy/kv/manual */
  readonly largestRecord: number = LARGEST_VALUE;

  /**
   * Makes a store; it does no I/O.
   *
   * @param kv The open database.
   * @param options The prefix of the keys, and the clock.
   * @throws {TypeError} If the prefix is not a string, or empty, or what is given
   * is not a `Deno.Kv`.
   *
   * @example A prefix of its own
   * ```ts
   * import { KvSessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * using kv = await Deno.openKv(":memory:"); // or the path of a file
   * const [customers, staff] = ["customers", "staff"].map((prefix) =>
   *   new KvSessionStore(kv, { prefix })
   * );
   * const id = "0123456789abcdef";
   * await customers!.save(id, { data: {}, createdAt: Date.now() });
   * assertEquals(await customers!.has(id), true);
   * assertEquals(await staff!.has(id), false);
   * ```
   */
  constructor(kv: KvDatabase, options: KvSessionStoreOptions = {}) {
    const { prefix = "latchkey" } = options;
    if (typeof prefix !== "string" || prefix === "") {
      throw new TypeError("Cannot use prefix: it is not a string, or empty");
    }
    const isKv = ["getMany", "list", "atomic"].every((name) =>
      typeof kv?.[name as keyof KvDatabase] === "function"
    );
    if (!isKv) {
      throw new TypeError(
        "Cannot use kv: it is not what Deno.openKv() returns",
      );
    }
    super(new KvEngine(kv, prefix), options);
  }
}

const LARGEST_VALUE = 65_536;

const KEYS_AT_A_TIME = 100;
/** No user has it. */
const NO_TAG = "";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What the second key of a session holds. */
interface StoredAccess {
  readonly lastAccess: number;
  readonly tag: string | null;
  readonly expiresAt: number | null;
}

/** The versionstamps of the first two keys, and what the second one holds. */
interface KvRevision {
  readonly session: string;
  readonly access: string | null;
  readonly tag: string | null;
  readonly expiresAt: number | null;
}

type Change = ReturnType<KvDatabase["atomic"]>;

class KvEngine implements SessionEngine {
  readonly #kv: KvDatabase;
  readonly #prefix: string;

  constructor(kv: KvDatabase, prefix: string) {
    this.#kv = kv;
    this.#prefix = prefix;
  }

  /** Makes each kind of call that the store makes, on a key that no session has. */
  async setup(): Promise<void> {
    const id = "setup";
    try {
      const change = this.#changeOf(id, await this.read(id), true);
      change.delete(this.#session(id));
      await isCommitted(change);
      for await (const _row of this.rows(NO_TAG));
    } catch (error) {
      if ((error as Error).name !== "BadResource") throw error;
      throw new TypeError("Cannot keep sessions in Deno.Kv: it is closed", {
        cause: error,
      });
    }
  }

  async read(id: string): Promise<EngineRow | undefined> {
    const keys = [this.#session(id), this.#access(id)];
    const [session, access] = await untilUnlocked(() => this.#kv.getMany(keys));
    if (!session?.versionstamp) return undefined;
    const parsed = parseJson(readText(access?.value));
    const { lastAccess = 0, tag = null, expiresAt = null }: Partial<
      StoredAccess
    > = typeof parsed === "string" ? {} : parsed;
    const revision: KvRevision = {
      session: session.versionstamp,
      access: access!.versionstamp,
      tag,
      expiresAt,
    };
    return { json: readText(session.value), lastAccess, revision };
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
    isUntouched = false,
  ): Promise<boolean> {
    const { lastAccess, tag, expiresAt, json } = row;
    const value = encoder.encode(json);
    if (value.length > LARGEST_VALUE) {
      throw new SessionTooLargeError(id, value.length, LARGEST_VALUE);
    }
    const change = this.#changeOf(id, expected, isUntouched);
    change.set(this.#session(id), value, lifeOf(expiresAt));
    this.#setAccess(change, id, { lastAccess, tag, expiresAt });
    const before = expected === undefined ? null : revisionOf(expected).tag;
    if (before !== null && before !== tag) {
      change.delete(this.#user(before, id));
    }
    if (tag !== null) {
      change.set(this.#user(tag, id), true, lifeOf(expiresAt));
    }
    return await isCommitted(change);
  }

  async touch(
    id: string,
    { lastAccess }: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> {
    const { tag, expiresAt } = revisionOf(expected);
    const change = this.#changeOf(id, expected, true);
    this.#setAccess(change, id, { lastAccess, tag, expiresAt });
    return await isCommitted(change);
  }

  async remove(
    id: string,
    expected?: EngineRow,
  ): Promise<EngineRow | undefined> {
    const conflicts = new Conflicts(id, undefined);
    for (;;) {
      const row = expected ?? await this.read(id);
      if (row === undefined) return undefined;
      const { tag } = revisionOf(row);
      const change = this.#changeOf(id, row, true);
      change.delete(this.#session(id));
      change.delete(this.#access(id));
      if (tag !== null) change.delete(this.#user(tag, id));
      if (await isCommitted(change)) return row;
      if (expected !== undefined) return undefined;
      await conflicts.wait();
    }
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: EngineRow]> {
    const prefix = tag === undefined
      ? [this.#prefix, "session"]
      : [this.#prefix, "user", tag];
    for (let start: string[] | undefined;;) {
      const selector = start === undefined ? { prefix } : { prefix, start };
      const entries = await untilUnlocked(() =>
        Array.fromAsync(this.#kv.list(selector, { limit: KEYS_AT_A_TIME }))
      );
      for (const { key } of entries) {
        const id = key.at(-1) as string;
        const row = await this.read(id);
        if (row !== undefined) yield [id, row];
        start = [...prefix, `${id}\0`];
      }
      if (entries.length < KEYS_AT_A_TIME) return;
    }
  }

  /** Begins a change that fails unless the row is what was read. */
  #changeOf(
    id: string,
    expected: EngineRow | undefined,
    isUntouched: boolean,
  ): Change {
    const { session = null, access = null } = expected === undefined
      ? {}
      : revisionOf(expected);
    const change = this.#kv.atomic();
    change.check({ key: this.#session(id), versionstamp: session });
    if (isUntouched) {
      change.check({ key: this.#access(id), versionstamp: access });
    }
    return change;
  }

  #setAccess(change: Change, id: string, access: StoredAccess): void {
    const value = encoder.encode(JSON.stringify(access));
    change.set(this.#access(id), value, lifeOf(access.expiresAt));
  }

  #session(id: string): string[] {
    return [this.#prefix, "session", id];
  }

  #access(id: string): string[] {
    return [this.#prefix, "access", id];
  }

  #user(tag: string, id: string): string[] {
    return [this.#prefix, "user", tag, id];
  }
}

function revisionOf(row: EngineRow): KvRevision {
  return row.revision as KvRevision;
}

async function isCommitted(change: Change): Promise<boolean> {
  return (await untilUnlocked(() => change.commit())).ok;
}

/** Returns an empty text for a value that is not the store's. */
function readText(value: unknown): string {
  return value instanceof Uint8Array ? decoder.decode(value) : "";
}

function lifeOf(expiresAt: number | null): { expireIn?: number } {
  const life = expireIn(expiresAt);
  return life === undefined ? {} : { expireIn: life };
}
