/** What of a client of `npm:redis` a store uses, in version 5. */
export interface NodeRedisClient {
  /** Sends a command. */
  sendCommand(args: string[]): Promise<unknown>;
}

/** What of a cluster client of `npm:redis` a store uses, in version 5. */
export interface NodeRedisCluster<Node = never> {
  /** The nodes that are written to. */
  readonly masters: readonly Node[];
  /** Gives the client of a node. */
  nodeClient(node: Node): NodeRedisClient | Promise<NodeRedisClient>;
  /** Sends a command to the node of a key. */
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
  ): Promise<unknown>;
}

/** What of a client of `npm:ioredis` a store uses, in version 5. */
export interface IoRedisClient {
  /** Sends a command. */
  call(command: string, ...args: string[]): Promise<unknown>;
}

/** What of a cluster client of `npm:ioredis` a store uses, in version 5. */
export interface IoRedisCluster extends IoRedisClient {
  /** Gives the clients of the nodes that are written to. */
  nodes(role: "master"): IoRedisClient[];
}

/** A connected client of Redis or Valkey, or of a cluster of theirs. */
export type RedisClient =
  | NodeRedisClient
  | NodeRedisCluster
  | IoRedisClient
  | IoRedisCluster;

/** A way to send commands, the same for all clients. */
export interface RedisConnection {
  /**
   * Sends a command to where a key is.
   *
   * @param key The key.
   * @param args The command and all of its arguments.
   */
  send(key: string, args: string[]): Promise<unknown>;

  /** Gives, for each node that has a part of the keys, what sends to it. */
  nodes(): Promise<readonly ((args: string[]) => Promise<unknown>)[]>;
}

/**
 * Finds out which client it is, and how to send with it.
 *
 * @param client Any of them.
 * @throws {TypeError} If it is none.
 */
export function connectionOf(client: RedisClient): RedisConnection {
  if (isOf<IoRedisClient>(client, "call")) {
    const send = (args: string[], to: IoRedisClient = client) =>
      to.call(args[0]!, ...args.slice(1));
    const nodes = isOf<IoRedisCluster>(client, "nodes")
      ? () => client.nodes("master")
      : () => [client];
    return {
      send: (_key, args) => send(args),
      nodes: () =>
        Promise.resolve(nodes().map((node) => (args) => send(args, node))),
    };
  }
  if (isOf<NodeRedisCluster>(client, "nodeClient")) {
    return {
      send: (key, args) => client.sendCommand(key, false, args),
      nodes: async () => {
        const nodes = await Promise.all(
          client.masters.map((node) => client.nodeClient(node)),
        );
        return nodes.map((node) => (args) => node.sendCommand(args));
      },
    };
  }
  if (isOf<NodeRedisClient>(client, "sendCommand")) {
    const send = (args: string[]) => client.sendCommand(args);
    return {
      send: (_key, args) => send(args),
      nodes: () => Promise.resolve([send]),
    };
  }
  throw new TypeError(
    "Cannot use client: it is none of npm:redis or npm:ioredis",
  );
}

function isOf<T>(client: unknown, method: keyof T): client is T {
  return typeof (client as Partial<T> | null | undefined)?.[method] ===
    "function";
}
