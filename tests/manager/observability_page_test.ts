/** The server of `docs/observability.md`, with the permissions that the page names. */

import { assert, assertEquals } from "@std/assert";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { listUnrun, PAGES, ROOT } from "../pages.ts";
import { type Child, spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { Collector } from "./collector.ts";
import { RawClient } from "./raw_client.ts";

const NAME = "server.ts";
const CODE = listUnrun("docs/observability.md")
  .find(({ name }) => name === NAME)!.code;
const PAGE = PAGES["docs/observability.md"]!;
const [, FLAGS = ""] = /^Permissions: `(.*?)`$/m.exec(PAGE)!;
const ENDING = "Ending: a second signal does not wait for requests";

/** A server on the sessions in a directory. */
class Server implements AsyncDisposable {
  readonly child: Child;
  readonly port: number;

  private constructor(child: Child, port: number) {
    this.child = child;
    this.port = port;
  }

  static async start(
    cwd: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Server> {
    Deno.writeTextFileSync(`${cwd}/${NAME}`, CODE);
    const child = spawnDeno([
      ...["run", "--no-prompt", "--no-check"],
      `--config=${ROOT}deno.json`,
      ...FLAGS.split(" "),
      NAME,
    ], { cwd, env: { DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0", ...env } });
    const line = await child.readLine() ?? "";
    const [, port] = /^On port (\d+)$/.exec(line) ?? [];
    if (port === undefined) throw new Error((await child.end(1000)).stderr);
    return new Server(child, Number(port));
  }

  /** Visits it, and answers with what it says and the cookie. */
  async visit(cookie = ""): Promise<{ text: string; cookie: string }> {
    const url = `http://127.0.0.1:${this.port}/`;
    const response = await fetch(url, { headers: { cookie } });
    const [given] = response.headers.getSetCookie();
    const text = await response.text();
    return { text, cookie: given?.split(";")[0] ?? cookie };
  }

  async health(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.port}/healthz`);
    await response.body?.cancel();
    return response.status;
  }

  /** Begins a request, and waits until its handler waits for the body. */
  async begin(cookie: string): Promise<RawClient> {
    const client = await RawClient.connect(this.port);
    await client.ask(
      "POST /",
      `cookie: ${cookie}`,
      "content-length: 3",
      "expect: 100-continue",
      "connection: close",
    );
    await client.arrival("100 Continue");
    client.received = "";
    return client;
  }

  /** Sends SIGTERM, and waits until the server has seen it. */
  async terminate(): Promise<void> {
    this.child.kill("SIGTERM");
    await this.child.expectLine(ENDING);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
  }
}

const BODY = new TextEncoder().encode("ann");

Deno.test("docs/observability.md has every counter and every outcome", () => {
  const { counters } = new SessionManager({ store: new MemorySessionStore() });
  const source = Deno.readTextFileSync(`${ROOT}src/manager/operations.ts`);
  const [table = ""] = /^ \* \| name.*?^ \*\n/ms.exec(source)!;
  const outcomes = [...table.matchAll(/`([a-z_ ]+)`/g)].map(([, word]) =>
    word!
  );
  assert(outcomes.includes("hit") && outcomes.includes("timeout"));
  const lacking = [...Object.keys(counters), ...outcomes]
    .filter((word) => !PAGE.includes(`\`${word}\``));
  assertEquals(lacking, []);
});

Deno.test("SIGTERM: requests under way are answered and committed, and the exit code is 0", async () => {
  using directory = new TemporaryDirectory();
  let cookie: string;
  {
    await using server = await Server.start(directory.path);
    ({ cookie } = await server.visit());
    await using old = await server.begin(cookie);
    await using fresh = await server.begin("");
    await server.terminate();
    assertEquals(await server.health(), 503);
    await old.send(BODY);
    assertEquals(await old.body(), "ann visit 2");
    // The other one is still waited for.
    await fresh.send(BODY);
    const { status, headers } = await fresh.head();
    assertEquals([status, await fresh.body()], [200, "ann visit 1"]);
    assert(headers.get("set-cookie")?.startsWith("latchkey="));
    const { code, signal, stderr } = await server.child.end();
    assertEquals([code, signal], [0, undefined], stderr);
  }
  const left = directory.listFiles("sessions/")
    .filter((name) => name.includes(".tmp-"));
  assertEquals(left, [], "the store was not closed");
  await using server = await Server.start(directory.path);
  assertEquals((await server.visit(cookie)).text, "visit 3");
});

Deno.test("a second SIGTERM ends the server at once, and commits nothing", async () => {
  using directory = new TemporaryDirectory();
  let cookie: string;
  {
    await using server = await Server.start(directory.path);
    ({ cookie } = await server.visit());
    await using client = await server.begin(cookie);
    await server.terminate();
    server.child.kill("SIGTERM");
    const { code, signal } = await server.child.end();
    assertEquals([code, signal], [1, undefined]);
    assertEquals(await client.body(), "");
  }
  await using server = await Server.start(directory.path);
  assertEquals((await server.visit(cookie)).text, "visit 2");
});

Deno.test("/healthz tells whether the store can read and write", async () => {
  using directory = new TemporaryDirectory();
  await using server = await Server.start(directory.path);
  assertEquals(await server.health(), 200);
  const [sessions, away] = ["sessions", "away"].map((name) =>
    directory.join(name)
  );
  Deno.renameSync(sessions!, away!);
  assertEquals(await server.health(), 503);
  Deno.renameSync(away!, sessions!);
  assertEquals(await server.health(), 200);
});

Deno.test("the server of the page exports the trace of a request", async () => {
  using directory = new TemporaryDirectory();
  await using collector = new Collector();
  await using server = await Server.start(directory.path, collector.env);
  const { cookie } = await server.visit();
  await server.visit(cookie);
  await server.terminate();
  assertEquals((await server.child.end()).code, 0);
  assertEquals(collector.countsOf("open.duration"), { none: 1, hit: 1 });
  assertEquals(collector.describe("/").at(-1), [
    ["session open: hit", "session store load: hit"],
    ["session commit: committed", "session store update: updated"],
  ]);
});
