import type { EnginePlace } from "./engine_contract.ts";
import { testEngine } from "./engine_suite.ts";
import { type RedisPlace, spoilRedis } from "./open_redis.ts";
import { RedisCluster } from "./redis_cluster.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";

let server: RedisServer;
let cluster: RedisCluster;
let prefixes = 0;

if (missingRedis === undefined) {
  Deno.test.beforeAll(async () => {
    server = await RedisServer.start();
    cluster = await RedisCluster.start();
  });
  Deno.test.afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
}

/** Returns a place that no test has used. */
function makePlace(
  client: "redis" | "ioredis",
  port: number,
  isCluster: boolean,
): EnginePlace {
  const prefix = `test-${prefixes++}`;
  return {
    place: { kind: "redis", port, client, isCluster, prefix },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

for (const client of ["redis", "ioredis"] as const) {
  testEngine(`RedisSessionStore, npm:${client}`, {
    missing: missingRedis,
    isShared: true,
    make: () => Promise.resolve(makePlace(client, server.port, false)),
    spoil: (place, ...rest) => spoilRedis(place as RedisPlace, ...rest),
  });

  // The keys of a test are on three nodes.
  testEngine(`RedisSessionStore, npm:${client}, cluster`, {
    missing: missingRedis,
    // With one client only: it is slow, and the scripts are the same.
    isShared: client === "ioredis",
    make: () => {
      const { port } = cluster.masters[0]!;
      return Promise.resolve(makePlace(client, port, true));
    },
  });
}
