/*
 * A sorted set for each tag of a user:
 *
 *   prefix:user:{tag}   members  id.time.revision, and .never
 *                       scores   when Redis would delete the session
 *
 * In a cluster the set is on another node than the session, so no step changes
 * both. A session holds its entry of the index, `tag.time.revision`: the time of
 * the login, and the revision of the row that it wrote. So each login has another
 * entry, and the removal of one after a logout removes no login of the same
 * moment. A session that never expires says so in its entry, and has another one
 * when that changes. So a score need not fall, and only rises: a command that
 * arrives late shortens nothing. It is reckoned by the clock of Redis, as the
 * life of a session is.
 *
 * An entry is added before the session has it, and removed afterwards; an entry
 * that no session has is skipped. By itself an entry goes at its score, and the
 * set with the last entry. When a process is killed between two steps, the entry
 * of a session that never expires would stay; a listing that finds it after an
 * hour removes it.
 */
import { TAG_LENGTH } from "../core/codec.ts";
import { type RedisConnection, RedisScript } from "./redis_client.ts";
import { expireIn, type NewEngineRow } from "./session_engine.ts";

const MEMBERS_AT_A_TIME = "200";
/** In ms: longer than a process takes from adding an entry to the session. */
const SETTLED = 60 * 60 * 1000;

/** What an entry ends with if its session never expires. */
const NEVER = ".never";

/** The set goes with its last entry. */
const SET_END = `
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then redis.call('PERSIST', KEYS[1])
elseif last then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last)) end
return 1`;

/**
 * ARGV: life in ms, empty for ever; member. What is added comes first: a full
 * Redis refuses it, but not after another change in the same script.
 */
const PUT = new RedisScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local goesAt = ARGV[1] == '' and '+inf' or string.format('%.0f', now + ARGV[1])
redis.call('ZADD', KEYS[1], 'GT', goesAt, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))${SET_END}`);

/** ARGV: member. */
const REMOVE = new RedisScript(`
redis.call('ZREM', KEYS[1], ARGV[1])${SET_END}`);

/** An entry, and the session that should have it. */
interface IndexedSession {
  readonly id: string;
  readonly entry: string;
}

/** Which sessions a user has, in Redis. */
export class RedisUserIndex {
  readonly #redis: RedisConnection;
  readonly #prefix: string;

  constructor(redis: RedisConnection, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** Adds an entry, or prolongs it. */
  async put(session: IndexedSession, expiry: number | null): Promise<void> {
    const key = this.#keyOf(tagOf(session.entry));
    const args = [lifeOf(expiry), memberOf(session)];
    await PUT.run(this.#redis, [key], args);
  }

  /** Removes an entry. */
  async remove(session: IndexedSession): Promise<void> {
    const key = this.#keyOf(tagOf(session.entry));
    await REMOVE.run(this.#redis, [key], [memberOf(session)]);
  }

  /** Removes an entry that its session does not have, if it never will. */
  async prune(session: IndexedSession): Promise<void> {
    const [, time = ""] = session.entry.split(".");
    if (Date.now() - parseInt(time, 36) > SETTLED) await this.remove(session);
  }

  /** Streams the entries with a tag, some at a time; an entry may come twice. */
  async *list(tag: string): AsyncGenerator<IndexedSession[]> {
    const key = this.#keyOf(tag);
    for (let cursor = "0";;) {
      const [next, found] = await this.#redis.send(
        key,
        ["ZSCAN", key, cursor, "COUNT", MEMBERS_AT_A_TIME],
      ) as [string, string[]];
      // A member, its score, a member.
      const members = found.filter((_, n) => n % 2 === 0);
      yield members.map((member) => {
        const [id = "", ...login] = member.split(".");
        return { id, entry: [tag, ...login].join(".") };
      });
      cursor = next;
      if (cursor === "0") return;
    }
  }

  #keyOf(tag: string): string {
    return `${this.#prefix}:user:{${tag}}`;
  }
}

/** Makes the entry of a row that is to hold it; an empty one if it has no user. */
export function makeEntry({ tag, revision, expiry }: NewEngineRow): string {
  if (tag === null) return "";
  const entry = `${tag}.${Date.now().toString(36)}.${revision.toString(36)}`;
  return isForever(expiry) ? `${entry}${NEVER}` : entry;
}

/** Tells whether a row can keep the entry of the row that it replaces. */
export function canKeep(entry: string, { tag, expiry }: NewEngineRow): boolean {
  if (tag === null || entry === "") return tag === null && entry === "";
  return tagOf(entry) === tag && entry.endsWith(NEVER) === isForever(expiry);
}

/** Returns how long Redis is to keep a session, in ms; empty for ever. */
export function lifeOf(expiry: number | null): string {
  return String(expireIn(expiry) ?? "");
}

function isForever(expiry: number | null): boolean {
  return expireIn(expiry) === undefined;
}

/** Returns the tag of an entry. */
function tagOf(entry: string): string {
  return entry.slice(0, TAG_LENGTH);
}

function memberOf({ id, entry }: IndexedSession): string {
  return `${id}${entry.slice(TAG_LENGTH)}`;
}
