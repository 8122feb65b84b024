/**
 * Runs as a process of its own: a proxy that hands each request to one of some
 * servers, at random. It prints its port; each line of its standard input is the
 * ports of the servers from then on, as JSON.
 */

import { type Child, spawn } from "../spawn.ts";
import { linesOf } from "./lines.ts";

/** A proxy that is running. */
export interface RunningProxy {
  readonly port: number;
  readonly process: Child;
  /** Sets the servers; resolves when no request is handed to others any more. */
  serve(ports: readonly number[]): Promise<void>;
}

/** Starts a proxy, of no servers yet. */
export async function startProxy(): Promise<RunningProxy> {
  const process = spawn(import.meta.url, [], {
    flags: ["--allow-net=127.0.0.1"],
  });
  const port = Number(await process.readLine());
  return {
    port,
    process,
    serve: async (ports) => {
      await process.writeLine(JSON.stringify(ports));
      await process.expectLine("ok");
    },
  };
}

async function main(): Promise<void> {
  let ports: readonly number[] = [];
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(port),
  }, async (request) => {
    const shuffled = ports.map((port) => [Math.random(), port] as const)
      .sort(([one], [other]) => one - other);
    const body = request.body === null ? null : await request.bytes();
    const headers = new Headers(request.headers);
    // When a connection that is used again breaks, fetch sends the request again,
    // also one that a server has carried out, whatever its method.
    headers.set("connection", "close");
    let reason = "no server";
    for (const [, port] of shuffled) {
      const url = new URL(request.url);
      url.port = String(port);
      const { method } = request;
      try {
        return await fetch(url, { method, headers, body, redirect: "manual" });
      } catch (error) {
        // Where no connection was made, no server has seen the request.
        reason = String((error as Error).cause ?? error);
        if (!reason.includes("client error (Connect)")) break;
      }
    }
    // Without the addresses, which are different each time.
    reason = reason.replace(/^.*\): /, "");
    return new Response(`No answer: ${reason}`, { status: 502 });
  });
  for await (const line of linesOf(Deno.stdin.readable)) {
    ports = JSON.parse(line);
    console.log("ok");
  }
}

if (import.meta.main) {
  await main();
  Deno.exit();
}
