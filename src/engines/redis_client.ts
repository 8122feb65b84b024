import { createHash } from "node:crypto";

/**
 * What a store uses of a connected client of Redis or Valkey, or of a cluster of
 * theirs, or of one that sentinels name: of `npm:redis` 5 or `npm:ioredis` 5.
 */
export type RedisClient =
  | {
    /** Sends a command, as a client of `npm:redis` does. */
    sendCommand(args: string[]): Promise<unknown>;
  }
  | {
    /** Sends a command to the master, as `createSentinel` of `npm:redis` does. */
    sendCommand(
      isReadonly: boolean | undefined,
      args: string[],
    ): Promise<unknown>;
    /** Returns where the master is. */
    getMasterNode(): unknown;
  }
  | {
    /** The nodes that are written to, of a cluster client of `npm:redis`. */
    readonly masters: readonly unknown[];
    /** Returns the client of one of them. */
    nodeClient(node: never):
      | { sendCommand(args: string[]): Promise<unknown> }
      | Promise<{ sendCommand(args: string[]): Promise<unknown> }>;
    /** Sends a command to the node of a key. */
    sendCommand(
      firstKey: string | undefined,
      isReadonly: boolean | undefined,
      args: string[],
    ): Promise<unknown>;
  }
  | {
    /** How a client of `npm:ioredis` was made. */
    readonly options?: {
      /** What the client puts before each key. */
      readonly keyPrefix?: unknown;
      /** Which nodes of a cluster answer a read. */
      readonly scaleReads?: unknown;
    };
    /** Sends a command. */
    call(command: string, ...args: string[]): Promise<unknown>;
    /** Returns the clients of the nodes that are written to, of a cluster. */
    nodes?(role: "master"): {
      /** How the client of a node was made. */
      readonly options?: { readonly keyPrefix?: unknown };
      /** Sends a command to the node. */
      call(command: string, ...args: string[]): Promise<unknown>;
    }[];
  };

type IoRedisClient = Extract<RedisClient, { call: unknown }>;
type NodeRedisCluster = Extract<RedisClient, { nodeClient: unknown }>;
type NodeRedisSentinel = Extract<RedisClient, { getMasterNode: unknown }>;
type NodeRedisClient = Exclude<
  RedisClient,
  IoRedisClient | NodeRedisCluster | NodeRedisSentinel
>;

/** Sends a command with all of its arguments, and resolves to the answer. */
type Send = (args: string[]) => Promise<unknown>;

/** A node that has a part of the keys, or all of them. */
export interface RedisNode {
  /** Whether it may have a part only. */
  readonly isCluster: boolean;
  /** What to put before each key: the client puts it there, but not for nodes. */
  readonly keyPrefix: string;
  /** Sends a command to this node. */
  readonly send: Send;
}

/** A way to send commands, the same for all clients. */
export interface RedisConnection {
  /** What the client itself puts before each key, but not before a pattern. */
  readonly keyPrefix: string;

  /**
   * Sends a command to the node of a key.
   *
   * @param args The command and all of its arguments.
   */
  send(key: string, args: string[]): Promise<unknown>;

  /** Returns the nodes that are written to. */
  nodes(): Promise<readonly RedisNode[]>;
}

/**
 * Makes one way to send commands with any client.
 *
 * @throws {TypeError} If the value is not a client, or reads from replicas.
 */
export function connectionOf(client: RedisClient): RedisConnection {
  if (isOf<IoRedisClient>(client, "call")) return ioRedis(client);
  if (isOf<NodeRedisCluster>(client, "nodeClient")) return nodeCluster(client);
  if (isOf<NodeRedisSentinel>(client, "getMasterNode")) {
    return oneNode((args) => client.sendCommand(false, args));
  }
  if (isOf<NodeRedisClient>(client, "sendCommand")) {
    return oneNode((args) => client.sendCommand(args));
  }
  throw new TypeError(
    "Cannot use client: it is neither of npm:redis nor of npm:ioredis",
  );
}

/** Makes the connection to a server that has all keys. */
function oneNode(send: Send, keyPrefix = ""): RedisConnection {
  const node: RedisNode = { isCluster: false, keyPrefix: "", send };
  return {
    keyPrefix,
    send: (_key, args) => send(args),
    nodes: () => Promise.resolve([node]),
  };
}

function ioRedis(client: IoRedisClient): RedisConnection {
  const { keyPrefix = "", scaleReads = "master" } = client.options ?? {};
  if (scaleReads !== "master") {
    throw new TypeError(
      "Cannot use client: it reads from replicas, which may be behind",
    );
  }
  const sendBy = (node: Pick<IoRedisClient, "call">): Send =>
  (
    [command, ...args],
  ) => node.call(command!, ...args);
  const send = sendBy(client);
  const prefix = String(keyPrefix);
  if (client.nodes === undefined) return oneNode(send, prefix);
  return {
    keyPrefix: prefix,
    send: (_key, args) => send(args),
    nodes: async () => {
      await waitForNodes(send);
      return checkNodes(client.nodes!("master")).map((node) => ({
        isCluster: true,
        keyPrefix: node.options?.keyPrefix ? "" : prefix,
        send: sendBy(node),
      }));
    },
  };
}

function nodeCluster(client: NodeRedisCluster): RedisConnection {
  return {
    keyPrefix: "",
    send: (key, args) => client.sendCommand(key, false, args),
    nodes: async () => {
      await waitForNodes((args) => client.sendCommand(undefined, false, args));
      const nodes = await Promise.all(
        checkNodes(client.masters).map((node) =>
          client.nodeClient(node as never)
        ),
      );
      return nodes.map((node) => ({
        isCluster: true,
        keyPrefix: "",
        send: (args) => node.sendCommand(args),
      }));
    },
  };
}

/** Until an answer comes a client knows no nodes, and a listing would be empty. */
async function waitForNodes(send: Send): Promise<void> {
  await send(["PING"]);
}

function checkNodes<T>(nodes: readonly T[]): readonly T[] {
  if (nodes.length > 0) return nodes;
  throw new Error("Cannot list: the client knows no node of the cluster");
}

function isOf<T>(client: unknown, method: keyof T): client is T {
  // A function has a method `call`, too.
  if (typeof client !== "object" || client === null) return false;
  return typeof (client as Partial<T>)[method] === "function";
}

/** A Lua script on keys of one slot, which Redis runs as one step. */
export class RedisScript {
  readonly text: string;
  readonly hash: string;

  /** @param text The script. */
  constructor(text: string) {
    this.text = text;
    this.hash = createHash("sha1").update(text).digest("hex");
  }

  /**
   * Runs it by its hash, or by its text where Redis does not have it.
   *
   * @param keys The `KEYS` of the script.
   * @param args Its `ARGV`.
   * @returns What the script returns.
   */
  async run(
    redis: RedisConnection,
    keys: readonly [string, ...string[]],
    args: readonly string[],
  ): Promise<unknown> {
    const [key] = keys;
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await redis.send(key, ["EVALSHA", this.hash, ...rest]);
    } catch (error) {
      const isUnknown = error instanceof Error &&
        error.message.startsWith("NOSCRIPT");
      if (!isUnknown) throw error;
      return await redis.send(key, ["EVAL", this.text, ...rest]);
    }
  }
}
