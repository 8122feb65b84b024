import {
  bad,
  clockFinding,
  type Finding,
  type Inspection,
  ok,
  skip,
  warn,
} from "../core/finding.ts";
import {
  connectionOf,
  type RedisClient,
  type RedisNode,
} from "./redis_client.ts";
import { HARMLESS, REFUSED } from "./redis_setup.ts";

const OLDEST = [6, 2] as const;

/**
 * Inspects a Redis server, or each master of a cluster, with its number.
 *
 * @param client A connected client.
 */
export async function* inspectRedis(client: RedisClient): Inspection {
  const nodes = await connectionOf(client).nodes();
  for (const [n, node] of nodes.entries()) {
    for await (const finding of inspectNode(node)) {
      const { check } = finding;
      yield nodes.length === 1
        ? finding
        : { ...finding, check: `${check} ${n + 1}` };
    }
  }
  return true;
}

async function* inspectNode({ send }: RedisNode): AsyncGenerator<Finding> {
  const before = Date.now();
  const time = await send(["TIME"]).catch(refused);
  if (Array.isArray(time)) {
    const middle = (before + Date.now()) / 2;
    const [seconds, microseconds] = time.map(Number) as [number, number];
    yield clockFinding(seconds * 1000 + microseconds / 1000 - middle, "Redis");
  } else yield skip("clock", "the right +time of Redis");
  const info = await send(["INFO"]).catch(refused);
  if (info === undefined) {
    yield skip(
      "server",
      "the right +info of Redis",
    );
    return;
  }
  const values = new Map(
    String(info).split("\r\n").map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const valueOf = (name: string) => values.get(name) ?? "unknown";
  yield judgeVersion(valueOf("redis_version"));
  yield valueOf("role") === "slave"
    ? bad(
      "role",
      `a replica of ${valueOf("master_host")}`,
      "connect to its master",
    )
    : ok("role", valueOf("role"));
  yield judgeEviction(
    valueOf("maxmemory_policy"),
    Number(valueOf("maxmemory")),
    Number(valueOf("evicted_keys")),
  );
  yield valueOf("aof_enabled") === "1" ? ok("persistence", "appendonly") : warn(
    "persistence",
    "no appendonly: a restart takes back all since the last snapshot, logouts too",
    "set appendonly yes, if sessions are to survive a restart",
  );
  if (valueOf("aof_last_write_status") === "err") {
    yield bad(
      "disk",
      "Redis cannot write its log",
      "look at its disk and its log",
    );
  }
}

function judgeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < OLDEST[0] || major === OLDEST[0] && minor < OLDEST[1];
  return isOld
    ? bad("version", version, `Redis ${OLDEST.join(".")} or later is needed`)
    : ok("version", version);
}

function judgeEviction(
  policy: string,
  maxmemory: number,
  evicted: number,
): Finding {
  const state = `${policy}, maxmemory ${maxmemory}, ${evicted} keys evicted`;
  if (HARMLESS.includes(policy)) return ok("eviction", state);
  const advice = "set maxmemory-policy to noeviction or volatile-ttl";
  return maxmemory > 0
    ? bad("eviction", `${state}: sessions in use are evicted`, advice)
    : warn(
      "eviction",
      `${state}: with a maxmemory it would evict sessions in use`,
      advice,
    );
}

/** What a command gives that the user may not send; other errors are thrown. */
function refused(error: unknown): undefined {
  if (error instanceof Error && REFUSED.test(error.message)) return undefined;
  throw error;
}
