/**
 * The application without a framework, as a program: its sessions are in the
 * directory that its argument names, and `deno serve --parallel` may run it in
 * several threads.
 */

import { DirectorySessionStore, SessionManager } from "@latchkey/session";
import { releaseStream } from "./parts.ts";
import { makePlainApp } from "./plain_app.ts";

const sessions = new SessionManager<{ visits: number }>({
  store: new DirectorySessionStore(Deno.args[0]!),
  idleTimeout: 30 * 60 * 1000,
});

// The thread that is told to release a stream may not be the one that has it.
const threads = new BroadcastChannel("release");
threads.onmessage = ({ data }) => releaseStream(data);

const app = makePlainApp(sessions, (name) => {
  releaseStream(name);
  threads.postMessage(name);
});
const thread = crypto.randomUUID();

// deno-lint-ignore house/no-default-export -- `deno serve` asks for it
export default {
  async fetch(request: Request): Promise<Response> {
    const response = await app(request);
    if (response.status !== 101) response.headers.set("x-thread", thread);
    return response;
  },
  onListen: ({ port }: Deno.NetAddr): void =>
    console.log(`http://127.0.0.1:${port}`),
};
