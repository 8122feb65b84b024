/** The engines of the servers, and how each comes to fail. */

import { RedisCluster } from "../engines/redis_cluster.ts";
import {
  type RedisServer,
  waitForReplica,
  waitUntil,
} from "../engines/redis_server.ts";
import { PostgresServer } from "../engines/postgres_server.ts";
import { connect, spoilPostgres } from "../engines/open_postgres.ts";
import { spoilRedis } from "../engines/open_redis.ts";
import { queryOf } from "../../src/engines/postgres_client.ts";
import type { ServerOptions } from "./server.ts";

/** An engine that is running. */
export interface Engine extends AsyncDisposable {
  readonly place: ServerOptions["place"];
  /**
   * Lets it fail as it may, and comes back when it works again.
   *
   * @param away How long what failed is away, in ms.
   */
  fail(away: number): Promise<void>;
  /** Puts a text where a record is. */
  spoil(id: string, text: string): Promise<void>;
  /** Returns the text of a record. */
  read(id: string): Promise<string | undefined>;
}

/** The name of an engine. */
export type EngineName = "redis" | "postgres";

/** Starts an engine. */
export function startEngine(name: EngineName): Promise<Engine> {
  return name === "redis" ? startRedis() : startPostgres();
}

/** Starts a cluster of three masters, of which the first has a replica. */
async function startRedis(): Promise<Engine> {
  const cluster = await RedisCluster.start({
    hasReplica: true,
    nodeTimeout: 1_000,
  });
  const [first, second] = cluster.masters as [RedisServer, RedisServer];
  const pair = [first, cluster.replica!];
  for (const server of pair) await allowFailover(server, false);
  const place = {
    kind: "redis",
    client: "ioredis",
    isCluster: true,
    port: second.port,
    prefix: "nodes",
  } as const;
  return {
    place,
    fail: (away) => failOver(pair, away),
    spoil: (id, text) => spoilRedis(place, id, text),
    read: async (id) => {
      const key = `${place.prefix}:{${id}}`;
      for (const server of [...cluster.masters, cluster.replica!]) {
        try {
          const text = await server.ask("GET", key);
          return typeof text === "string" ? text : undefined;
        } catch (error) {
          // The key is another node's.
          if (!(error as Error).message.startsWith("MOVED")) throw error;
        }
      }
      return undefined;
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/**
 * Kills a master, lets its replica take over, and starts it again. Redis loses
 * what a master has acknowledged and its replica has not received; so that what
 * is lost here is lost by the sessions, it takes no writes before it is killed,
 * until its replica has received all.
 */
async function failOver(
  pair: readonly RedisServer[],
  away: number,
): Promise<void> {
  const roles = await Promise.all(pair.map((server) => server.ask("ROLE")));
  const at = roles.findIndex((role) => (role as unknown[])[0] === "master");
  const [master, replica] = [pair[at]!, pair[1 - at]!];
  await master.ask("CLIENT", "PAUSE", 60_000, "WRITE");
  await waitForReplica(master, replica);
  await allowFailover(replica, true);
  const isBack = new Promise((resolve) => setTimeout(resolve, away));
  await master.stop();
  await waitUntil("the replica has taken over", async () => {
    const role = await replica.ask("ROLE") as unknown[];
    const info = String(await replica.ask("CLUSTER", "INFO"));
    return role[0] === "master" && info.includes("cluster_state:ok");
  });
  await allowFailover(replica, false);
  await isBack;
  await master.resume();
  await allowFailover(master, false);
  await waitUntil("what was the master is a replica", async () => {
    const role = await master.ask("ROLE") as unknown[];
    return role[0] === "slave" && role[3] === "connected";
  });
}

/** On a busy machine a replica might take over from a master that is merely slow. */
async function allowFailover(
  server: RedisServer,
  isAllowed: boolean,
): Promise<void> {
  const setting = isAllowed ? "no" : "yes";
  await server.ask("CONFIG", "SET", "cluster-replica-no-failover", setting);
}

async function startPostgres(): Promise<Engine> {
  const server = await PostgresServer.start();
  const place = {
    kind: "postgres",
    driver: "pg",
    port: server.port,
    table: "nodes",
  } as const;
  return {
    place,
    fail: async (away) => {
      // Without a checkpoint: it recovers from its log.
      await server.stop("SIGQUIT");
      await new Promise((resolve) => setTimeout(resolve, away));
      await server.restart();
    },
    spoil: (id, text) => spoilPostgres(place, id, text),
    read: async (id) => {
      await using opened = connect(place);
      const { rows } = await queryOf(opened.client)(
        `SELECT json FROM ${place.table} WHERE id = $1`,
        [id],
      );
      return (rows[0] as { json: string } | undefined)?.json;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
