/** The clients that a store accepts: real ones, without a type assertion. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { Cluster, Redis } from "npm:ioredis@5.11.1";
import {
  createClient,
  createClientPool,
  createCluster,
  RESP_TYPES,
} from "npm:redis@5.12.1";
import type { RedisClient } from "../../src/engines/redis_client.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";

const HOST = "127.0.0.1";

Deno.test("RedisSessionStore accepts every kind of client", () => {
  const stores = [
    new RedisSessionStore(createClient()),
    new RedisSessionStore(createClient({ RESP: 3 })),
    new RedisSessionStore(createCluster({ rootNodes: [{ url: "redis://x" }] })),
    new RedisSessionStore(new Redis({ lazyConnect: true })),
    new RedisSessionStore(
      new Cluster([{ host: HOST }], { lazyConnect: true }),
    ),
  ];
  assertEquals(stores.length, 5);
});

Deno.test("RedisSessionStore refuses what is not a client", () => {
  const wrong: unknown[] = [
    undefined,
    null,
    "redis://localhost",
    {},
    { sendCommand: "PING" },
    () => {},
  ];
  for (const client of wrong) {
    assertThrows(
      () => new RedisSessionStore(client as RedisClient),
      TypeError,
      "Cannot use client",
    );
  }
});

Deno.test("RedisSessionStore refuses a client that reads from replicas", () => {
  const cluster = new Cluster([{ host: HOST }], {
    lazyConnect: true,
    scaleReads: "slave",
  });
  assertThrows(
    () => new RedisSessionStore(cluster),
    TypeError,
    "Cannot use client",
  );
});

Deno.test("RedisSessionStore refuses an invalid prefix", () => {
  for (const prefix of ["", "{", "a}b", "{a}", null, 1]) {
    const client = new Redis({ lazyConnect: true });
    assertThrows(
      () => new RedisSessionStore(client, { prefix: prefix as string }),
      TypeError,
      "Cannot use prefix",
    );
  }
});

/** All clients of one server, as an application may have made them. */
const CLIENTS: Record<string, (port: number) => Promise<Made>> = {
  "npm:redis, RESP2": (port) => nodeRedis(createClient({ url: url(port) })),
  "npm:redis, RESP3": (port) =>
    nodeRedis(createClient({ url: url(port), RESP: 3 })),
  "npm:redis, a pool": (port) =>
    nodeRedis(createClientPool({ url: url(port) })),
  "npm:ioredis": (port) => ioRedis(new Redis({ host: HOST, port })),
  "npm:ioredis, automatic pipelines": (port) =>
    ioRedis(new Redis({ host: HOST, port, enableAutoPipelining: true })),
  "npm:ioredis, numbers as text": (port) =>
    ioRedis(new Redis({ host: HOST, port, stringNumbers: true })),
  "npm:ioredis, a prefix of its own": (port) =>
    ioRedis(new Redis({ host: HOST, port, keyPrefix: "app[1]*:" })),
};

interface Made {
  readonly client: RedisClient;
  end(): void;
}

async function nodeRedis(
  client: RedisClient & { connect(): Promise<unknown>; destroy(): void },
): Promise<Made> {
  await client.connect();
  return { client, end: () => client.destroy() };
}

function ioRedis(client: Redis): Promise<Made> {
  return Promise.resolve({ client, end: () => client.disconnect() });
}

function url(port: number): string {
  return `redis://${HOST}:${port}`;
}

for (const [name, make] of Object.entries(CLIENTS)) {
  Deno.test({
    name: `RedisSessionStore works with ${name}`,
    ignore: missingRedis !== undefined,
    fn: async () => {
      await using server = await RedisServer.start();
      const { client, end } = await make(server.port);
      try {
        await useAll(new RedisSessionStore(client));
      } finally {
        end();
      }
    },
  });
}

async function useAll(store: RedisSessionStore): Promise<void> {
  const record = recordOf({ text: "é🍪" }, { user: "ann", idleTimeout: HOUR });
  assertEquals(await store.create(ID, record), true);
  assertEquals(await store.create(ID, record), false);
  await store.save(OTHER_ID, recordOf());
  assertEquals(await store.load(ID, { touch: () => true }), record);
  const changed = await store.update(ID, (old) => ({ ...old, data: {} }));
  assertEquals(changed?.data, {});
  assertEquals((await Array.fromAsync(store.entries())).length, 2);
  const anns = await Array.fromAsync(store.entries({ user: "ann" }));
  assertEquals(anns.map(([id]) => id), [ID]);
  const { deleted, remaining } = await store.deleteOldSessions(0);
  assertEquals([deleted, remaining], [1, 1]);
  assertEquals(await store.update(ID, () => undefined), null);
  assertEquals(await store.delete(ID), false);
  assertEquals(await store.load(ID), undefined);
}

Deno.test({
  name:
    "RedisSessionStore does not take an answer in bytes for a missing session",
  ignore: missingRedis !== undefined,
  fn: async () => {
    await using server = await RedisServer.start();
    const client = createClient({
      url: url(server.port),
      commandOptions: {
        typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer },
      },
    });
    await client.connect();
    try {
      const store = new RedisSessionStore(client);
      await store.save(ID, recordOf());
      await assertRejects(() => store.load(ID), TypeError, "not a string");
    } finally {
      client.destroy();
    }
  },
});

Deno.test({
  name:
    "RedisSessionStore lists the sessions with its prefix, whatever that is",
  ignore: missingRedis !== undefined,
  fn: async () => {
    await using server = await RedisServer.start();
    const client = new Redis({ host: HOST, port: server.port });
    try {
      const prefixes = ["a", "a*", "a?", "[a]", "\\a", "a:user", "é", "a b\n"];
      for (const prefix of prefixes) {
        const store = new RedisSessionStore(client, { prefix });
        await store.save(ID, recordOf({ prefix }, { user: "ann" }));
      }
      // Keys of another application, which a scan finds.
      await client.hset("a:{another-application}", "version", "1");
      await client.set("a:{settings}", "text");
      await client.set("a:{what-is-no-session}", "text");
      for (const prefix of prefixes) {
        const store = new RedisSessionStore(client, { prefix });
        const found = await Array.fromAsync(store.entries());
        assertEquals(found.map(([, { data }]) => data), [{ prefix }]);
        assertEquals((await store.deleteOldSessions(30)).remaining, 1);
      }
      assert(await client.exists("a:{settings}"));
    } finally {
      client.disconnect();
    }
  },
});
