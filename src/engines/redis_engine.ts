/*
 * A hash is a session:
 *
 *   prefix:{id}   json, version, access, entry
 *
 * `entry` is what the session has of the index of its user, see
 * redis_user_index.ts; empty for nobody. A script changes the hash, and nobody
 * cuts into that. Redis deletes it an hour after the session is over.
 *
 * A client may send a command again when the connection was lost, and Redis may
 * have done it already. So a write that finds its own version there is done.
 */
import { isSessionId } from "../core/token.ts";
import { expireIn } from "./engine_expiry.ts";
import {
  connectionOf,
  type RedisClient,
  type RedisConnection,
} from "./redis_client.ts";
import { RedisScript } from "./redis_script.ts";
import { makeEntry, RedisUserIndex, tagOf } from "./redis_user_index.ts";
import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "./session_engine.ts";

const KEYS_AT_A_TIME = "200";
const ANY = "*";
const NONE = "";

/** What Redis has of a session. */
export interface RedisRow extends EngineRow {
  readonly version: string;
  /** Of the index of its user; empty for nobody. */
  readonly entry: string;
}

/**
 * ARGV: version expected, life in ms, json, version, access, entry.
 * Returns the entry before, or nothing when it is refused.
 */
const WRITE = new RedisScript(`
local row = redis.call('HMGET', KEYS[1], 'version', 'entry')
if row[1] == ARGV[4] then return ARGV[6] end
if ARGV[1] ~= '*' and (row[1] or '') ~= ARGV[1] then return false end
redis.call('HSET', KEYS[1], 'json', ARGV[3], 'version', ARGV[4], 'access', ARGV[5], 'entry', ARGV[6])
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return row[2] or ''`);

/** ARGV: version expected, life in ms, access. */
const TOUCH = new RedisScript(`
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'access', ARGV[3])
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`);

/** ARGV: version expected, access expected. */
const REMOVE = new RedisScript(`
local row = redis.call('HMGET', KEYS[1], 'json', 'version', 'access', 'entry')
if not row[2] then return {} end
if ARGV[1] ~= '*' and (row[2] ~= ARGV[1] or row[3] ~= ARGV[2]) then return {} end
redis.call('DEL', KEYS[1])
return row`);

/** Sessions in Redis. */
export class RedisEngine implements SessionEngine<RedisRow> {
  readonly #redis: RedisConnection;
  readonly #prefix: string;
  readonly #index: RedisUserIndex;

  /**
   * @param client A connected client.
   * @param prefix What all keys begin with.
   * @throws {TypeError} If the client is none.
   */
  constructor(client: RedisClient, prefix: string) {
    this.#redis = connectionOf(client);
    this.#prefix = prefix;
    this.#index = new RedisUserIndex(this.#redis, prefix);
  }

  /** There are no tables. */
  setup(): void {}

  async read(id: string): Promise<RedisRow | undefined> {
    const key = this.#keyOf(id);
    const fields = ["json", "version", "access", "entry"];
    return rowOf(await this.#redis.send(key, ["HMGET", key, ...fields]));
  }

  async write(id: string, row: NewEngineRow): Promise<void> {
    const entry = entryOf(row);
    if (entry !== NONE) await this.#index.put({ id, entry }, row.endsAt);
    const before = await this.#write(id, row, ANY, entry) as string;
    await this.#leave(id, before, entry);
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: RedisRow | undefined,
  ): Promise<boolean> {
    const { version = NONE, entry: before = NONE } = expected ?? {};
    if (tagOf(before) === (row.tag ?? NONE)) {
      // Who is in the index already need not be there first.
      const [replaced] = await Promise.all([
        this.#write(id, row, version, before),
        before !== NONE && this.#index.put({ id, entry: before }, row.endsAt),
      ]);
      return replaced !== null;
    }
    const entry = entryOf(row);
    if (entry !== NONE) await this.#index.put({ id, entry }, row.endsAt);
    const isReplaced = await this.#write(id, row, version, entry) !== null;
    if (isReplaced) await this.#leave(id, before, entry);
    else await this.#leave(id, entry, before);
    return isReplaced;
  }

  async touch(
    id: string,
    { lastAccess, endsAt }: EngineAccess,
    { version, entry }: RedisRow,
  ): Promise<boolean> {
    const args = [version, lifeOf(endsAt), String(lastAccess)];
    const [touched] = await Promise.all([
      TOUCH.run(this.#redis, this.#keyOf(id), args),
      entry !== NONE && this.#index.put({ id, entry }, endsAt),
    ]);
    return Number(touched) === 1;
  }

  async remove(id: string, expected?: RedisRow): Promise<RedisRow | undefined> {
    const { version = ANY, lastAccess } = expected ?? {};
    const args = [version, String(lastAccess)];
    const row = rowOf(await REMOVE.run(this.#redis, this.#keyOf(id), args));
    if (row !== undefined) await this.#leave(id, row.entry, NONE);
    return row;
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: RedisRow]> {
    yield* tag === undefined ? this.#allRows() : this.#rowsOf(tag);
  }

  async *#allRows(): AsyncGenerator<readonly [id: string, row: RedisRow]> {
    for await (const ids of this.#ids()) {
      const rows = await Promise.all(ids.map((id) => this.read(id)));
      for (const [n, row] of rows.entries()) {
        if (row !== undefined) yield [ids[n]!, row];
      }
    }
  }

  async *#rowsOf(
    tag: string,
  ): AsyncGenerator<readonly [id: string, row: RedisRow]> {
    const seen = new Set<string>();
    for await (const sessions of this.#index.list(tag)) {
      const rows = await Promise.all(sessions.map(async (session) => {
        const row = await this.read(session.id);
        if (row?.entry !== session.entry) await this.#index.prune(session);
        return row;
      }));
      for (const [n, row] of rows.entries()) {
        const { id } = sessions[n]!;
        if (row === undefined || seen.has(id)) continue;
        seen.add(id);
        yield [id, row];
      }
    }
  }

  /** Streams the IDs of all sessions, some at a time; one may come twice. */
  async *#ids(): AsyncGenerator<string[]> {
    const start = `${this.#redis.keyPrefix}${this.#keyOf("")}`.slice(0, -1);
    const match = `${start.replaceAll(/[\\*?[\]]/g, "\\$&")}*}`;
    const rest = ["MATCH", match, "COUNT", KEYS_AT_A_TIME, "TYPE", "hash"];
    for (const send of await this.#redis.nodes()) {
      for (let cursor = "0";;) {
        const [next, keys] = await send(["SCAN", cursor, ...rest]) as [
          string,
          string[],
        ];
        const ids = keys.map((key) => key.slice(start.length, -1));
        yield ids.filter(isSessionId);
        cursor = next;
        if (cursor === "0") break;
      }
    }
  }

  /** Writes; gives the entry before, or `null` when it is refused. */
  async #write(
    id: string,
    row: NewEngineRow,
    expected: string,
    entry: string,
  ): Promise<string | null> {
    const { json, version, lastAccess, endsAt } = row;
    const life = lifeOf(endsAt);
    const access = String(lastAccess);
    const args = [expected, life, json, String(version), access, entry];
    const before = await WRITE.run(this.#redis, this.#keyOf(id), args);
    return before as string | null;
  }

  /** Takes what the session no longer has out of the index. */
  async #leave(id: string, entry: string, kept: string): Promise<void> {
    if (entry === NONE || entry === kept) return;
    await this.#index.remove({ id, entry });
  }

  #keyOf(id: string): string {
    return `${this.#prefix}:{${id}}`;
  }
}

function entryOf({ tag, version }: NewEngineRow): string {
  return tag === null ? NONE : makeEntry(tag, version);
}

function lifeOf(endsAt: number | null): string {
  return String(expireIn(endsAt) ?? NONE);
}

function rowOf(fields: unknown): RedisRow | undefined {
  const [json, version, access, entry] = fields as (string | null)[];
  if (version === null || version === undefined) return undefined;
  if (typeof version !== "string") {
    throw new TypeError("Cannot use client: what it answers is not text");
  }
  return {
    json: json ?? "",
    version,
    lastAccess: Number(access),
    entry: entry ?? NONE,
  };
}
