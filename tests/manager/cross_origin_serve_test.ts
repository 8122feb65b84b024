/** The check of the origin, over real sockets, with the headers of a browser. */

import { assertEquals } from "@std/assert";
import { isCrossOrigin } from "../../src/http/cross_origin.ts";
import { RawClient } from "./raw_client.ts";
import { type Route, serve, STORES } from "./session_server.ts";

const ROUTES: Readonly<Record<string, Route>> = {
  "/": (session, request) => {
    if (isCrossOrigin(request)) return new Response(null, { status: 403 });
    session.set("n", 1);
    return new Response();
  },
};

const EMPTY = "content-length: 0";
const UPGRADE = ["upgrade: websocket", "connection: upgrade"];

/** The line, the headers, and the status; `RawClient` asks the host `a`. */
const REQUESTS: [line: string, headers: string[], status: number][] = [
  ["POST /", [EMPTY, "sec-fetch-site: same-origin"], 200],
  ["POST /", [EMPTY, "sec-fetch-site: none"], 200],
  ["POST /", [EMPTY, "sec-fetch-site: same-site"], 403],
  ["POST /", [EMPTY, "sec-fetch-site: cross-site", "origin: http://a"], 403],
  ["POST /", [EMPTY, "origin: http://a"], 200],
  ["POST /", [EMPTY, "origin: http://b"], 403],
  ["POST /", [EMPTY, "origin: null"], 403],
  ["POST /", [EMPTY], 200],
  ["GET /", ["sec-fetch-site: cross-site"], 200],
  ["GET /", [...UPGRADE, "origin: http://a"], 200],
  ["GET /", [...UPGRADE, "origin: http://b"], 403],
  ["GET /", [...UPGRADE, "sec-fetch-site: cross-site"], 403],
];

for (const medium of STORES) {
  Deno.test(`${medium}: a request from another origin is refused, and writes nothing`, async () => {
    await using server = await serve(medium, ROUTES);
    let passed = 0;
    for (const [line, headers, status] of REQUESTS) {
      await using client = await RawClient.connect(server.port);
      await client.ask(line, "connection: close", ...headers);
      const head = await client.head();
      assertEquals(head.status, status, `${line} ${headers}`);
      if (status === 200) passed++;
    }
    assertEquals((await server.records()).size, passed);
  });
}
