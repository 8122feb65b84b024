/** Clients of Redis that report their commands, and can be made to fail. */

import type { RedisClient } from "../../src/engines/redis_client.ts";

type IoRedisClient = Extract<RedisClient, { call: unknown }>;
type NodeRedisCluster = Extract<RedisClient, { nodeClient: unknown }>;
type NodeRedisClient = Exclude<
  WatchableClient,
  IoRedisClient | NodeRedisCluster
>;

/** A client that can be watched. */
export type WatchableClient = Exclude<RedisClient, { getMasterNode: unknown }>;

/** Called with a command before it is sent; if it throws, the command fails. */
export type See = (args: readonly string[]) => void;

/**
 * Watches a client.
 *
 * @param client Any client that a store takes.
 * @param see Called with each command.
 * @returns A client that does the same.
 */
export function watch(client: WatchableClient, see: See): WatchableClient {
  if ("call" in client) {
    const watched = watchIo(client, see);
    if (client.nodes === undefined) return watched;
    const nodes: IoRedisClient["nodes"] = (role) =>
      client.nodes!(role).map((node) => watchIo(node, see));
    return { ...watched, nodes };
  }
  if ("nodeClient" in client) return watchNodeCluster(client, see);
  return watchNode(client, see);
}

function watchIo(client: IoRedisClient, see: See): IoRedisClient {
  return {
    options: client.options ?? {},
    call: async (...args) => {
      see(args);
      return await client.call(...args);
    },
  };
}

function watchNode(client: NodeRedisClient, see: See): NodeRedisClient {
  return {
    sendCommand: async (args) => {
      see(args);
      return await client.sendCommand(args);
    },
  };
}

function watchNodeCluster(
  client: NodeRedisCluster,
  see: See,
): NodeRedisCluster {
  return {
    get masters() {
      return client.masters;
    },
    nodeClient: async (node: never) =>
      watchNode(await client.nodeClient(node), see),
    sendCommand: async (firstKey, isReadonly, args) => {
      see(args);
      return await client.sendCommand(firstKey, isReadonly, args);
    },
  };
}
