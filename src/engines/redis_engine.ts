/*
 * A hash is a session, a sorted set is the index of a user's:
 *
 *   prefix:{id}         json, version, access, tag
 *   prefix:user:{tag}   session IDs, by when Redis would delete them
 *
 * Both change by scripts, which nobody cuts into. In a cluster they may be on
 * different nodes, so one step cannot change both: an ID is in the index before
 * a session has the user, and is taken out after that. What is in the index too
 * much is found out by reading the session; it goes when its time has come, and
 * with the last one the index.
 *
 * Redis deletes a session an hour after it is over.
 */
import { createHash } from "node:crypto";
import { expireIn } from "./engine_expiry.ts";
import {
  connectionOf,
  type RedisClient,
  type RedisConnection,
} from "./redis_client.ts";
import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "./session_engine.ts";

const KEYS_AT_A_TIME = 200;
const ANY = "*";
const NONE = "";

/** What Redis has of a session. */
export interface RedisRow extends EngineRow {
  readonly version: string;
  /** Of its user; empty for nobody. */
  readonly tag: string;
}

interface Script {
  readonly text: string;
  readonly hash: string;
}

/** ARGV: version expected, life in ms, json, version, access, tag. */
const WRITE = script(`
local version = redis.call('HGET', KEYS[1], 'version')
if ARGV[1] ~= '*' and (version or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'json', ARGV[3], 'version', ARGV[4], 'access', ARGV[5], 'tag', ARGV[6])
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`);

/** ARGV: version expected, life in ms, access. */
const TOUCH = script(`
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'access', ARGV[3])
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`);

/** ARGV: version expected, access expected. */
const REMOVE = script(`
local row = redis.call('HMGET', KEYS[1], 'json', 'version', 'access', 'tag')
if not row[2] then return {} end
if ARGV[1] ~= '*' and (row[2] ~= ARGV[1] or row[3] ~= ARGV[2]) then return {} end
redis.call('DEL', KEYS[1])
return row`);

/** ARGV: now, when the session goes or +inf, session ID. */
const INDEX = script(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[3])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last)) end
return 1`);

/** Sessions in Redis. */
export class RedisEngine implements SessionEngine<RedisRow> {
  readonly #redis: RedisConnection;
  readonly #prefix: string;

  /**
   * @param client A connected client.
   * @param prefix What all keys begin with.
   * @throws {TypeError} If the client is none.
   */
  constructor(client: RedisClient, prefix: string) {
    this.#redis = connectionOf(client);
    this.#prefix = prefix;
  }

  /** There are no tables. */
  setup(): void {}

  async read(id: string): Promise<RedisRow | undefined> {
    const key = this.#session(id);
    const fields = ["json", "version", "access", "tag"];
    return rowOf(await this.#redis.send(key, ["HMGET", key, ...fields]));
  }

  async write(id: string, row: NewEngineRow): Promise<void> {
    await this.#write(id, row, ANY, undefined);
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: RedisRow | undefined,
  ): Promise<boolean> {
    const version = expected?.version ?? NONE;
    if (!await this.#write(id, row, version, expected?.tag)) return false;
    const before = expected?.tag ?? NONE;
    if (before !== NONE && before !== row.tag) await this.#unindex(before, id);
    return true;
  }

  async touch(
    id: string,
    { lastAccess, endsAt }: EngineAccess,
    expected: RedisRow,
  ): Promise<boolean> {
    const { version, tag } = expected;
    const [touched] = await Promise.all([
      this.#run(TOUCH, this.#session(id), [
        version,
        lifeOf(endsAt),
        String(lastAccess),
      ]),
      tag !== NONE && this.#index(tag, id, endsAt),
    ]);
    return touched === 1;
  }

  async remove(id: string, expected?: RedisRow): Promise<RedisRow | undefined> {
    const { version = ANY, lastAccess } = expected ?? {};
    const args = [version, String(lastAccess)];
    const removed = rowOf(await this.#run(REMOVE, this.#session(id), args));
    const tag = removed?.tag ?? NONE;
    if (tag !== NONE) await this.#unindex(tag, id);
    return removed;
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: RedisRow]> {
    const seen = new Set<string>();
    for await (const ids of tag === undefined ? this.#all() : this.#of(tag)) {
      const rows = await Promise.all(ids.map((id) => this.read(id)));
      for (const [n, row] of rows.entries()) {
        const id = ids[n]!;
        if (row === undefined || seen.has(id)) continue;
        // A scan may show one twice; of one user's that can be remembered.
        if (tag !== undefined) seen.add(id);
        yield [id, row];
      }
    }
  }

  async #write(
    id: string,
    row: NewEngineRow,
    expected: string,
    tagBefore: string | undefined,
  ): Promise<boolean> {
    const { json, version, lastAccess, endsAt, tag } = row;
    const write = () =>
      this.#run(WRITE, this.#session(id), [
        expected,
        lifeOf(endsAt),
        json,
        String(version),
        String(lastAccess),
        tag ?? NONE,
      ]);
    const index = () => tag === null || this.#index(tag, id, endsAt);
    // Who is in the index already need not be there before.
    if (tag !== tagBefore) await index();
    const [written] = tag === tagBefore
      ? await Promise.all([write(), index()])
      : [await write()];
    return written === 1;
  }

  async *#all(): AsyncGenerator<string[]> {
    const start = `${this.#prefix}:{`;
    const pattern = `${start.replaceAll(/[\\*?[\]]/g, "\\$&")}*}`;
    const count = String(KEYS_AT_A_TIME);
    for (const send of await this.#redis.nodes()) {
      for (let cursor = "0";;) {
        const found = await send(
          ["SCAN", cursor, "MATCH", pattern, "COUNT", count],
        ) as [string, string[]];
        yield found[1].map((key) => key.slice(start.length, -1));
        cursor = found[0];
        if (cursor === "0") break;
      }
    }
  }

  async *#of(tag: string): AsyncGenerator<string[]> {
    const key = this.#user(tag);
    const count = String(KEYS_AT_A_TIME);
    for (let cursor = "0";;) {
      const found = await this.#redis.send(
        key,
        ["ZSCAN", key, cursor, "COUNT", count],
      ) as [string, string[]];
      // A member, its score, a member.
      yield found[1].filter((_, n) => n % 2 === 0);
      cursor = found[0];
      if (cursor === "0") return;
    }
  }

  #index(tag: string, id: string, endsAt: number | null): Promise<unknown> {
    const now = Date.now();
    const life = expireIn(endsAt);
    const goesAt = life === undefined ? "+inf" : String(now + life);
    return this.#run(INDEX, this.#user(tag), [String(now), goesAt, id]);
  }

  #unindex(tag: string, id: string): Promise<unknown> {
    const key = this.#user(tag);
    return this.#redis.send(key, ["ZREM", key, id]);
  }

  async #run(
    { text, hash }: Script,
    key: string,
    args: string[],
  ): Promise<unknown> {
    try {
      return await this.#redis.send(key, ["EVALSHA", hash, "1", key, ...args]);
    } catch (error) {
      const isUnknown = error instanceof Error &&
        error.message.startsWith("NOSCRIPT");
      if (!isUnknown) throw error;
      return await this.#redis.send(key, ["EVAL", text, "1", key, ...args]);
    }
  }

  #session(id: string): string {
    return `${this.#prefix}:{${id}}`;
  }

  #user(tag: string): string {
    return `${this.#prefix}:user:{${tag}}`;
  }
}

function script(text: string): Script {
  return { text, hash: createHash("sha1").update(text).digest("hex") };
}

function lifeOf(endsAt: number | null): string {
  return String(expireIn(endsAt) ?? NONE);
}

function rowOf(fields: unknown): RedisRow | undefined {
  const [json, version, access, tag] = fields as (string | null | undefined)[];
  if (typeof version !== "string") return undefined;
  return {
    json: json!,
    version,
    lastAccess: Number(access),
    tag: tag!,
  };
}
