import type { StorePlace } from "../contract/open_store.ts";
import { testEngine } from "./engine_suite.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";

let server: RedisServer;
let prefixes = 0;

if (missingRedis === undefined) {
  Deno.test.beforeAll(async () => {
    server = await RedisServer.start();
  });
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
}

for (const client of ["redis", "ioredis"] as const) {
  testEngine(`RedisSessionStore, npm:${client}`, {
    missing: missingRedis,
    isShared: true,
    make: () => {
      const place: StorePlace = {
        kind: "redis",
        port: server.port,
        client,
        isCluster: false,
        prefix: `test-${prefixes++}`,
      };
      return Promise.resolve({
        place,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
    spoil: async (place, id) => {
      if (place.kind !== "redis") throw new TypeError("not in Redis");
      await server.ask("SET", `${place.prefix}:{${id}}`, "junk");
    },
  });
}
