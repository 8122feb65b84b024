/** A real Redis Cluster of three masters, on loopback ports. */

import { RedisServer, waitUntil } from "./redis_server.ts";

const SLOTS = 16_384;
const MASTERS = 3;

/** What {@linkcode RedisCluster.start} takes. */
export interface RedisClusterOptions {
  /** Whether the first master has a replica. */
  readonly hasReplica?: boolean;
  /** After how many ms without an answer a node counts as failed. */
  readonly nodeTimeout?: number;
  /** Whether it serves nothing while a node is down that has no replica. */
  readonly needsAll?: boolean;
}

/** Three masters that share the slots, and maybe a replica. */
export class RedisCluster implements AsyncDisposable {
  /** The masters, in the order of their slots. */
  readonly masters: readonly RedisServer[];
  /** The replica of the first master. */
  readonly replica: RedisServer | undefined;
  readonly #nodes: AsyncDisposableStack;

  private constructor(
    nodes: readonly RedisServer[],
    stack: AsyncDisposableStack,
  ) {
    this.masters = nodes.slice(0, MASTERS);
    this.replica = nodes[MASTERS];
    this.#nodes = stack;
  }

  /** Starts one. */
  static async start(
    {
      hasReplica = false,
      nodeTimeout = 15_000,
      needsAll = true,
    }: RedisClusterOptions = {},
  ): Promise<RedisCluster> {
    await using stack = new AsyncDisposableStack();
    const settings = {
      "cluster-enabled": "yes",
      "cluster-node-timeout": String(nodeTimeout),
      "cluster-require-full-coverage": needsAll ? "yes" : "no",
    };
    const nodes: RedisServer[] = [];
    for (let n = 0; n < MASTERS + (hasReplica ? 1 : 0); n++) {
      nodes.push(stack.use(await RedisServer.start({ settings })));
    }
    const [first, ...others] = nodes as [RedisServer, ...RedisServer[]];
    for (let n = 0; n < MASTERS; n++) {
      const [from, end] = [n, n + 1].map((m) => Math.ceil(m * SLOTS / MASTERS));
      await nodes[n]!.ask("CLUSTER", "ADDSLOTSRANGE", from!, end! - 1);
    }
    for (const { port } of others) {
      await first.ask("CLUSTER", "MEET", "127.0.0.1", port);
    }
    await waitUntil("each node knows all", async () => {
      const counts = await Promise.all(nodes.map(countKnown));
      return counts.every((count) => count === nodes.length);
    });
    const replica = nodes[MASTERS];
    if (replica !== undefined) {
      const id = await first.ask("CLUSTER", "MYID") as string;
      await replica.ask("CLUSTER", "REPLICATE", id);
      await waitUntil("the replica is one", async () => {
        const role = await replica.ask("ROLE");
        return Array.isArray(role) && role[3] === "connected";
      });
    }
    await waitUntil(
      "each node is up and knows where each slot is",
      async () => {
        const infos = await Promise.all(
          nodes.map((node) => node.ask("CLUSTER", "INFO")),
        );
        return infos.every((info) => {
          const lines = String(info).split("\r\n");
          // Of a cluster that serves what it can, the state is ok before.
          return lines.includes("cluster_state:ok") &&
            lines.includes(`cluster_slots_assigned:${SLOTS}`);
        });
      },
    );
    return new RedisCluster(nodes, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#nodes[Symbol.asyncDispose]();
  }
}

/** Counts the nodes that a node is connected to, and itself. */
async function countKnown(node: RedisServer): Promise<number> {
  const nodes = String(await node.ask("CLUSTER", "NODES")).trim().split("\n");
  return nodes.filter((line) => !line.includes("handshake")).length;
}
