import { pid } from "node:process";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { connectionOf } from "../../src/engines/redis_client.ts";
import type { OpenedStore } from "../contract/open_store.ts";
import { watch, type WatchableClient } from "./watched_redis.ts";

const HOST = "127.0.0.1";

/** Where sessions are in Redis, and the client to reach them: plain JSON. */
export interface RedisPlace {
  readonly kind: "redis";
  /** The port of the server, or of one of a cluster. */
  readonly port: number;
  readonly client: "redis" | "ioredis";
  readonly isCluster: boolean;
  readonly prefix: string;
}

/** A connected client, and its end. */
export interface ConnectedRedis extends AsyncDisposable {
  readonly client: WatchableClient;
}

/**
 * Connects a client.
 *
 * @param place To what, and which.
 * @param onError Called with errors that concern no command; without it, there
 * must be none.
 */
export async function connectRedis(
  place: Omit<RedisPlace, "prefix" | "kind">,
  onError?: (error: unknown) => void,
): Promise<ConnectedRedis> {
  const { port, isCluster } = place;
  const name = nameOf(pid);
  switch (place.client) {
    case "redis": {
      const { createClient, createCluster } = await import("npm:redis@5.12.1");
      const url = `redis://${HOST}:${port}`;
      const client = isCluster
        ? createCluster({ rootNodes: [{ url }], defaults: { name } })
        : createClient({ url, name });
      if (onError !== undefined) client.on("error", onError);
      await client.connect();
      return {
        client,
        [Symbol.asyncDispose]: () => Promise.resolve(client.destroy()),
      };
    }
    case "ioredis": {
      const { Cluster, Redis } = await import("npm:ioredis@5.11.1");
      const client = isCluster
        ? new Cluster([{ host: HOST, port }], {
          redisOptions: { connectionName: name },
        })
        : new Redis({ host: HOST, port, connectionName: name });
      if (onError !== undefined) client.on("error", onError);
      await new Promise((resolve) => client.once("ready", resolve));
      return {
        client,
        [Symbol.asyncDispose]: async () => {
          const hasEnded = new Promise((resolve) =>
            client.once("end", resolve)
          );
          client.disconnect();
          await hasEnded;
        },
      };
    }
  }
}

/** Names the connections of a process, by which the server tells them apart. */
export function nameOf(pid: number): string {
  return `process-${pid}`;
}

/**
 * Opens a store in Redis, with a client of its own.
 *
 * @param place Where.
 * @param now The store's clock.
 */
export async function openRedis(
  place: RedisPlace,
  now: (() => number) | undefined,
): Promise<OpenedStore> {
  const connected = await connectRedis(place);
  let broken: Error | undefined;
  const client = watch(connected.client, () => {
    if (broken !== undefined) throw broken;
  });
  const { prefix } = place;
  return {
    store: new RedisSessionStore(client, { prefix, now }),
    breakDown: (error) => {
      broken = error;
      return { [Symbol.dispose]: () => void (broken = undefined) };
    },
    [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose](),
  };
}

/** Stores a text in the place of a record under an ID. */
export async function spoilRedis(
  place: RedisPlace,
  id: string,
  text: string,
): Promise<void> {
  await using connected = await connectRedis(place);
  const key = `${place.prefix}:{${id}}`;
  const head = `00000000000 ${String(Date.now()).padStart(16, "0")} `;
  await connectionOf(connected.client).send(key, [
    "SET",
    key,
    `${head}  ${text}`,
  ]);
}
