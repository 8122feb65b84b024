/** Starts what listens by `node:http` as an application of the scenario. */

import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { Application } from "./scenario.ts";

export async function serveNode(
  listener: RequestListener,
): Promise<Application> {
  const server = createServer(listener);
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}
