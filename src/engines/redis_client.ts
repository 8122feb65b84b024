import { createHash } from "node:crypto";

/** What of a client of `npm:redis` a store uses, in version 5. */
export interface NodeRedisClient {
  /** Sends a command. */
  sendCommand(args: string[]): Promise<unknown>;
}

/** What of a cluster client of `npm:redis` a store uses, in version 5. */
export interface NodeRedisCluster {
  /** The nodes that are written to. */
  readonly masters: readonly unknown[];
  /** Gives the client of one of them. */
  nodeClient(node: never): NodeRedisClient | Promise<NodeRedisClient>;
  /** Sends a command to the node of a key. */
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
  ): Promise<unknown>;
}

/** What of a client of `npm:ioredis` a store uses, in version 5. */
export interface IoRedisClient {
  /** How it was made. */
  readonly options?: {
    /** What the client puts before each key. */
    readonly keyPrefix?: unknown;
    /** Which nodes of a cluster answer a read. */
    readonly scaleReads?: unknown;
  };
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

/** Sends a command with all of its arguments, and resolves to the answer. */
export type Send = (args: string[]) => Promise<unknown>;

/** A way to send commands, the same for all clients. */
export interface RedisConnection {
  /** What the client itself puts before each key, but not before a pattern. */
  readonly keyPrefix: string;

  /**
   * Sends a command to where a key is.
   *
   * @param key The key.
   * @param args The command and all of its arguments.
   */
  send(key: string, args: string[]): Promise<unknown>;

  /** Gives, for each node that has a part of the keys, what sends to it. */
  nodes(): Promise<readonly Send[]>;
}

/**
 * Finds out which client it is, and how to send with it.
 *
 * @param client Any of them.
 * @throws {TypeError} If it is none, or one that reads from replicas.
 */
export function connectionOf(client: RedisClient): RedisConnection {
  if (isOf<IoRedisClient>(client, "call")) return ioRedis(client);
  if (isOf<NodeRedisCluster>(client, "nodeClient")) return nodeCluster(client);
  if (isOf<NodeRedisClient>(client, "sendCommand")) {
    const send: Send = (args) => client.sendCommand(args);
    return {
      keyPrefix: "",
      send: (_key, args) => send(args),
      nodes: () => Promise.resolve([send]),
    };
  }
  throw new TypeError(
    "Cannot use client: it is none of npm:redis or npm:ioredis",
  );
}

function ioRedis(client: IoRedisClient): RedisConnection {
  const { keyPrefix = "", scaleReads = "master" } = client.options ?? {};
  if (scaleReads !== "master") {
    throw new TypeError(
      "Cannot use client: it reads from replicas, which may have what is over",
    );
  }
  const sendBy = (to: IoRedisClient): Send => ([command, ...args]) =>
    to.call(command!, ...args);
  const send = sendBy(client);
  return {
    keyPrefix: String(keyPrefix),
    send: (_key, args) => send(args),
    nodes: async () => {
      if (!isOf<IoRedisCluster>(client, "nodes")) return [send];
      await isConnected(send);
      return known(client.nodes("master")).map(sendBy);
    },
  };
}

function nodeCluster(client: NodeRedisCluster): RedisConnection {
  return {
    keyPrefix: "",
    send: (key, args) => client.sendCommand(key, false, args),
    nodes: async () => {
      await isConnected((args) => client.sendCommand(undefined, false, args));
      const nodes = await Promise.all(
        known(client.masters).map((node) => client.nodeClient(node as never)),
      );
      return nodes.map((node) => (args) => node.sendCommand(args));
    },
  };
}

/** Before, a client knows no nodes, and a listing would be empty. */
async function isConnected(send: Send): Promise<void> {
  await send(["PING"]);
}

function known<T>(nodes: readonly T[]): readonly T[] {
  if (nodes.length > 0) return nodes;
  throw new Error("Cannot list: the client knows no node of the cluster");
}

function isOf<T>(client: unknown, method: keyof T): client is T {
  // A function has a method `call`, too.
  if (typeof client !== "object" || client === null) return false;
  return typeof (client as Partial<T>)[method] === "function";
}

/** A Lua script on one key, which Redis runs as one step. */
export class RedisScript {
  readonly #text: string;
  readonly #hash: string;

  /** @param text The script; it knows the key as `KEYS[1]`. */
  constructor(text: string) {
    this.#text = text;
    this.#hash = createHash("sha1").update(text).digest("hex");
  }

  /**
   * Runs it by its hash, and where Redis does not know that, sends the text.
   *
   * @param redis Where.
   * @param key The key.
   * @param args What the script knows as `ARGV`.
   * @returns What it returns.
   */
  async run(
    redis: RedisConnection,
    key: string,
    args: readonly string[],
  ): Promise<unknown> {
    const rest = ["1", key, ...args];
    try {
      return await redis.send(key, ["EVALSHA", this.#hash, ...rest]);
    } catch (error) {
      const isUnknown = error instanceof Error &&
        error.message.startsWith("NOSCRIPT");
      if (!isUnknown) throw error;
      return await redis.send(key, ["EVAL", this.#text, ...rest]);
    }
  }
}
