/*
 * A string is a session:
 *
 *   prefix:{id}   revision access entry json
 *
 *   revision  11 characters, base 36
 *   access    when it was last accessed, 16 digits
 *   entry     what it has of the index of its user, see redis_user_index.ts;
 *             empty if it has none
 *
 * So a load is a GET, and a touch overwrites 16 bytes in place. A step that
 * depends on the revision is a script, into which no other command cuts. Redis
 * deletes the string an hour after the session has expired.
 *
 * A client may send a command again after the connection was lost, when Redis has
 * carried it out already. So a write that finds its own revision is done.
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
import {
  canKeep,
  lifeOf,
  makeEntry,
  RedisUserIndex,
} from "./redis_user_index.ts";
import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
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
 * Redis can lose changes that it has acknowledged: the last second when the
 * machine fails (`appendfsync everysec`; all since the last snapshot without
 * `appendonly`), and what the replica that takes over had not received. A logout
 * among them is undone. With `maxmemory`, set `maxmemory-policy` to `noeviction`
 * or `volatile-ttl`: the others evict sessions that are in use.
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

const REVISION_LENGTH = 11;
const ACCESS_LENGTH = 16;
/** Where the access begins, and where the entry does. */
const ACCESS_AT = REVISION_LENGTH + 1;
const ENTRY_AT = ACCESS_AT + ACCESS_LENGTH + 1;
const SPACE = 32;

const KEYS_AT_A_TIME = "200";
const ANY = "*";
const NONE = "";
/** The revision of a string that is not a session. */
const JUNK = "?";

/** The first and the third word of a session. */
interface RedisRevision {
  readonly revision: string;
  readonly entry: string;
}

const ABSENT: RedisRevision = { revision: NONE, entry: NONE };

/**
 * ARGV: revision expected, life in ms, the session, its revision and entry.
 * Returns the entry before, or nothing when it is refused.
 */
const WRITE = new RedisScript(`
local head = redis.call('GETRANGE', KEYS[1], 0, 99)
local revision, entry = string.match(head, '^([^ ]*) [^ ]* ([^ ]*) ')
if head == '' then revision = '' elseif not revision or #revision ~= ${REVISION_LENGTH} then revision = '${JUNK}' end
if revision == ARGV[4] then return ARGV[5] end
if revision ~= ARGV[1] then return false end
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[3]) else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2]) end
return entry or ''`);

/** ARGV: revision and access expected, life in ms, access. */
const TOUCH = new RedisScript(`
if redis.call('GETRANGE', KEYS[1], 0, ${
  ENTRY_AT - 2
}) ~= ARGV[1] then return 0 end
redis.call('SETRANGE', KEYS[1], ${ACCESS_AT}, ARGV[3])
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`);

/** ARGV: revision and access expected. Returns what it removes. */
const REMOVE = new RedisScript(`
if ARGV[1] ~= '${ANY}' and redis.call('GETRANGE', KEYS[1], 0, ${
  ENTRY_AT - 2
}) ~= ARGV[1] then return false end
return redis.call('GETDEL', KEYS[1])`);

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

  setup(warn: (warning: StoreWarning) => void): void {
    this.#warn = warn;
  }

  read(id: string): Promise<EngineRow | undefined> {
    const key = this.#keyOf(id);
    return this.#redis.send(key, ["GET", key]).then(rowOf);
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
  ): Promise<boolean> {
    const { revision, entry: before } = expected === undefined
      ? ABSENT
      : revisionOf(expected);
    if (canKeep(before, row)) {
      // What is in the index already need not be there first.
      const [replaced] = await Promise.all([
        this.#write(id, row, revision, before),
        this.#prolongEntry(id, before, row.expiry),
      ]);
      return replaced !== null;
    }
    const entry = makeEntry(row);
    if (entry !== NONE) await this.#index.put({ id, entry }, row.expiry);
    const isReplaced = await this.#write(id, row, revision, entry) !== null;
    if (isReplaced) await this.#removeEntry(id, before, entry);
    else await this.#removeEntry(id, entry, before);
    return isReplaced;
  }

  async touch(
    id: string,
    { lastAccess, expiry }: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> {
    const { entry } = revisionOf(expected);
    const args = [headOf(expected), lifeOf(expiry), accessOf(lastAccess)];
    const [touched] = await Promise.all([
      TOUCH.run(this.#redis, this.#keyOf(id), args),
      this.#prolongEntry(id, entry, expiry),
    ]);
    return Number(touched) === 1;
  }

  async remove(
    id: string,
    expected?: EngineRow,
  ): Promise<EngineRow | undefined> {
    const head = expected === undefined ? ANY : headOf(expected);
    const row = rowOf(await REMOVE.run(this.#redis, this.#keyOf(id), [head]));
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
          await this.#tryOnIndex(session.id, () => this.#index.prune(session));
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

  /** Writes; returns the entry before, or `null` when it is refused. */
  async #write(
    id: string,
    row: NewEngineRow,
    expected: string,
    entry: string,
  ): Promise<string | null> {
    const revision = textOf(row.revision);
    const access = accessOf(row.lastAccess);
    const session = `${revision} ${access} ${entry} ${row.json}`;
    const args = [expected, lifeOf(row.expiry), session, revision, entry];
    const before = await WRITE.run(this.#redis, this.#keyOf(id), args);
    return before as string | null;
  }

  /** Keeps an entry that the session has for as long as the session. */
  async #prolongEntry(
    id: string,
    entry: string,
    expiry: number | null,
  ): Promise<void> {
    if (entry === NONE) return;
    await this.#tryOnIndex(id, () => this.#index.put({ id, entry }, expiry));
  }

  /** Removes an entry that the session no longer has from the index. */
  async #removeEntry(id: string, entry: string, kept: string): Promise<void> {
    if (entry === NONE || entry === kept) return;
    await this.#tryOnIndex(id, () => this.#index.remove({ id, entry }));
  }

  /**
   * Changes the index where the answer does not depend on it. In a cluster the
   * index may be on another node, which may be down.
   */
  async #tryOnIndex(id: string, change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } catch (error) {
      const what = `update the index of session ${id}`;
      this.#warn(unwritten(what, error, { sessionId: id }));
    }
  }

  #keyOf(id: string): string {
    return `${this.#prefix}:{${id}}`;
  }
}

function revisionOf(row: EngineRow): RedisRevision {
  return row.revision as RedisRevision;
}

/** Returns the first two words of a session. */
function headOf(row: EngineRow): string {
  return `${revisionOf(row).revision} ${accessOf(row.lastAccess)}`;
}

function textOf(revision: number): string {
  return revision.toString(36).padStart(REVISION_LENGTH, "0");
}

function accessOf(lastAccess: number): string {
  return String(Math.floor(lastAccess)).padStart(ACCESS_LENGTH, "0");
}

function rowOf(session: unknown): EngineRow | undefined {
  if (session === null) return undefined;
  if (typeof session !== "string") {
    throw new TypeError("Cannot use client: its answer is not a string");
  }
  const end = session.indexOf(" ", ENTRY_AT);
  const isOurs = session.charCodeAt(ACCESS_AT - 1) === SPACE &&
    session.charCodeAt(ENTRY_AT - 1) === SPACE && end >= 0;
  if (!isOurs) {
    const revision: RedisRevision = { revision: JUNK, entry: NONE };
    return { json: "", lastAccess: 0, revision };
  }
  const revision: RedisRevision = {
    revision: session.slice(0, REVISION_LENGTH),
    entry: session.slice(ENTRY_AT, end),
  };
  const lastAccess = Number(session.slice(ACCESS_AT, ENTRY_AT - 1));
  return { json: session.slice(end + 1), lastAccess, revision };
}
