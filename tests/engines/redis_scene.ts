/** A store in a server of its own, for tests that look at what it does there. */

import { assert, assertEquals } from "@std/assert";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { HOUR, OTHER_ID, recordOf } from "../constants.ts";
import { connectRedis } from "./open_redis.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";
import type { Answer } from "./redis_wire.ts";
import { watch } from "./watched_redis.ts";

/** How long Redis keeps an expired session, in ms. */
export const SLACK: number = HOUR;
/** How long a test may take, in ms. */
const WHILE = HOUR / 4;

/** A server, a store in it, and what the store sends. */
export class Scene implements AsyncDisposable {
  /** The server. */
  readonly server: RedisServer;
  /** The store. */
  readonly store: RedisSessionStore;
  readonly #sent: readonly string[][];
  readonly #resources: AsyncDisposableStack;
  #seen = 0;

  private constructor(
    server: RedisServer,
    store: RedisSessionStore,
    sent: readonly string[][],
    resources: AsyncDisposableStack,
  ) {
    this.server = server;
    this.store = store;
    this.#sent = sent;
    this.#resources = resources;
  }

  /** Makes one; the server knows the scripts already. */
  static async make(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await RedisServer.start());
    const { port } = server;
    const connected = stack.use(
      await connectRedis({ port, client: "ioredis", isCluster: false }),
    );
    const sent: string[][] = [];
    const watched = watch(connected.client, (args) => sent.push([...args]));
    const store = new RedisSessionStore(watched);
    await store.save(OTHER_ID, recordOf({}, { user: "bob" }));
    await store.touch(OTHER_ID);
    await store.update(OTHER_ID, (record) => record);
    await store.delete(OTHER_ID);
    const scene = new Scene(server, store, sent, stack.move());
    scene.take();
    return scene;
  }

  /** Returns what was sent since the last call. */
  take(): string[][] {
    const taken = this.#sent.slice(this.#seen);
    this.#seen = this.#sent.length;
    return taken;
  }

  /** Names the commands that were sent, and of which key. */
  takeNames(): string[] {
    return this.take().map(([command, ...args]) =>
      `${command} ${args.find((arg) => arg.startsWith("latchkey:"))}`
    );
  }

  /** Sends a command past the store. */
  ask(...command: (string | number)[]): Promise<Answer> {
    return this.server.ask(...command);
  }

  /** Names all keys, but not what a removal leaves for a minute. */
  async keys(): Promise<string[]> {
    const keys = await this.ask("KEYS", "*") as string[];
    return keys.filter((key) => !key.endsWith(":gone")).sort();
  }

  /** Returns the time to live of a key, in ms; -1 without expiry, -2 if missing. */
  async ttl(key: string): Promise<number> {
    return await this.ask("PTTL", key) as number;
  }

  /** Returns the name of the only index. */
  async index(): Promise<string> {
    const keys = await this.keys();
    const found = keys.filter((key) => key.startsWith("latchkey:user:"));
    assertEquals(found.length, 1);
    return found[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** Asserts that a duration, in ms, is the expected one, less the time that has passed. */
export function assertAbout(found: number, wanted: number): void {
  const isSo = found <= wanted && found > wanted - WHILE;
  assert(isSo, `${found} is not about ${wanted}`);
}

/**
 * Declares a test in a scene.
 *
 * @param title What the store does.
 * @param run The test.
 */
export function testScene(
  title: string,
  run: (scene: Scene) => Promise<void>,
): void {
  Deno.test({
    name: `RedisSessionStore: ${title}`,
    ignore: missingRedis !== undefined,
    fn: async () => {
      await using scene = await Scene.make();
      await run(scene);
    },
  });
}
