/** The logins that `docs/frameworks.md` shows, with forms of a browser. */

import { assertEquals } from "@std/assert";
import { app as express } from "./examples/express_login.ts";
import { app as fastify } from "./examples/fastify_login.ts";
import { serveNode } from "./node_application.ts";
import type { Application } from "./scenario.ts";

const CASES: Readonly<Record<string, () => Promise<Application>>> = {
  Express: () => serveNode(express),
  Fastify: async () => {
    await fastify.ready();
    return serveNode((request, response) => fastify.routing(request, response));
  },
};

for (const [name, start] of Object.entries(CASES)) {
  Deno.test(`docs/frameworks.md: a login and a logout with ${name}, and no request from another origin`, async () => {
    await using application = await start();
    const { url } = application;
    let cookie = "";
    const ask = async (path: string, init: RequestInit = {}) => {
      const headers = { cookie, origin: url, ...init.headers };
      const response = await fetch(url + path, {
        ...init,
        headers,
        redirect: "manual",
      });
      cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? cookie;
      return `${response.status} ${await response.text()}`;
    };
    const method = "POST";
    const body = new URLSearchParams({ name: "ann" });
    const headers = { origin: "https://evil.example" };

    assertEquals(await ask("/login", { method, body, headers }), "403 ");
    assertEquals(await ask("/"), '200 {"user":null}');
    assertEquals((await ask("/login", { method, body })).slice(0, 3), "303");
    const welcome = '200 {"user":"ann","notice":"Welcome, ann"}';
    assertEquals(await ask("/"), welcome);
    assertEquals(await ask("/"), '200 {"user":"ann"}');
    assertEquals(await ask("/visit"), "200 Visit 1");
    assertEquals(await ask("/logout", { method, headers }), "403 ");
    assertEquals(await ask("/"), '200 {"user":"ann"}');
    assertEquals((await ask("/logout", { method })).slice(0, 3), "303");
    assertEquals(await ask("/"), '200 {"user":null}');
  });
}
