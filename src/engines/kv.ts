/*
 * Three keys are a session, and change at one instant:
 *
 *   [prefix, "session", id]    the record, JSON in UTF-8
 *   [prefix, "access", id]     { lastAccess, tag, expiresAt }, JSON in UTF-8
 *   [prefix, "user", tag, id]  true, where somebody is logged in
 *
 * A touch writes the second alone. The database deletes all three some time
 * after the absolute end of a session, if it has one: when it ends unused is
 * not known before, so those are left to whoever deletes old sessions.
 *
 * The revision of a row is the versionstamp of its first key.
 */
import { SessionTooLargeError } from "../core/errors.ts";
import { parseJson } from "../core/record.ts";
import { untilUnlocked } from "../system/until_unlocked.ts";
import { expireIn } from "./session_engine.ts";
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
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

/**
 * Keeps sessions in a `Deno.Kv`, in a file or on Deno Deploy. A user's sessions
 * are found by an index.
 *
 * It borrows the open database, and closes nothing. A record of more than
 * 65,536 bytes is refused with a `SessionTooLargeError`, because that is the
 * most that a value may have. The database deletes by itself what has passed
 * its absolute end; sessions that end unused are deleted by
 * `deleteOldSessions`, which looks at all.
 *
 * Any number of processes on a machine may open a file. While one of them
 * writes, Deno tells another that the database is locked; the store then tries
 * again, for five seconds. `Deno.openKv` itself can fail so, too. On Deno Deploy
 * any number of isolates share one. There are no locks, so a manager on it
 * cannot be `exclusive`.
 *
 * `Deno.Kv` is there with `--unstable-kv`, or `"unstable": ["kv"]` in deno.json.
 *
 * @example A session in memory
 * ```ts ignore
 * import { KvSessionStore, SessionManager } from "@latchkey/session";
 *
 * const store = new KvSessionStore(await Deno.openKv(":memory:"));
 * const sessions = new SessionManager({ store, absoluteTimeout: 86_400_000 });
 * ```
 */
export class KvSessionStore extends EngineSessionStore {
  /** Any number of processes on one machine, or of isolates on Deno Deploy. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers may open the file, each for itself. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param kv The open database.
   * @param options See there.
   * @throws {TypeError} If an option makes no sense.
   */
  constructor(kv: KvDatabase, options: KvSessionStoreOptions = {}) {
    const { prefix = "latchkey" } = options;
    if (typeof prefix !== "string" || prefix === "") {
      throw new TypeError("Cannot use prefix: it is not a text");
    }
    super(new KvEngine(kv, prefix), options);
  }
}

/** A key of `Deno.Kv`, as far as a store makes one. */
export type KvKey = readonly string[];

/** What is found under a key. */
export interface KvEntry {
  /** The key, part by part. */
  readonly key: readonly unknown[];
  /** What it holds; `null` when there is none. */
  readonly value: unknown;
  /** `null` when there is none. */
  readonly versionstamp: string | null;
}

/** What of `Deno.AtomicOperation` a store uses. */
export interface KvAtomicOperation {
  /** Lets it fail unless a key is as it was. */
  check(
    ...checks: { key: KvKey; versionstamp: string | null }[]
  ): KvAtomicOperation;
  /** Sets a key. */
  set(
    key: KvKey,
    value: unknown,
    options?: { expireIn?: number },
  ): KvAtomicOperation;
  /** Deletes a key. */
  delete(key: KvKey): KvAtomicOperation;
  /** Does all of it, or nothing. */
  commit(): Promise<{ ok: boolean }>;
}

/** What of `Deno.Kv` a store uses. */
export interface KvDatabase {
  /** Reads keys, at one instant. */
  getMany(keys: KvKey[]): Promise<KvEntry[]>;
  /** Streams what is under the keys that begin so, from one on. */
  list(
    selector: { prefix: KvKey; start?: KvKey },
    options?: { limit?: number },
  ): AsyncIterable<KvEntry>;
  /** Begins to change several keys at one instant. */
  atomic(): KvAtomicOperation;
}

/** The most bytes of a value: https://docs.deno.com/deploy/kv/manual */
const LARGEST_VALUE = 65_536;

const KEYS_AT_A_TIME = 100;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What the second key of a session holds. */
interface Access {
  /** When it was last accessed, in ms since the epoch. */
  readonly lastAccess: number;
  /** The tag of its user; `null` for nobody. */
  readonly tag: string | null;
  /** When the session is over at the latest; `null` for never. */
  readonly expiresAt: number | null;
}

/** What of a session is to be as it was, and what a change needs of it. */
interface Revision {
  /** The versionstamp of its first key. */
  readonly session: string;
  /** The versionstamp of its second key. */
  readonly access: string | null;
  readonly tag: string | null;
  readonly expiresAt: number | null;
}

/** Sessions in a `Deno.Kv`. */
export class KvEngine implements SessionEngine {
  readonly #kv: KvDatabase;
  readonly #prefix: string;

  /**
   * @param kv The open database.
   * @param prefix What all keys begin with.
   */
  constructor(kv: KvDatabase, prefix: string) {
    this.#kv = kv;
    this.#prefix = prefix;
  }

  /** There are no tables. */
  setup(): void {}

  async read(id: string): Promise<EngineRow | undefined> {
    const keys = [this.#session(id), this.#access(id)];
    const [session, access] = await untilUnlocked(() => this.#kv.getMany(keys));
    if (!session?.versionstamp) return undefined;
    const beside = parseJson(readText(access)) as Partial<Access> | undefined;
    const { lastAccess = 0, tag = null, expiresAt = null } = beside ?? {};
    return {
      json: readText(session),
      lastAccess,
      revision: {
        session: session.versionstamp,
        access: access!.versionstamp,
        tag,
        expiresAt,
      } satisfies Revision,
    };
  }

  async write(id: string, row: NewEngineRow): Promise<void> {
    // What is there has to be known, because of the key of its user.
    while (!await this.replace(id, row, await this.read(id)));
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
  ): Promise<boolean> {
    const { lastAccess, tag, expiresAt, json } = row;
    const value = encoder.encode(json);
    if (value.length > LARGEST_VALUE) {
      throw new SessionTooLargeError(id, value.length, LARGEST_VALUE);
    }
    const before = expected === undefined ? null : revisionOf(expected).tag;
    let change = this.#check(id, expected).set(
      this.#session(id),
      value,
      lifeOf(expiresAt),
    );
    change = this.#setAccess(change, id, { lastAccess, tag, expiresAt });
    if (before !== null && before !== tag) {
      change = change.delete(this.#user(before, id));
    }
    if (tag !== null) {
      change = change.set(this.#user(tag, id), true, lifeOf(expiresAt));
    }
    return await isCommitted(change);
  }

  async touch(
    id: string,
    { lastAccess }: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> {
    const { tag, expiresAt } = revisionOf(expected);
    const beside = { lastAccess, tag, expiresAt };
    const change = this.#setAccess(this.#check(id, expected), id, beside);
    return await isCommitted(change);
  }

  async remove(
    id: string,
    expected?: EngineRow,
  ): Promise<EngineRow | undefined> {
    for (;;) {
      const row = expected ?? await this.read(id);
      if (row === undefined) return undefined;
      const { access, tag } = revisionOf(row);
      let change = this.#check(id, row)
        .check({ key: this.#access(id), versionstamp: access })
        .delete(this.#session(id))
        .delete(this.#access(id));
      if (tag !== null) change = change.delete(this.#user(tag, id));
      if (await isCommitted(change)) return row;
      if (expected !== undefined) return undefined;
    }
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: EngineRow]> {
    const prefix = tag === undefined
      ? [this.#prefix, "session"]
      : [this.#prefix, "user", tag];
    for (let start: KvKey | undefined;;) {
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

  #check(id: string, expected: EngineRow | undefined): KvAtomicOperation {
    const versionstamp = expected === undefined
      ? null
      : revisionOf(expected).session;
    return this.#kv.atomic().check({ key: this.#session(id), versionstamp });
  }

  #setAccess(
    change: KvAtomicOperation,
    id: string,
    beside: Access,
  ): KvAtomicOperation {
    // As bytes: Deno takes longer to bring an object over.
    const value = encoder.encode(JSON.stringify(beside));
    return change.set(this.#access(id), value, lifeOf(beside.expiresAt));
  }

  #session(id: string): KvKey {
    return [this.#prefix, "session", id];
  }

  #access(id: string): KvKey {
    return [this.#prefix, "access", id];
  }

  #user(tag: string, id: string): KvKey {
    return [this.#prefix, "user", tag, id];
  }
}

function revisionOf(row: EngineRow): Revision {
  return row.revision as Revision;
}

async function isCommitted(change: KvAtomicOperation): Promise<boolean> {
  return (await untilUnlocked(() => change.commit())).ok;
}

/** Gives no text where somebody else has put something. */
function readText(entry: KvEntry | undefined): string {
  const value = entry?.value;
  return value instanceof Uint8Array ? decoder.decode(value) : "";
}

function lifeOf(expiresAt: number | null): { expireIn?: number } {
  const life = expireIn(expiresAt);
  return life === undefined ? {} : { expireIn: life };
}
