/** Redis that is restarted, cannot be reached, or loads its data. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { Redis } from "npm:ioredis@5.11.1";
import { createClient } from "npm:redis@5.12.1";
import { SessionStoreError } from "../../src/core/errors.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { ID, recordOf } from "../constants.ts";
import { connectRedis } from "./open_redis.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";

const HOST = "127.0.0.1";
const CLIENTS = ["redis", "ioredis"] as const;
const ignore = missingRedis !== undefined;

/** Ignores what a client reports of its connection. */
function ignoreError(): void {}

for (const client of CLIENTS) {
  Deno.test({
    name: `RedisSessionStore, npm:${client}: works on after a restart`,
    ignore,
    fn: async () => {
      await using server = await RedisServer.start({ isDurable: true });
      const { port } = server;
      await using connected = await connectRedis(
        { port, client, isCluster: false },
        ignoreError,
      );
      const store = new RedisSessionStore(connected.client);
      await store.save(ID, recordOf({ n: 1 }, { user: "ann" }));
      assert(await store.load(ID));
      await server.stop();
      const reason = new Error("no longer wanted");
      const asks: ((signal: AbortSignal) => Promise<unknown>)[] = [
        (signal) => store.load(ID, { signal }),
        (signal) => Array.fromAsync(store.entries({ signal })),
        (signal) => Array.fromAsync(store.entries({ signal, user: "ann" })),
        (signal) => store.deleteOldSessions(30, { signal }),
      ];
      for (const ask of asks) {
        // The client waits for the server; its caller need not.
        const given = new AbortController();
        const asked = ask(given.signal);
        queueMicrotask(() => given.abort(reason));
        assertStrictEquals(await assertRejects(() => asked), reason);
      }
      await server.resume();
      assertEquals((await store.load(ID))?.data, { n: 1 });
      const changed = await store.update(ID, (record) => {
        return { ...record, data: { n: 2 } };
      });
      assertEquals(changed?.data, { n: 2 });
      const anns = await Array.fromAsync(store.entries({ user: "ann" }));
      assertEquals(anns.map(([id]) => id), [ID]);
    },
  });
}

Deno.test({
  name:
    "RedisSessionStore: without a server the client's error reaches the caller",
  ignore,
  fn: async () => {
    const server = await RedisServer.start();
    await using _server = server;
    const { port } = server;
    const node = createClient({
      url: `redis://${HOST}:${port}`,
      disableOfflineQueue: true,
    });
    node.on("error", ignoreError);
    await node.connect();
    const io = new Redis({ host: HOST, port, enableOfflineQueue: false });
    io.on("error", ignoreError);
    await new Promise((resolve) => io.once("ready", resolve));
    try {
      const stores = [new RedisSessionStore(node), new RedisSessionStore(io)];
      for (const store of stores) await store.save(ID, recordOf());
      const haveGone = [
        new Promise((resolve) => node.once("reconnecting", resolve)),
        new Promise((resolve) => io.once("close", resolve)),
      ];
      await server.stop();
      await Promise.all(haveGone);
      for (const store of stores) {
        await assertRejects(() => store.load(ID));
        await assertRejects(() => store.save(ID, recordOf()));
        await assertRejects(() => store.update(ID, (record) => record));
        await assertRejects(() => Array.fromAsync(store.entries()));
        const check = () => store.check();
        const error = await assertRejects(check, SessionStoreError);
        assertEquals(error.operation, "read");
      }
      const areBack = [
        new Promise((resolve) => node.once("ready", resolve)),
        new Promise((resolve) => io.once("ready", resolve)),
      ];
      await server.resume();
      await Promise.all(areBack);
      for (const store of stores) {
        assertEquals(await store.create(ID, recordOf()), true);
        assertEquals(await store.delete(ID), true);
        await store.check();
      }
    } finally {
      node.destroy();
      io.disconnect();
    }
  },
});

/** A server that reports that it loads its data, until a test ends that. */
class LoadingServer implements AsyncDisposable {
  isLoading = true;
  readonly port: number;
  readonly #listener = Deno.listen({ hostname: HOST, port: 0 });
  readonly #serving: Promise<void>;

  constructor() {
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#serving = this.#serve();
  }

  async #serve(): Promise<void> {
    const connections: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      connections.push(this.#answer(connection));
    }
    await Promise.all(connections);
  }

  /** Answers as if no command failed, and nothing were there. */
  async #answer(connection: Deno.Conn): Promise<void> {
    const decoder = new TextDecoder();
    const encoder = new TextEncoder();
    for await (const chunk of connection.readable) {
      const commands = decoder.decode(chunk)
        .matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm);
      const answers = Array.from(commands, ([, name]) => {
        if (this.isLoading) {
          return "-LOADING Redis is loading the dataset in memory\r\n";
        }
        return name!.startsWith("EVAL") ? "*0\r\n" : "$-1\r\n";
      });
      const bytes = encoder.encode(answers.join(""));
      // The client may have closed the connection.
      await connection.write(bytes).catch(ignoreError);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }
}

Deno.test("RedisSessionStore: the error of a loading Redis reaches the caller, and the next call works", async () => {
  await using server = new LoadingServer();
  const { port } = server;
  const io = new Redis({
    host: HOST,
    port,
    enableReadyCheck: false,
    disableClientInfo: true,
  });
  const node = createClient({
    url: `redis://${HOST}:${port}`,
    disableClientInfo: true,
  });
  await node.connect();
  try {
    for (const client of [io, node]) {
      const store = new RedisSessionStore(client);
      server.isLoading = true;
      const asks: (() => Promise<unknown>)[] = [
        () => store.load(ID),
        () => store.touch(ID),
        () => store.save(ID, recordOf({}, { user: "ann" })),
        () => store.create(ID, recordOf()),
        () => store.update(ID, (record) => record),
        () => store.delete(ID),
        () => Array.fromAsync(store.entries()),
        () => Array.fromAsync(store.entries({ user: "ann" })),
        () => store.deleteOldSessions(30),
      ];
      for (const ask of asks) await assertRejects(ask, Error, "LOADING");
      server.isLoading = false;
      assertEquals(await store.load(ID), undefined);
    }
  } finally {
    io.disconnect();
    node.destroy();
  }
});
