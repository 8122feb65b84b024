/** The example of `docs/recipes.md` that needs a server; the others run as documentation. */

import { assertEquals } from "@std/assert";
import { toFileUrl } from "@std/path/to-file-url";
import type { SessionManager } from "../../src/manager/manager.ts";
import { signIn } from "../../src/manager/sign_in.ts";
import { listUnrun } from "../pages.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

/** What `socket.ts` exports. */
interface Example {
  readonly sessions: SessionManager<{ messages: number }>;
  readonly handler: (request: Request) => Promise<Response>;
}

/** The next message of a socket, or why it was closed. */
function next(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve(data);
    socket.onclose = ({ code, reason }) => resolve(`${code} ${reason}`);
  });
}

Deno.test("docs/recipes.md: a socket ends when its session does", async () => {
  using directory = new TemporaryDirectory();
  const [example] = listUnrun("docs/recipes.md");
  assertEquals(example!.name, "socket.ts");
  directory.writeFiles({ "socket.ts": example!.code });
  // deno-lint-ignore house/no-computed-import -- the code of the page
  const { sessions, handler }: Example = await import(
    toFileUrl(directory.join("socket.ts")).href
  );
  const checks: (() => void)[] = [];
  const { setInterval } = globalThis;
  Object.assign(globalThis, {
    setInterval: (check: () => void) => checks.push(check),
  });
  using restored = new DisposableStack();
  restored.defer(() => Object.assign(globalThis, { setInterval }));
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    handler,
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const open = async (headers: Record<string, string>) => {
    const socket = new WebSocket(url.replace("http", "ws"), { headers });
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return socket;
  };
  const status = async (headers: HeadersInit) => {
    const response = await fetch(url, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status({}), 401);
  const cookie = await signIn(sessions, "ann");
  const forged = {
    cookie,
    upgrade: "websocket",
    origin: "https://evil.example",
  };
  assertEquals(await status(forged), 403);

  const talking = await open({ cookie });
  for (const count of [1, 2]) {
    const answer = next(talking);
    talking.send("hello");
    assertEquals(await answer, `ann, ${count}: hello`);
  }
  const silent = await open({ cookie });
  const endings = [next(talking), next(silent)];
  await sessions.revokeUser("ann");
  talking.send("hello");
  checks.at(-1)!();
  assertEquals(await Promise.all(endings), [
    "4401 Signed out",
    "4401 Signed out",
  ]);
});
