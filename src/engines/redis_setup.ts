import { SessionStoreError } from "../core/errors.ts";
import type { StoreWarning } from "../core/store.ts";
import {
  type RedisConnection,
  type RedisNode,
  RedisScript,
} from "./redis_client.ts";

/**
 * KEYS: a session, what is gone, an index. Tries each command that the store
 * sends, and returns which fail, and why. What it writes is gone at once.
 */
const TRY = new RedisScript(`
local failed = {}
local function try(name, ...)
  local answer = redis.pcall(name, ...)
  if type(answer) == 'table' and answer.err then table.insert(failed, name .. ': ' .. answer.err) end
end
try('TIME')
try('SET', KEYS[1], 'setup', 'PX', 1000)
try('GET', KEYS[1])
try('GETRANGE', KEYS[1], 0, 1)
try('SETRANGE', KEYS[1], 0, 's')
try('PTTL', KEYS[1])
try('PERSIST', KEYS[1])
try('PEXPIRE', KEYS[1], 1000)
if redis.pcall('GET', KEYS[1]) then try('RENAME', KEYS[1], KEYS[2]) end
try('APPEND', KEYS[2], 's')
try('PEXPIRE', KEYS[2], 1)
try('ZADD', KEYS[3], 'GT', 1, 'setup')
try('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(1')
try('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
try('PERSIST', KEYS[3])
try('PEXPIREAT', KEYS[3], 9007199254740991)
try('ZSCAN', KEYS[3], 0, 'COUNT', 1)
try('ZREM', KEYS[3], 'setup')
try('SCAN', 0, 'COUNT', 1, 'TYPE', 'string')
return failed`);

/** How an error begins that Redis gives for a command it does not carry out. */
export const REFUSED: RegExp = /^(NOPERM|ERR unknown command)/;
/** Commands without which nothing can be read. */
const READING = /^(GET|SCAN|ZSCAN): /;
/** Policies of eviction that take no session before its time, or hardly one. */
export const HARMLESS: readonly string[] = ["noeviction", "volatile-ttl"];
/** Keys to try for one that a node of a cluster has: with 1 slot of 100. */
const MOST_TRIES = 1_000;

/**
 * Tries on each master whether the store can work with it.
 *
 * @param redis The connection.
 * @param prefix What the store's keys begin with.
 * @param warn Takes a setting that loses sessions.
 * @throws {SessionStoreError} If a command fails; the message says which.
 * @throws {TypeError} If the answers are not what a client should give.
 */
export async function tryRedis(
  redis: RedisConnection,
  prefix: string,
  warn: (warning: StoreWarning) => void,
): Promise<void> {
  const nodes = await redis.nodes();
  const tries = nodes.map(async (node) => {
    checkFailures(await tryNode(node, prefix), warn);
    await checkEviction(node, warn);
  });
  const errors: unknown[] = [];
  for (const tried of await Promise.allSettled(tries)) {
    if (tried.status === "rejected") errors.push(tried.reason);
  }
  for (const error of errors) {
    // A node of a cluster that is down is not needed for the other sessions.
    const isDown = errors.length < nodes.length &&
      !(error instanceof SessionStoreError || error instanceof TypeError);
    if (!isDown) throw error;
    const message = `A node of Redis cannot be reached: ${error}`;
    warn({ type: "setup", error, message });
  }
}

/** Returns which commands fail on a node, and why. */
async function tryNode(node: RedisNode, prefix: string): Promise<string[]> {
  const { keyPrefix, isCluster, send } = node;
  for (let n = 0; n < MOST_TRIES; n++) {
    const tag = `{setup-${n}}`;
    const session = `${keyPrefix}${prefix}:${tag}`;
    const index = `${keyPrefix}${prefix}:user:${tag}`;
    const rest = ["3", session, `${session}:gone`, index];
    try {
      const failed = await send(["EVAL", TRY.text, ...rest]);
      await send(["EVALSHA", TRY.hash, ...rest]);
      if (Array.isArray(failed)) return failed.map(String);
    } catch (error) {
      const message = error instanceof Error ? error.message : "";
      if (isCluster && /^(MOVED|ASK) /.test(message)) continue;
      // The command and all its arguments arrived as one text.
      const isMerged = /unknown command .EVAL,/i.test(message);
      if (!isMerged && REFUSED.test(message)) return [`EVAL: ${message}`];
      if (!isMerged) throw error;
    }
    throw new TypeError(
      "Cannot use client: it does not send commands as npm:redis 5 and npm:ioredis 5 do",
    );
  }
  // It has no part of the keys, or hardly one.
  return [];
}

function checkFailures(
  failed: readonly string[],
  warn: (warning: StoreWarning) => void,
): void {
  const isOfRoom = (failure: string) => /: -?OOM /.test(failure);
  const lasting = failed.filter((failure) => !isOfRoom(failure));
  if (lasting.length === 0) {
    const [first] = failed;
    if (first === undefined) return;
    // Reads and logouts work.
    warn({ type: "setup", message: `Redis is full: ${first}` });
    return;
  }
  const isReadOnly = lasting.some((failure) => /: -?READONLY /.test(failure));
  const advice = isReadOnly
    ? "the server is read-only: connect to its master"
    : "the store needs Redis 6.2 or later, and a user with the rights that RedisSessionStore documents";
  throw new SessionStoreError(
    lasting.some((failure) => READING.test(failure)) ? "read" : "write",
    new Error(`${advice} (${lasting.join("; ")})`),
  );
}

/** Warns of a node that evicts sessions that are in use. */
async function checkEviction(
  { send }: RedisNode,
  warn: (warning: StoreWarning) => void,
): Promise<void> {
  let info: string;
  try {
    info = String(await send(["INFO", "memory"]));
  } catch (error) {
    // It may not be asked. What else is wrong, any other command says.
    if (error instanceof Error && REFUSED.test(error.message)) return;
    throw error;
  }
  const isBounded = /^maxmemory:[1-9]/m.test(info);
  const policy = /^maxmemory_policy:([\w-]+)/m.exec(info)?.[1];
  if (!isBounded || policy === undefined || HARMLESS.includes(policy)) return;
  const message =
    `Redis evicts sessions that are in use when it is full: set maxmemory-policy to noeviction, not ${policy}`;
  warn({ type: "setup", message });
}
