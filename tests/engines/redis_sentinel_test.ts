/** A client that asks sentinels where the master is, and a master that changes. */

import { assert, assertEquals } from "@std/assert";
import { createSentinel } from "npm:redis@5.12.1";
import { Redis } from "npm:ioredis@5.11.1";
import type { RedisClient } from "../../src/engines/redis_client.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  missingRedis,
  RedisServer,
  waitForReplica,
  waitUntil,
} from "./redis_server.ts";

const HOST = "127.0.0.1";
const NAME = "sessions";

/** Ignores what a client reports of its connection. */
function ignoreError(): void {}

Deno.test({
  name: "RedisSessionStore works through sentinels, which name another master",
  ignore: missingRedis !== undefined,
  fn: async () => {
    await using master = await RedisServer.start();
    await using replica = await RedisServer.start();
    await replica.ask("REPLICAOF", HOST, master.port);
    using directory = new TemporaryDirectory();
    const path = directory.join("sentinel");
    await Deno.writeTextFile(
      path,
      `sentinel monitor ${NAME} ${HOST} ${master.port} 1
sentinel down-after-milliseconds ${NAME} 60000
sentinel failover-timeout ${NAME} 2000
`,
    );
    await using sentinel = await RedisServer.start({ sentinel: path });
    const sentinels = [{ host: HOST, port: sentinel.port }];
    await waitUntil("the sentinel knows the replica", async () => {
      const found = await sentinel.ask("SENTINEL", "REPLICAS", NAME);
      const text = String(found);
      return text.includes("master-link-status,ok");
    });
    const node = createSentinel({
      name: NAME,
      sentinelRootNodes: sentinels,
      scanInterval: 100,
    });
    node.on("error", ignoreError);
    await node.connect();
    const io = new Redis({ sentinels, name: NAME });
    io.on("error", ignoreError);
    try {
      const stores = [node, io].map((client: RedisClient) =>
        new RedisSessionStore(client)
      );
      for (const store of stores) {
        await store.setup();
        await useAll(store);
        await store.save(ID, recordOf({ n: 1 }, { user: "ann" }));
      }
      await waitForReplica(master, replica);
      await master.stop();
      // Not before: one that answers late on a busy machine is not down.
      const down = "down-after-milliseconds";
      await sentinel.ask("SENTINEL", "SET", NAME, down, 500);
      await waitUntil("the replica is the master", async () => {
        // The replica closes its connections when it becomes the master.
        const named = await sentinel.ask(
          ...["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME],
        ) as [string, string];
        return Number(named[1]) === replica.port;
      });
      for (const store of stores) {
        assertEquals((await store.load(ID))?.data, { n: 1 });
        await store.check();
        await useAll(store);
      }
    } finally {
      node.destroy();
      io.disconnect();
    }
  },
});

async function useAll(store: RedisSessionStore): Promise<void> {
  const record = recordOf({ n: 1 }, { user: "ann" });
  assertEquals(await store.create(OTHER_ID, record), true);
  assertEquals(await store.touch(OTHER_ID), true);
  assert(await store.update(OTHER_ID, (before) => before));
  const anns = await Array.fromAsync(store.entries({ user: "ann" }));
  assert(anns.some(([id]) => id === OTHER_ID));
  assert((await Array.fromAsync(store.entries())).length > 0);
  assertEquals(await store.delete(OTHER_ID), true);
}
