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
 * The version of a row is the versionstamp of its first key.
 */
import { SessionTooLargeError } from "../core/errors.ts";
import { parseJson } from "../core/record.ts";
import { expireIn } from "./engine_expiry.ts";
import type {
  KvAtomicOperation,
  KvDatabase,
  KvEntry,
  KvKey,
} from "./kv_database.ts";
import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "./session_engine.ts";
import { untilUnlocked } from "../system/waiting.ts";

/** The most bytes of a value: https://docs.deno.com/deploy/kv/manual */
const LARGEST_VALUE = 65_536;

const KEYS_AT_A_TIME = 100;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is kept beside a record. */
export interface KvAccess {
  /** When it was last accessed, in ms since the epoch. */
  readonly lastAccess: number;
  /** The tag of its user; `null` for nobody. */
  readonly tag: string | null;
  /** When the session is over at the latest; `null` for never. */
  readonly expiresAt: number | null;
}

/** What the database has of a session. */
export interface KvRow extends EngineRow, KvAccess {
  /** The versionstamp of its first key. */
  readonly version: string;
  /** The versionstamp of its second key. */
  readonly accessVersion: string | null;
}

/** Sessions in a `Deno.Kv`. */
export class KvEngine implements SessionEngine<KvRow> {
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

  async read(id: string): Promise<KvRow | undefined> {
    const keys = [this.#session(id), this.#access(id)];
    const [session, access] = await untilUnlocked(() => this.#kv.getMany(keys));
    if (!session?.versionstamp) return undefined;
    const beside = parseJson(readText(access)) as Partial<KvAccess> | undefined;
    const { lastAccess = 0, tag = null, expiresAt = null } = beside ?? {};
    return {
      json: readText(session),
      version: session.versionstamp,
      lastAccess,
      tag,
      expiresAt,
      accessVersion: access!.versionstamp,
    };
  }

  async write(id: string, row: NewEngineRow): Promise<void> {
    // What is there has to be known, because of the key of its user.
    while (!await this.replace(id, row, await this.read(id)));
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: KvRow | undefined,
  ): Promise<boolean> {
    const { lastAccess, tag, expiresAt, json } = row;
    const value = encoder.encode(json);
    if (value.length > LARGEST_VALUE) {
      throw new SessionTooLargeError(id, value.length, LARGEST_VALUE);
    }
    const before = expected?.tag ?? null;
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
    expected: KvRow,
  ): Promise<boolean> {
    const { tag, expiresAt } = expected;
    const beside = { lastAccess, tag, expiresAt };
    const change = this.#setAccess(this.#check(id, expected), id, beside);
    return await isCommitted(change);
  }

  async remove(id: string, expected?: KvRow): Promise<KvRow | undefined> {
    for (;;) {
      const row = expected ?? await this.read(id);
      if (row === undefined) return undefined;
      const { accessVersion, tag } = row;
      let change = this.#check(id, row)
        .check({ key: this.#access(id), versionstamp: accessVersion })
        .delete(this.#session(id))
        .delete(this.#access(id));
      if (tag !== null) change = change.delete(this.#user(tag, id));
      if (await isCommitted(change)) return row;
      if (expected !== undefined) return undefined;
    }
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: KvRow]> {
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

  #check(id: string, expected: KvRow | undefined): KvAtomicOperation {
    const versionstamp = expected?.version ?? null;
    return this.#kv.atomic().check({ key: this.#session(id), versionstamp });
  }

  #setAccess(
    change: KvAtomicOperation,
    id: string,
    beside: KvAccess,
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
