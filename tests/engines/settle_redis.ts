import { nameOf, type RedisPlace } from "./open_redis.ts";
import { waitUntil } from "./redis_server.ts";
import { ask } from "./redis_wire.ts";

/**
 * Waits until Redis has carried out the commands of a process that was killed.
 *
 * @param place Where.
 * @param pid The process.
 */
export async function settleRedis(
  { port, isCluster }: RedisPlace,
  pid: number,
): Promise<void> {
  const ports = isCluster
    ? (await ask(port, "CLUSTER", "SLOTS") as [
      number,
      number,
      [string, number],
    ][])
      .map(([, , [, port]]) => port)
    : [port];
  for (const port of ports) {
    await waitUntil(
      "the connections of a killed process are closed",
      async () => {
        const clients = String(await ask(port, "CLIENT", "LIST"));
        return !clients.includes(`name=${nameOf(pid)} `);
      },
    );
  }
}
