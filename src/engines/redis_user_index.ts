/*
 * A sorted set for each tag of a user:
 *
 *   prefix:user:{tag}   members  id.time.revision
 *                       scores   when Redis would delete the session
 *
 * In a cluster the set is on another node than the session, so no step changes
 * both. A session holds its entry of the index, `tag.time.revision`: the time of
 * the login, and the revision of the row that it wrote. So each login has another
 * entry, and the removal of one after a logout removes no login of the same
 * moment.
 *
 * An entry is added before the session has it, and removed afterwards; an entry
 * that no session has is skipped. By itself an entry goes at its score, and the
 * set with the last entry. When a process is killed between two steps, the entry
 * of a session that never expires would stay; a listing that finds it after an
 * hour removes it.
 */
import { TAG_LENGTH } from "../core/codec.ts";
import { type RedisConnection, RedisScript } from "./redis_client.ts";
import { expireIn } from "./session_engine.ts";

const MEMBERS_AT_A_TIME = "200";
/** In ms: longer than a process takes from adding an entry to the session. */
const SETTLED = 60 * 60 * 1000;

/** ARGV: now, when the session goes or +inf, member. */
const PUT = new RedisScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[3])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last)) end
return 1`);

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
    const now = Date.now();
    const life = expireIn(expiry);
    const goesAt = life === undefined ? "+inf" : String(now + life);
    const key = this.#keyOf(tagOf(session.entry));
    const args = [String(now), goesAt, memberOf(session)];
    await PUT.run(this.#redis, key, args);
  }

  /** Removes an entry. */
  async remove(session: IndexedSession): Promise<void> {
    const key = this.#keyOf(tagOf(session.entry));
    await this.#redis.send(key, ["ZREM", key, memberOf(session)]);
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

/** Makes the entry of a login, by the revision of the row that will hold it. */
export function makeEntry(tag: string, revision: number): string {
  return `${tag}.${Date.now().toString(36)}.${revision.toString(36)}`;
}

/** Returns the tag of an entry; of an empty one, an empty text. */
export function tagOf(entry: string): string {
  return entry.slice(0, TAG_LENGTH);
}

function memberOf({ id, entry }: IndexedSession): string {
  return `${id}${entry.slice(TAG_LENGTH)}`;
}
