/** The contract in a real cluster: the keys of a test are on three nodes. */

import { testEngine } from "./engine_suite.ts";
import { RedisCluster } from "./redis_cluster.ts";
import { missingRedis } from "./redis_server.ts";

let cluster: RedisCluster;
let prefixes = 0;

if (missingRedis === undefined) {
  Deno.test.beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  Deno.test.afterAll(() => cluster[Symbol.asyncDispose]());
}

for (const client of ["redis", "ioredis"] as const) {
  testEngine(`RedisSessionStore, npm:${client}, cluster`, {
    missing: missingRedis,
    // With one client: that takes its time, and the scripts are the same.
    isShared: client === "ioredis",
    operations: 4_000,
    make: () =>
      Promise.resolve({
        place: {
          kind: "redis",
          port: cluster.masters[0]!.port,
          client,
          isCluster: true,
          prefix: `test-${prefixes++}`,
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  });
}
