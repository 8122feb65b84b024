/**
 * A server over Redis that ends at SIGTERM as it should: it answers what it was
 * asked, closes its client, and leaves nothing that would keep it alive.
 *
 * Arguments: the ports of Redis, and how long the store may take, in ms.
 */

import { Redis } from "npm:ioredis@5.11.1";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SessionManager } from "../../src/manager/manager.ts";

const [port = "", storeTimeout = ""] = Deno.args;
const client = new Redis({ host: "127.0.0.1", port: Number(port) });
const sessions = new SessionManager<{ n: number }>({
  store: new RedisSessionStore(client),
  storeTimeout: Number(storeTimeout),
});
let waiting = 0;
const server = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(port),
    onError: (error) => new Response((error as Error).name, { status: 503 }),
  },
  (request) => {
    console.log(`asked ${++waiting}`);
    return sessions.run(request, (session) => {
      session.update("n", (n = 0) => n + 1);
      return new Response();
    });
  },
);
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  client.disconnect();
});
