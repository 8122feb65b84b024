/*
 * A string is a session:
 *
 *   prefix:{id}   revision access past entry json
 *
 *   revision  the number of the write that left it: 11 characters, base 36
 *   access    when it was last accessed, 16 digits
 *   past      the numbers of up to seven writes before, the latest first
 *   entry     what it has of the index of its user, see redis_user_index.ts;
 *             empty if it has none
 *
 * So a load is a GET, and a touch overwrites 16 bytes in place. A step that
 * depends on the revision is a script, into which no other command cuts. Redis
 * deletes the string an hour after the session has expired.
 *
 * A client may send a command again after the connection was lost, when Redis has
 * carried it out already, and other commands since. So a write that finds its
 * number is done. A removal leaves the string for a minute under another name,
 * with its own number at the end, to be answered as it was the first time:
 *
 *   prefix:{id}:gone   revision access past entry json number
 *
 * Where the session is missing, a write that finds its number there is done as
 * well, and does not bring the session back. A session that is created meanwhile
 * takes the numbers over. After eight more writes, or a minute after a removal, a
 * number is forgotten.
 */
import type { StoreWarning } from "../core/store.ts";
import { isSessionId } from "../core/token.ts";
import { unwritten } from "../core/warnings.ts";
import { EngineSessionStore, type EngineStoreOptions } from "./engine_store.ts";
import {
  connectionOf,
  type RedisClient,
  type RedisConnection,
  RedisScript,
} from "./redis_client.ts";
import { tryRedis } from "./redis_setup.ts";
import {
  canKeep,
  lifeOf,
  makeEntry,
  RedisUserIndex,
} from "./redis_user_index.ts";
import {
  type EngineAccess,
  type EngineRow,
  type NewEngineRow,
  type SessionEngine,
  SLACK,
} from "./session_engine.ts";

/** What {@linkcode RedisSessionStore} takes. */
export interface RedisSessionStoreOptions extends EngineStoreOptions {
  /**
   * What all keys begin with. Managers that are not to share their sessions
   * have one each.
   *
   * @default {"latchkey"}
   */
  readonly prefix?: string | undefined;
}

/**
 * Keeps sessions in Redis or Valkey, from version 6.2, or in a cluster of
 * theirs. A load is one round trip, and so is the update that follows it; a
 * touch sends a few bytes. An index finds the sessions of a user; it is deleted
 * with the last of them. Redis deletes expired sessions by itself, an hour later.
 *
 * The store borrows a connected client of `npm:redis` or `npm:ioredis`, also of a
 * cluster, and does not close it. While the server is away, or loads its data,
 * the client's errors reach the caller; the next call works when it is back. A
 * client that waits for the server makes the caller wait, until a signal ends
 * that. When a replica takes over in a cluster, `npm:ioredis` goes on with it;
 * `npm:redis` 5 waits until the node that failed answers again.
 *
 * A client such as `npm:ioredis` sends a command again when the connection broke
 * before the answer. It then takes effect once, unless the session was written
 * more than seven times in between, or removed more than a minute before. For
 * that, Redis keeps what was removed for a minute, where no operation finds it.
 *
 * Redis can lose changes that it has acknowledged: the last second when the
 * machine fails (`appendfsync everysec`; all since the last snapshot without
 * `appendonly`), and what the replica that takes over had not received. A logout
 * among them is undone. With `maxmemory`, set `maxmemory-policy` to `noeviction`
 * or `volatile-ttl`: the others evict sessions that are in use.
 *
 * `setup()` tries every command on each master, and names what fails: a user
 * without the rights, a version that is too old, a server that is read-only. A
 * policy that evicts sessions in use is a warning, where the user may ask for it
 * (`+info`). With the default prefix these rights are enough; the clients of a
 * cluster need some of `cluster` beside:
 *
 * ```text
 * ACL SETUSER latchkey on >… ~latchkey:* +eval +evalsha +time +get +getrange
 *   +set +setrange +append +rename +pttl +pexpire +persist +pexpireat +zadd
 *   +zrem +zrange +zremrangebyscore +zscan +scan +ping
 * ```
 *
 * While Redis resizes its table of keys, a listing of all may show a session
 * twice. The clocks of the servers may differ by as much as an idle timeout can
 * spare. There are no locks, so a manager on it cannot be `exclusive`.
 *
 * @example With `npm:redis`
 * ```ts ignore
 * import { RedisSessionStore, SessionManager } from "@latchkey/session";
 * import { createClient } from "npm:redis@5";
 *
 * const client = createClient({ url: "redis://localhost" });
 * client.on("error", console.error);
 * await client.connect();
 *
 * const store = new RedisSessionStore(client);
 * const sessions = new SessionManager({ store, idleTimeout: 1_800_000 });
 * ```
 */
export class RedisSessionStore extends EngineSessionStore {
  /** Any number of processes, on any number of machines. */
  override readonly isMultiprocessSafe = true;
  /** Any number of workers, each with a client of its own. */
  override readonly isThreadSafe = true;

  /**
   * Makes a store; it does no I/O.
   *
   * @param client A connected client.
   * @param options The prefix of the keys, and the clock.
   * @throws {TypeError} If the client is invalid, or reads from replicas of a
   * cluster (`scaleReads`), or the prefix is invalid.
   *
   * @example With `npm:ioredis`, and a prefix of its own
   * ```ts ignore
   * import { RedisSessionStore } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   * import { Redis } from "npm:ioredis@5";
   *
   * const client = new Redis("redis://localhost", { maxRetriesPerRequest: 1 });
   * client.on("error", console.error);
   * const store = new RedisSessionStore(client, { prefix: "staff" });
   * await store.setup(); // throws at the start if a right is missing
   * assertEquals(await store.has("0123456789abcdef"), false);
   * await client.quit();
   * ```
   */
  constructor(client: RedisClient, options: RedisSessionStoreOptions = {}) {
    const { prefix = "latchkey" } = options;
    if (typeof prefix !== "string" || !/^[^{}]+$/.test(prefix)) {
      throw new TypeError(
        "Cannot use prefix: it is not a string without braces, or empty",
      );
    }
    super(new RedisEngine(client, prefix), options);
  }
}

const NUMBER_LENGTH = 11;
const ACCESS_LENGTH = 16;
const PAST_LENGTH = 7 * NUMBER_LENGTH;
/** Where the access begins, and what the session was before. */
const ACCESS_AT = NUMBER_LENGTH + 1;
const PAST_AT = ACCESS_AT + ACCESS_LENGTH + 1;
/** Revision, access, past and entry are no longer. */
const HEAD_LENGTH = 160;
const NUMBER = /^[0-9a-z]+$/;
/** How long a removed session is kept, in ms. */
const GONE_FOR = 60_000;

const SPACE = 32;

const KEYS_AT_A_TIME = "200";
const ANY = "*";
const NONE = "";
/** The revision of a string that is not a session. */
const JUNK = "?";

/** What the string of a session holds beside access and JSON. */
interface RedisRevision {
  readonly revision: string;
  readonly past: string;
  readonly entry: string;
}

const ABSENT: RedisRevision = { revision: NONE, past: NONE, entry: NONE };

/** `numbersOf(key)`: the numbers in a string, without spaces; nil for junk. */
const NUMBERS_OF = `
local function numbersOf(key)
  local revision, past = string.match(redis.call('GETRANGE', key, 0, ${
  HEAD_LENGTH - 1
}), '^(${"[0-9a-z]".repeat(NUMBER_LENGTH)}) ${
  "%d".repeat(ACCESS_LENGTH)
} ([0-9a-z]*) [0-9a-z.]* ')
  return revision and revision .. past
end
local function goneNumbers()
  return redis.call('GETRANGE', KEYS[2], -${NUMBER_LENGTH}, -1) .. (numbersOf(KEYS[2]) or '')
end
local function has(numbers, number)
  return numbers and string.find(numbers, number, 1, true)
end`;

const SET = `
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[3]) else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2]) end
return 1`;

/** ARGV as of {@linkcode WRITE}: the write of nearly every request, in short. */
const REPLACE = new RedisScript(`
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end${SET}`);

/**
 * KEYS: the session; what is gone. ARGV: revision expected, or with it the
 * access; life in ms; the session. Returns 1 when it is written, 0 when it is
 * refused.
 */
const WRITE = new RedisScript(`
local expected, session = ARGV[1], ARGV[3]
local head = redis.call('GETRANGE', KEYS[1], 0, ${PAST_AT - 2})
if expected == '' or string.sub(head, 1, #expected) ~= expected then
  ${NUMBERS_OF}
  local number = string.sub(session, 1, ${NUMBER_LENGTH})
  if head == '' then
    local numbers = goneNumbers()
    if has(numbers, number) then return 1 end
    if expected ~= '' then return 0 end
    ARGV[3] = string.sub(session, 1, ${PAST_AT}) .. string.sub(numbers, 1, ${PAST_LENGTH}) .. string.sub(session, ${
  PAST_AT + 1
})
  else
    local numbers = numbersOf(KEYS[1])
    if has(numbers, number) then return 1 end
    if numbers or expected == '' or string.find(string.sub(expected, 1, ${NUMBER_LENGTH}), '${NUMBER.source}') then return 0 end
  end
end${SET}`);

/**
 * ARGV: revision, access that was read, life in ms, access. Returns 0 when it is
 * refused. What is left of the life tells by the clock of Redis alone whether
 * the end has passed: a command that was under way for long prolongs nothing.
 */
const TOUCH = new RedisScript(`
local head = redis.call('GETRANGE', KEYS[1], 0, ${PAST_AT - 2})
if string.sub(head, 1, ${NUMBER_LENGTH}) ~= ARGV[1] then return 0 end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= ${SLACK} then return 0 end
local access = string.sub(head, ${ACCESS_AT + 1})
if access == ARGV[2] or access < ARGV[4] then
  redis.call('SETRANGE', KEYS[1], ${ACCESS_AT}, ARGV[4])
  if ARGV[3] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
end
return 1`);

/**
 * KEYS: the session; what is gone. ARGV: revision and access expected, number.
 * Returns what it removes.
 */
const REMOVE = new RedisScript(`${NUMBERS_OF}
local session = redis.call('GET', KEYS[1])
if has(numbersOf(KEYS[1]), ARGV[2]) or not session and has(goneNumbers(), ARGV[2]) then
  session = redis.call('GET', KEYS[2])
  return session and string.sub(session, 1, -${NUMBER_LENGTH + 1})
end
if not session or ARGV[1] ~= '${ANY}' and string.sub(session, 1, ${
  PAST_AT - 1
}) ~= ARGV[1] then return false end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('APPEND', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ${GONE_FOR})
return session`);

class RedisEngine implements SessionEngine {
  readonly #redis: RedisConnection;
  readonly #prefix: string;
  readonly #index: RedisUserIndex;
  #warn!: (warning: StoreWarning) => void;

  constructor(client: RedisClient, prefix: string) {
    this.#redis = connectionOf(client);
    this.#prefix = prefix;
    this.#index = new RedisUserIndex(this.#redis, prefix);
  }

  async setup(warn: (warning: StoreWarning) => void): Promise<void> {
    this.#warn = warn;
    await tryRedis(this.#redis, this.#prefix, warn);
  }

  read(id: string): Promise<EngineRow | undefined> {
    const key = this.#keyOf(id);
    return this.#redis.send(key, ["GET", key]).then(rowOf);
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
    isUntouched = false,
  ): Promise<boolean> {
    const before = expected === undefined ? ABSENT : revisionOf(expected);
    const head = isUntouched ? headOf(expected!) : before.revision;
    const write = (entry: string) =>
      this.#write(id, head, stringOf(row, before, entry), row.expiry);
    if (canKeep(before.entry, row)) {
      // What is in the index already need not be there first.
      const [isReplaced, problem] = await Promise.all([
        write(before.entry),
        this.#prolongEntry(id, before.entry, row.expiry),
      ]);
      if (problem !== undefined) this.#warn(problem);
      return isReplaced;
    }
    const entry = makeEntry(row);
    if (entry !== NONE) await this.#index.put({ id, entry }, row.expiry);
    const isReplaced = await write(entry);
    if (isReplaced) await this.#removeEntry(id, before.entry, entry);
    else await this.#removeEntry(id, entry, before.entry);
    return isReplaced;
  }

  async touch(
    id: string,
    { lastAccess, expiry }: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> {
    const { revision, entry } = revisionOf(expected);
    const [read, access] = [expected.lastAccess, lastAccess].map(accessOf);
    const args = [revision, read!, lifeOf(expiry), access!];
    const [touched, problem] = await Promise.all([
      TOUCH.run(this.#redis, [this.#keyOf(id)], args),
      this.#prolongEntry(id, entry, expiry),
    ]);
    if (problem !== undefined) this.#warn(problem);
    return Number(touched) === 1;
  }

  async remove(
    id: string,
    expected: EngineRow | undefined,
    number: number,
  ): Promise<EngineRow | undefined> {
    const args = [
      expected === undefined ? ANY : headOf(expected),
      textOf(number),
    ];
    const row = rowOf(await REMOVE.run(this.#redis, this.#keysOf(id), args));
    if (row !== undefined) {
      await this.#removeEntry(id, revisionOf(row).entry, NONE);
    }
    return row;
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: EngineRow]> {
    yield* tag === undefined ? this.#allRows() : this.#rowsOf(tag);
  }

  async *#allRows(): AsyncGenerator<readonly [id: string, row: EngineRow]> {
    for await (const ids of this.#ids()) {
      const rows = await Promise.all(ids.map((id) => this.read(id)));
      for (const [n, row] of rows.entries()) {
        if (row !== undefined) yield [ids[n]!, row];
      }
    }
  }

  async *#rowsOf(
    tag: string,
  ): AsyncGenerator<readonly [id: string, row: EngineRow]> {
    const seen = new Set<string>();
    for await (const sessions of this.#index.list(tag)) {
      const rows = await Promise.all(sessions.map(async (session) => {
        const row = await this.read(session.id);
        const entry = row && revisionOf(row).entry;
        if (entry !== session.entry) {
          const prune = () => this.#index.prune(session);
          const problem = await tryOnIndex(session.id, prune);
          if (problem !== undefined) this.#warn(problem);
        }
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

  /** Streams the IDs of all sessions, some at a time; an ID may come twice. */
  async *#ids(): AsyncGenerator<string[]> {
    const start = `${this.#redis.keyPrefix}${this.#keyOf("")}`.slice(0, -1);
    const match = `${start.replaceAll(/[\\*?[\]]/g, "\\$&")}*}`;
    const rest = ["MATCH", match, "COUNT", KEYS_AT_A_TIME, "TYPE", "string"];
    for (const { send } of await this.#redis.nodes()) {
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

  /** Writes, if what is there begins with what is expected. */
  async #write(
    id: string,
    expected: string,
    session: string,
    expiry: number | null,
  ): Promise<boolean> {
    const args = [expected, lifeOf(expiry), session];
    if (expected !== NONE) {
      const key = this.#keyOf(id);
      const replaced = await REPLACE.run(this.#redis, [key], args);
      if (Number(replaced) === 1) return true;
    }
    const written = await WRITE.run(this.#redis, this.#keysOf(id), args);
    return Number(written) === 1;
  }

  /** Keeps an entry that the session has for as long as the session. */
  async #prolongEntry(
    id: string,
    entry: string,
    expiry: number | null,
  ): Promise<StoreWarning | undefined> {
    if (entry === NONE) return undefined;
    return await tryOnIndex(id, () => this.#index.put({ id, entry }, expiry));
  }

  /** Removes an entry that the session no longer has from the index. */
  async #removeEntry(id: string, entry: string, kept: string): Promise<void> {
    if (entry === NONE || entry === kept) return;
    const problem = await tryOnIndex(
      id,
      () => this.#index.remove({ id, entry }),
    );
    if (problem !== undefined) this.#warn(problem);
  }

  #keyOf(id: string): string {
    return `${this.#prefix}:{${id}}`;
  }

  /** Names the keys of a session, and of one that is gone: in one slot. */
  #keysOf(id: string): [string, string] {
    const key = this.#keyOf(id);
    return [key, `${key}:gone`];
  }
}

/**
 * Changes the index where the answer does not depend on it. In a cluster the
 * index may be on another node, which may be down.
 *
 * @returns The problem, if it failed.
 */
async function tryOnIndex(
  id: string,
  change: () => Promise<void>,
): Promise<StoreWarning | undefined> {
  try {
    await change();
    return undefined;
  } catch (error) {
    const what = `update the index of session ${id}`;
    return unwritten(what, error, { sessionId: id });
  }
}

function revisionOf(row: EngineRow): RedisRevision {
  return row.revision as RedisRevision;
}

/** Returns the first two words of a session. */
function headOf(row: EngineRow): string {
  return `${revisionOf(row).revision} ${accessOf(row.lastAccess)}`;
}

/** Returns the string of a row in the place of another, whose numbers it keeps. */
function stringOf(
  { revision, lastAccess, json }: NewEngineRow,
  before: RedisRevision,
  entry: string,
): string {
  const past = NUMBER.test(before.revision)
    ? `${before.revision}${before.past}`.slice(0, PAST_LENGTH)
    : NONE;
  return `${textOf(revision)} ${accessOf(lastAccess)} ${past} ${entry} ${json}`;
}

function textOf(number: number): string {
  return number.toString(36).padStart(NUMBER_LENGTH, "0");
}

function accessOf(lastAccess: number): string {
  return String(Math.floor(lastAccess)).padStart(ACCESS_LENGTH, "0");
}

function rowOf(session: unknown): EngineRow | undefined {
  if (session === null) return undefined;
  if (typeof session !== "string") {
    throw new TypeError("Cannot use client: its answer is not a string");
  }
  const pastEnd = session.indexOf(" ", PAST_AT);
  const end = session.indexOf(" ", pastEnd + 1);
  const isOurs = session.charCodeAt(ACCESS_AT - 1) === SPACE &&
    session.charCodeAt(PAST_AT - 1) === SPACE && pastEnd >= 0 && end >= 0;
  if (!isOurs) {
    const revision: RedisRevision = { ...ABSENT, revision: JUNK };
    return { json: "", lastAccess: 0, revision };
  }
  const revision: RedisRevision = {
    revision: session.slice(0, NUMBER_LENGTH),
    past: session.slice(PAST_AT, pastEnd),
    entry: session.slice(pastEnd + 1, end),
  };
  const lastAccess = Number(session.slice(ACCESS_AT, PAST_AT - 1));
  return { json: session.slice(end + 1), lastAccess, revision };
}
