/** A Redis Cluster that hands over to a replica, and where its keys are. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { Cluster } from "npm:ioredis@5.11.1";
import { userTag } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { connectRedis } from "./open_redis.ts";
import { RedisCluster } from "./redis_cluster.ts";
import {
  missingRedis,
  RedisServer,
  waitForReplica,
  waitUntil,
} from "./redis_server.ts";
import { ask } from "./redis_wire.ts";

const HOST = "127.0.0.1";
const ignore = missingRedis !== undefined;

/** Ignores what a client reports of its connection. */
function ignoreError(): void {}

Deno.test({
  name: "RedisSessionStore: a replica takes over, and later calls work",
  ignore,
  fn: async () => {
    await using cluster = await RedisCluster.start({
      hasReplica: true,
      nodeTimeout: 1_000,
    });
    const { masters, replica } = cluster;
    const { port } = masters[1]!;
    await using io = await connectRedis(
      { port, client: "ioredis", isCluster: true },
      ignoreError,
    );
    await using node = await connectRedis(
      { port, client: "redis", isCluster: true },
      ignoreError,
    );
    const first = new RedisSessionStore(io.client);
    const other = new RedisSessionStore(node.client);
    const ids = Array.from({ length: 30 }, (_, n) => `session-number-${n}`);
    for (const [n, id] of ids.entries()) {
      await first.save(id, recordOf({ n }, { user: "ann" }));
    }
    await other.setup();
    // So that no write is lost that only the master has.
    await waitForReplica(masters[0]!, replica!);

    await masters[0]!.stop();
    const left = [...masters.slice(1), replica!];
    await waitUntil("the replica has taken over", async () => {
      const role = await replica!.ask("ROLE") as unknown[];
      const infos = await Promise.all(
        left.map((node) => node.ask("CLUSTER", "INFO")),
      );
      return role[0] === "master" &&
        infos.every((info) => String(info).includes("cluster_state:ok"));
    });

    await useSessions(first, ids);

    // This client learns of it from the node that failed:
    // https://github.com/redis/node-redis/issues/2806
    const reason = new Error("no longer wanted");
    const given = new AbortController();
    const { signal } = given;
    const asked = Promise.all(ids.map((id) => other.load(id, { signal })));
    queueMicrotask(() => given.abort(reason));
    assertStrictEquals(await assertRejects(() => asked), reason);
    await masters[0]!.resume();
    await waitUntil("the node that failed is a replica", async () => {
      const role = await masters[0]!.ask("ROLE") as unknown[];
      return role[0] === "slave" && role[3] === "connected";
    });
    await useSessions(other, ids);
    await useSessions(first, ids);
  },
});

/** Runs every operation on sessions of Ann's. */
async function useSessions(
  store: RedisSessionStore,
  ids: readonly string[],
): Promise<void> {
  for (const [n, id] of ids.entries()) {
    const changed = await store.update(id, (record) => {
      assertEquals(record.data, { n });
      return record;
    });
    assert(changed);
  }
  assertEquals(await store.create(OTHER_ID, recordOf()), true);
  assertEquals(await store.delete(OTHER_ID), true);
  for (const options of [{}, { user: "ann" }]) {
    const entries = await Array.fromAsync(store.entries(options));
    assertEquals(entries.map(([id]) => id).sort(), ids.toSorted());
  }
}

Deno.test({
  name:
    "RedisSessionStore: while the node of an index is down, only a login fails, and changes nothing",
  ignore,
  fn: async () => {
    await using cluster = await RedisCluster.start({
      nodeTimeout: 1_000,
      needsAll: false,
    });
    const { masters } = cluster;
    const slotOf = async (key: string) =>
      await masters[0]!.ask("CLUSTER", "KEYSLOT", key) as number;
    const nodeOf = async (key: string) =>
      Math.floor(await slotOf(key) * masters.length / 16_384);
    const down = await nodeOf(userTag("ann"));
    const ids: string[] = [];
    for (let n = 0; ids.length < 4; n++) {
      const id = `session-number-${n}`;
      if (await nodeOf(id) !== down) ids.push(id);
    }
    const [used, left, ended, another] = ids as [
      string,
      string,
      string,
      string,
    ];
    const { port } = masters[(down + 1) % masters.length]!;
    const client = new Cluster([{ host: HOST, port }], {
      // An error, instead of waiting for the node.
      maxRedirections: 1,
      redisOptions: { maxRetriesPerRequest: 0 },
    });
    client.on("error", ignoreError);
    try {
      const warnings: StoreWarning[] = [];
      const store = new RedisSessionStore(client, {
        onWarning: (warning) => warnings.push(warning),
      });
      const ann = recordOf({ n: 0 }, { user: "ann" });
      for (const id of [used, left, ended]) await store.save(id, ann);
      await store.save(another, recordOf({ n: 0 }));
      await masters[down]!.stop();
      const { port: lives } = masters[(down + 1) % masters.length]!;
      await waitUntil("the node has failed", async () => {
        const nodes = String(await ask(lives, "CLUSTER", "NODES"));
        return /,fail|[^?]fail /.test(nodes);
      });

      const count = (record: SessionRecord) => ({
        ...record,
        data: { n: Number(record.data.n) + 1 },
      });
      assertEquals((await store.update(used, count))?.data, { n: 1 });
      assertEquals((await store.load(used, { touch: () => true }))?.data, {
        n: 1,
      });
      await store.save(used, ann);
      const logout = ({ user: _user, ...rest }: SessionRecord) => rest;
      assertEquals((await store.update(left, logout))?.user, undefined);
      assertEquals(await store.delete(ended), true);
      assertEquals(await store.has(ended), false);
      const [warning] = warnings;
      assertEquals(
        [warning?.type, warning?.sessionId],
        ["unwritten", used],
      );

      const login = (record: SessionRecord) => ({ ...record, user: "ann" });
      await assertRejects(() => store.update(another, login));
      await assertRejects(() => store.create(ended, ann));
      assertEquals(await store.load(another), recordOf({ n: 0 }));
      assertEquals(await store.has(ended), false);
    } finally {
      client.disconnect();
    }
  },
});

Deno.test({
  name:
    "RedisSessionStore: a listing waits for a cluster that is not connected",
  ignore,
  fn: async () => {
    await using cluster = await RedisCluster.start();
    const { port } = cluster.masters[0]!;
    const client = new Cluster([{ host: HOST, port }]);
    try {
      const store = new RedisSessionStore(client);
      assertEquals(await Array.fromAsync(store.entries()), []);
      for (let n = 0; n < 30; n++) {
        await store.save(`session-number-${n}`, recordOf());
      }
    } finally {
      client.disconnect();
    }
    const later = new Cluster([{ host: HOST, port }]);
    try {
      const store = new RedisSessionStore(later);
      assertEquals((await Array.fromAsync(store.entries())).length, 30);
    } finally {
      later.disconnect();
    }
  },
});

Deno.test({
  name:
    "RedisSessionStore: the keys of a session are in one slot, those of all in many",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start({
      settings: { "cluster-enabled": "yes" },
    });
    const slotOf = (key: string) => server.ask("CLUSTER", "KEYSLOT", key);
    const slot = await slotOf(ID);
    assertEquals(await slotOf(`latchkey:{${ID}}`), slot);
    assertEquals(await slotOf(`another prefix:{${ID}}`), slot);
    assert(await slotOf(`latchkey:{${OTHER_ID}}`) !== slot);
  },
});
