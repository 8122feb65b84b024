/**
 * A server on a directory of sessions whose operations Deno exports: the argument
 * is the directory; it prints its port, and ends with its standard input.
 */

import { metrics, trace } from "npm:@opentelemetry/api@1.10.0";
import { DirectorySessionStore, SessionManager } from "../../mod.ts";

const [directory = ""] = Deno.args;
const sessions = new SessionManager<{ n: number }>({
  store: new DirectorySessionStore(directory),
  tracer: trace.getTracer("sessions"),
  meter: metrics.getMeter("sessions"),
});

const server = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(port),
  },
  sessions.handler(async (request, session) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/look") return new Response(`${session.get("n")}`);
    if (pathname === "/gone") await sessions.expire(session.id);
    return new Response(`${session.update("n", (n = 0) => n + 1)}`);
  }),
);

for await (const _ of Deno.stdin.readable);
await server.shutdown();
