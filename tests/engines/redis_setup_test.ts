/** What `setup()` finds out about a Redis that the store cannot work with. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Cluster, Redis } from "npm:ioredis@5.11.1";
import { createClient, createCluster } from "npm:redis@5.12.1";
import { SessionStoreError } from "../../src/core/errors.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import type { RedisClient } from "../../src/engines/redis_client.ts";
import { HOUR, ID, recordOf } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { RedisCluster } from "./redis_cluster.ts";
import { missingRedis, RedisServer, waitUntil } from "./redis_server.ts";
import { ask } from "./redis_wire.ts";

const HOST = "127.0.0.1";
const USER = { username: "latchkey", password: "secret" };

/** Ignores what a client reports of its connection. */
function ignoreError(): void {}

/** Declares a test that needs Redis. */
function test(title: string, fn: () => Promise<void>): void {
  const name = `RedisSessionStore: ${title}`;
  Deno.test({ name, ignore: missingRedis !== undefined, fn });
}

/** A client, and its end. */
interface Made extends Disposable {
  readonly client: RedisClient;
}

async function nodeRedis(port: number, user = {}): Promise<Made> {
  const url = `redis://${HOST}:${port}`;
  const client = createClient({ url, ...user });
  client.on("error", ignoreError);
  await client.connect();
  return { client, [Symbol.dispose]: () => client.destroy() };
}

function ioRedis(port: number, user = {}): Promise<Made> {
  const client = new Redis({ host: HOST, port, ...user });
  client.on("error", ignoreError);
  return Promise.resolve({
    client,
    [Symbol.dispose]: () => client.disconnect(),
  });
}

/** The rights that the documentation of the store names. */
async function readRights(): Promise<string[]> {
  const url = new URL("../../src/engines/redis.ts", import.meta.url);
  const text = await Deno.readTextFile(url);
  const [, block] = /ACL SETUSER latchkey ([^`]*)/.exec(text)!;
  const words = block!.replaceAll(/\s*\n \* /g, " ").trim().split(" ");
  return words.map((word) => word === ">…" ? `>${USER.password}` : word);
}

/** Uses all that a store sends. */
async function useAll(store: RedisSessionStore): Promise<void> {
  const record = recordOf({ n: 1 }, { user: "ann", idleTimeout: HOUR });
  assertEquals(await store.create(ID, record), true);
  assertEquals(await store.touch(ID), true);
  await store.save(ID, recordOf({ n: 2 }, { user: "bob" }));
  assertEquals(await store.touch(ID), true);
  assert(await store.update(ID, () => record));
  assertEquals((await Array.fromAsync(store.entries())).length, 1);
  const anns = await Array.fromAsync(store.entries({ user: "ann" }));
  assertEquals(anns.length, 1);
  assertEquals((await store.deleteOldSessions(30)).remaining, 1);
  await store.check();
  assertEquals(await store.delete(ID), true);
}

test("the rights that the documentation names are enough, and none is too many", async () => {
  await using server = await RedisServer.start();
  const rights = await readRights();
  const commands = rights.filter((right) => right.startsWith("+"));
  assert(commands.length > 15);
  await server.ask("ACL", "SETUSER", "latchkey", ...rights);
  for (const make of [nodeRedis, ioRedis]) {
    using made = await make(server.port, USER);
    await useAll(new RedisSessionStore(made.client));
    for (const command of commands) {
      // A cluster alone is sent this.
      if (command === "+ping") continue;
      const name = command.slice(1);
      await server.ask("ACL", "SETUSER", "latchkey", `-${name}`);
      const store = new RedisSessionStore(made.client);
      const setup = () => store.setup();
      const error = await assertRejects(setup, SessionStoreError);
      assertStringIncludes(error.message.toLowerCase(), name);
      await server.ask("ACL", "SETUSER", "latchkey", command);
    }
    await server.ask("ACL", "SETUSER", "latchkey", "resetkeys", "~shop:*");
    const store = new RedisSessionStore(made.client);
    await assertRejects(() => store.setup(), SessionStoreError, "NOPERM");
    await server.ask("ACL", "SETUSER", "latchkey", ...rights);
    await store.setup();
  }
});

test("setup() leaves no keys", async () => {
  await using server = await RedisServer.start();
  using made = await nodeRedis(server.port);
  await new RedisSessionStore(made.client).setup();
  await waitUntil("the keys have gone", async () => {
    return (await server.ask("KEYS", "*") as string[]).length === 0;
  });
});

test("setup() names a command that Redis does not have", async () => {
  using directory = new TemporaryDirectory();
  const include = directory.join("settings");
  await Deno.writeTextFile(include, 'rename-command RENAME ""\n');
  await using server = await RedisServer.start({ settings: { include } });
  for (const make of [nodeRedis, ioRedis]) {
    using made = await make(server.port);
    const store = new RedisSessionStore(made.client);
    const setup = () => store.setup();
    const error = await assertRejects(setup, SessionStoreError, "RENAME: ");
    assertStringIncludes(error.message, "Redis 6.2 or later");
    assertEquals(error.operation, "write");
  }
});

test("setup() says that a server is read-only", async () => {
  await using master = await RedisServer.start();
  await using replica = await RedisServer.start();
  await replica.ask("REPLICAOF", HOST, master.port);
  for (const make of [nodeRedis, ioRedis]) {
    using made = await make(replica.port);
    const store = new RedisSessionStore(made.client);
    const error = await assertRejects(() => store.setup(), SessionStoreError);
    assertStringIncludes(error.message, "read-only: connect to its master");
    assertEquals(error.operation, "write");
    await replica.ask("REPLICAOF", "NO", "ONE");
    await store.setup();
    await replica.ask("REPLICAOF", HOST, master.port);
  }
});

test("setup() says that there is no connection", async () => {
  const port = await (async () => {
    await using server = await RedisServer.start();
    return server.port;
  })();
  const node = createClient({
    url: `redis://${HOST}:${port}`,
    socket: { reconnectStrategy: false },
  });
  node.on("error", ignoreError);
  await assertRejects(() => node.connect());
  await assertRejects(() => new RedisSessionStore(node).setup());
  const io = new Redis({ host: HOST, port, retryStrategy: () => null });
  io.on("error", ignoreError);
  await assertRejects(() => new RedisSessionStore(io).setup());
  io.disconnect();
});

test("setup() refuses a client that sends commands in another way", async () => {
  await using server = await RedisServer.start();
  // As that of https://jsr.io/@db/redis does.
  const client = {
    sendCommand: (command: unknown, args: string[] = []) =>
      ask(server.port, String(command), ...args),
  };
  const answersNothing = { sendCommand: () => Promise.resolve(null) };
  for (const other of [client, answersNothing]) {
    const store = new RedisSessionStore(other);
    await assertRejects(() => store.setup(), TypeError, "Cannot use client");
  }
});

test("setup() tries each master of a cluster", async () => {
  await using cluster = await RedisCluster.start();
  const { masters } = cluster;
  const [{ port }] = masters as [RedisServer];
  const node = createCluster({
    rootNodes: [{ url: `redis://${HOST}:${port}` }],
  });
  await node.connect();
  const io = new Cluster([{ host: HOST, port }], { keyPrefix: "app:" });
  try {
    for (const client of [node, io]) {
      await new RedisSessionStore(client).setup();
      for (const master of masters) {
        await master.ask("ACL", "SETUSER", "default", "-append");
        const store = new RedisSessionStore(client);
        await assertRejects(() => store.setup(), SessionStoreError, "APPEND");
        await master.ask("ACL", "SETUSER", "default", "+append");
        await store.setup();
      }
    }
    for (const master of masters) {
      await master.ask("ACL", "SETUSER", "default", "resetkeys", "~app:x:*");
    }
    await new RedisSessionStore(io, { prefix: "x" }).setup();
    const other = new RedisSessionStore(io, { prefix: "y" });
    await assertRejects(() => other.setup(), SessionStoreError, "NOPERM");
  } finally {
    node.destroy();
    io.disconnect();
  }
});

test("setup() warns of a node of a cluster that cannot be reached", async () => {
  await using cluster = await RedisCluster.start();
  const [{ port }] = cluster.masters as [RedisServer];
  const io = new Cluster([{ host: HOST, port }]);
  let down = 0;
  const client: RedisClient = {
    call: (command, ...args) => io.call(command, ...args),
    nodes: (role) =>
      io.nodes(role).map((node, n) => ({
        call: (command, ...args) =>
          n < down
            ? Promise.reject(new Error("Connection is closed."))
            : node.call(command, ...args),
      })),
  };
  const warnings: StoreWarning[] = [];
  const onWarning = (warning: StoreWarning) => warnings.push(warning);
  try {
    down = 1;
    await new RedisSessionStore(client, { onWarning }).setup();
    assertEquals(warnings.map(({ type }) => type), ["setup"]);
    assertStringIncludes(warnings[0]!.message, "Connection is closed.");
    down = cluster.masters.length;
    const store = new RedisSessionStore(client, { onWarning });
    await assertRejects(() => store.setup(), Error, "Connection is closed.");
  } finally {
    io.disconnect();
  }
});

test("setup() warns of a policy that evicts sessions in use", async () => {
  await using server = await RedisServer.start();
  const warningsOf = async (client: RedisClient) => {
    const warnings: StoreWarning[] = [];
    const onWarning = (warning: StoreWarning) => warnings.push(warning);
    await new RedisSessionStore(client, { onWarning }).setup();
    return warnings;
  };
  using made = await nodeRedis(server.port);
  const set = (name: string, value: string) =>
    server.ask("CONFIG", "SET", name, value);
  await set("maxmemory-policy", "allkeys-lru");
  assertEquals(await warningsOf(made.client), []);
  await set("maxmemory", "100mb");
  for (const policy of ["allkeys-lru", "volatile-random"]) {
    await set("maxmemory-policy", policy);
    const [warning, ...others] = await warningsOf(made.client);
    assertEquals(others, []);
    assertEquals(warning?.type, "setup");
    assertStringIncludes(warning!.message, `noeviction, not ${policy}`);
  }
  await server.ask("ACL", "SETUSER", "default", "-info");
  assertEquals(await warningsOf(made.client), []);
  await server.ask("ACL", "SETUSER", "default", "+info");
  for (const policy of ["noeviction", "volatile-ttl"]) {
    await set("maxmemory-policy", policy);
    assertEquals(await warningsOf(made.client), []);
  }
});
