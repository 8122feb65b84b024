import { assert, assertEquals, assertThrows } from "@std/assert";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { TransportOption } from "../../src/http/transport.ts";
import { setUp } from "../manager/set_up.ts";

/** Lets a handler set a number, and answers with the response's headers. */
async function answer(
  options: Partial<SessionManagerOptions>,
  request: Record<string, string>,
  response = new Response(),
): Promise<{ headers: Headers; scene: ReturnType<typeof setUp> }> {
  const scene = setUp(options);
  const { headers } = await scene.manager.run(
    new Request("http://localhost/", { headers: request }),
    (session) => {
      session.set("n", 1);
      return response;
    },
  );
  return { headers, scene };
}

const HEADERS: [TransportOption, string, string, (token: string) => string][] =
  [
    ["bearer", "authorization", "session-token", (token) => `Bearer ${token}`],
    [{ header: "X-Session" }, "x-session", "x-session", (token) => token],
  ];

for (const [transport, from, to, write] of HEADERS) {
  const name = typeof transport === "string" ? transport : "a header";
  Deno.test(`transport ${name}: the token comes and goes in it, and there is no cookie`, async () => {
    const { headers, scene } = await answer({ transport }, {});
    const token = headers.get(to)!;
    assertEquals(token.length, 54);
    assertEquals(headers.getSetCookie(), []);
    assertEquals(headers.get("vary")?.toLowerCase(), from);
    assertEquals(headers.get("cache-control"), "no-store");
    const request = (value: string, name = from) =>
      new Request("http://localhost/", { headers: { [name]: value } });
    const { manager } = scene;
    assertEquals((await manager.open(request(write(token)))).get("n"), 1);
    // Not in a cookie, though it is the same token.
    assert((await manager.open(request(`latchkey=${token}`, "cookie"))).isNew);
    for (
      const bad of ["", " ", "Bearer", "Basic abc", `${write(token)}x`, "é"]
    ) {
      assert((await manager.open(request(bad))).isNew, bad);
    }
    const ended = await manager.run(request(write(token)), (session) => {
      session.destroy();
      return new Response();
    });
    assertEquals(ended.headers.get(to), "");
  });
}

Deno.test("transport refuses an invalid or reserved header, and cookie options beside it", () => {
  for (const header of ["", "a b", "cookie", "Set-Cookie", "ä", 1]) {
    const transport = { header } as TransportOption;
    assertThrows(() => setUp({ transport }), TypeError, "header");
  }
  assertThrows(
    () => setUp({ transport: "bearer", cookie: { name: "x" } }),
    TypeError,
    "cookie needs the transport",
  );
});

Deno.test("a response with a cookie is no-store, unless the application has set Cache-Control", async () => {
  const { headers } = await answer({}, {});
  assertEquals(headers.get("cache-control"), "no-store");
  const decided = new Response(null, {
    headers: { "cache-control": "private" },
  });
  const kept = await answer({}, {}, decided);
  assertEquals(kept.headers.get("cache-control"), "private");
});

Deno.test("a response without a cookie keeps the application's Cache-Control", async () => {
  const { manager, begin } = setUp();
  const { cookie } = await begin();
  const request = new Request("http://localhost/", { headers: { cookie } });
  const { headers } = await manager.run(request, () => new Response("static"));
  assertEquals([headers.get("cache-control"), headers.get("vary")], [
    null,
    null,
  ]);
});
