/** A request in parts, as a framework or Node has it. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { STORES } from "./session_server.ts";
import { cookieOf, type Data, setUp } from "./set_up.ts";

/** Serves with Node's own server: its request has no URL, and no `Headers`. */
async function withNode(
  manager: SessionManager<Data>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer(async (request, response) => {
    const { headers, url } = request;
    const get = (name: string): string | null => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : value ?? null;
    };
    const session = await manager.open({ headers: { get }, url: url! });
    const n = session.update("n", (n = 0) => n + 1);
    response.setHeader("vary", "Accept");
    for (const [name, value] of await manager.commit(session, new Headers())) {
      response.appendHeader(name, value);
    }
    response.end(`${n}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await use(`http://127.0.0.1:${port}/`);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

for (const medium of STORES) {
  Deno.test(`${medium}: open() takes the parts of a request, and commit() returns what it added`, async () => {
    using directory = new TemporaryDirectory();
    const store = medium === "memory"
      ? new MemorySessionStore()
      : new DirectorySessionStore(directory.join("sessions"), { create: true });
    await withNode(new SessionManager<Data>({ store }), async (url) => {
      const first = await fetch(url);
      assertEquals(await first.text(), "1");
      assertEquals(first.headers.get("vary"), "Accept, Cookie");
      assertEquals(first.headers.get("cache-control"), "no-store");
      // Without a scheme the connection may be https, and `Secure` is safe.
      assert(first.headers.getSetCookie()[0]!.includes("; Secure"));
      const second = await fetch(url, {
        headers: { cookie: cookieOf(first.headers) },
      });
      assertEquals(await second.text(), "2");
      assertEquals(second.headers.getSetCookie(), []);
      assertEquals(second.headers.has("cache-control"), false);
    });
  });
}

Deno.test("a cookie is Secure where the scheme is not known, unless a trusted proxy says http", async () => {
  const answers: [
    url: string | undefined,
    protocol: string | null,
    trustProxy: boolean,
    isSecure: boolean,
  ][] = [
    [undefined, null, false, true],
    ["/path", null, false, true],
    ["/path", "http", false, true],
    ["/path", "http", true, false],
    [undefined, "HTTP, https", true, false],
    ["/path", "https", true, true],
    ["/path", null, true, true],
    ["http://a/", null, false, false],
    ["http://a/", "https", true, true],
    ["http://a/", null, true, false],
    ["https://a/", "http", true, true],
  ];
  for (const [url, protocol, trustProxy, isSecure] of answers) {
    const { manager } = setUp({ trustProxy });
    const get = (name: string) =>
      name === "x-forwarded-proto" ? protocol : null;
    const session = await manager.open({ headers: { get }, url });
    session.set("n", 1);
    const headers = new Headers();
    await manager.commit(session, headers);
    assertEquals(
      headers.getSetCookie()[0]!.includes("; Secure"),
      isSecure,
      `${url} ${protocol} ${trustProxy}`,
    );
  }
});

Deno.test("commit() returns the headers that it added, and no others", async () => {
  const commit = async (
    options: Partial<SessionManagerOptions>,
    init: HeadersInit,
  ) => {
    const { manager } = setUp(options);
    const session = await manager.open({ headers: new Headers() });
    session.set("n", 1);
    const headers = new Headers(init);
    const added = await manager.commit(session, headers);
    assertEquals(await manager.commit(session, headers), []);
    return added.map(([name]) => name);
  };
  const all = ["vary", "set-cookie", "cache-control"];
  assertEquals(await commit({}, {}), all);
  assertEquals(await commit({}, { "cache-control": "public" }), all);
  assertEquals(await commit({}, { vary: "cookie" }), all.slice(1));
  assertEquals(
    await commit({}, { "cache-control": "private" }),
    ["vary", "set-cookie"],
  );
  assertEquals(await commit({ transport: "bearer" }, {}), [
    "vary",
    "Session-Token",
    "cache-control",
  ]);
});

Deno.test("the signal of a request in parts ends its waiting", async () => {
  const { manager, begin } = setUp({ isolation: "exclusive" });
  const { cookie } = await begin();
  const headers = new Headers({ cookie });
  const first = await manager.open({ headers });
  const reason = new Error("the client is gone");
  const signal = AbortSignal.abort(reason);
  await assertRejects(() => manager.open({ headers, signal }), Error, "gone");
  await manager.close(first);
});
