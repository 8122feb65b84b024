/** What cookies look like and which are accepted, over a real socket. */

import { assert, assertEquals, assertFalse } from "@std/assert";
import type { CookieOptions } from "../../src/http/cookie.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { HOUR } from "../constants.ts";
import { RawClient } from "./raw_client.ts";
import {
  type Route,
  serve,
  type SessionServer,
  STORES,
} from "./session_server.ts";
import { cookieOf, type Data } from "./set_up.ts";

const begins: Route = (session) => {
  session.set("n", 1);
  return new Response();
};
const ends: Route = (session) => {
  session.destroy();
  return new Response();
};
const shows: Route = (session) =>
  Response.json(session.isNew ? null : session.get("n"));

const ROUTES = { "/begin": begins, "/end": ends, "/show": shows };

/** The attributes of the one cookie of an answer, sorted. */
async function attributesOf(
  server: SessionServer,
  path: string,
  cookie?: string,
): Promise<string[]> {
  const response = await server.get(path, cookie);
  await response.body?.cancel();
  cookieOf(response.headers);
  return response.headers.getSetCookie()[0]!.split("; ").slice(1).sort();
}

const COOKIES: Readonly<
  Record<string, [options: CookieOptions, attributes: string[]]>
> = {
  "__Host-": [
    { name: "__Host-session" },
    ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"],
  ],
  "__Secure-": [
    { name: "__Secure-session", domain: "example.com", path: "/app" },
    [
      "Domain=example.com",
      "HttpOnly",
      "Path=/app",
      "SameSite=Lax",
      "Secure",
    ],
  ],
  "SameSite=None": [
    { sameSite: "None" },
    ["HttpOnly", "Path=/", "SameSite=None", "Secure"],
  ],
  "Partitioned": [
    { partitioned: true, sameSite: "None" },
    ["HttpOnly", "Partitioned", "Path=/", "SameSite=None", "Secure"],
  ],
  "Domain and Path": [
    { domain: "example.com", path: "/app", sameSite: "Strict" },
    ["Domain=example.com", "HttpOnly", "Path=/app", "SameSite=Strict"],
  ],
};

const CLEARED = ["Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=0"];

for (const [title, [cookie, attributes]] of Object.entries(COOKIES)) {
  Deno.test(`a cookie with ${title} is set, accepted and cleared with the same attributes`, async () => {
    for (const medium of STORES) {
      await using server = await serve(medium, ROUTES, { cookie });
      assertEquals(await attributesOf(server, "/begin"), attributes);
      const begun = cookieOf((await server.get("/begin")).headers);
      assertEquals(await (await server.get("/show", begun)).json(), 1);
      assertEquals(
        await attributesOf(server, "/end", begun),
        [...attributes, ...CLEARED].sort(),
      );
      assertEquals(await (await server.get("/show", begun)).json(), null);
    }
  });
}

for (const medium of STORES) {
  Deno.test(`${medium}: a cookie claims 400 days at most, and is sent again before they have passed`, async () => {
    const DAY = 24 * HOUR;
    let now = Date.now();
    const options = { absoluteTimeout: 730 * DAY, now: () => now };
    await using server = await serve(medium, ROUTES, options);
    const age = "Max-Age=34560000";
    const begun = await server.get("/begin");
    assert(begun.headers.getSetCookie()[0]!.endsWith(`; ${age}`));
    const cookie = cookieOf(begun.headers);
    const sent: number[] = [];
    for (let day = 0; day <= 100; day += 20) {
      const { headers } = await server.get("/begin", cookie);
      if (headers.getSetCookie().length > 0) sent.push(day);
      now += 20 * DAY;
    }
    assertEquals(sent, [40, 80]);
  });
}

Deno.test("a __Host- cookie is accepted under its exact name only", async () => {
  await using server = await serve("memory", ROUTES, {
    cookie: { name: "__Host-session" },
  });
  const cookie = cookieOf((await server.get("/begin")).headers);
  const token = cookie.slice("__Host-session=".length);
  for (
    const name of [
      "latchkey",
      "session",
      "__host-session",
      "__Secure-session",
      "Host-session",
    ]
  ) {
    const response = await server.get("/show", `${name}=${token}`);
    assertEquals(await response.json(), null, name);
  }
});

Deno.test("two cookies of one name are ignored: a neighbouring host may have planted one", async () => {
  await using server = await serve("memory", ROUTES);
  const [own, planted] = [
    cookieOf((await server.get("/begin")).headers),
    cookieOf((await server.get("/begin")).headers),
  ];
  const headers: [headers: string[], expected: unknown][] = [
    [[`cookie: ${own}`], 1],
    [[`cookie: ${planted}; ${own}`], null],
    [[`cookie: ${own}; ${planted}`], null],
    [[`cookie: ${own}; latchkey=`], null],
    [[`cookie: latchkey=x; ${own}`], null],
    // The same twice is one: on two paths, say.
    [[`cookie: ${own}; ${own}`], 1],
    // In a header of its own each, as over HTTP/2.
    [["cookie: theme=dark", `cookie: ${own}`], 1],
    [[`cookie: ${own}`, "cookie: theme=dark"], 1],
    [[`cookie: ${planted}`, `cookie: ${own}`], null],
  ];
  for (const [lines, expected] of headers) {
    await using client = await RawClient.connect(server.port);
    await client.ask("GET /show", ...lines, "connection: close");
    const { status, headers } = await client.head();
    assertEquals(status, 200);
    assertEquals(headers.getSetCookie(), []);
    assertEquals(JSON.parse(await client.body()), expected, lines.join());
  }
});

Deno.test("several managers with different cookie names serve one app side by side", async () => {
  const shop = new SessionManager<Data>({
    store: new MemorySessionStore(),
    cookie: { name: "shop" },
  });
  const office = new SessionManager<Data>({
    store: new MemorySessionStore(),
    cookie: { name: "office" },
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) =>
      shop.run(request, (customer) =>
        office.run(request, (clerk) => {
          const { pathname } = new URL(request.url);
          if (pathname === "/begin") customer.set("n", 1);
          if (pathname === "/begin") clerk.set("n", 2);
          if (pathname === "/leave") clerk.destroy();
          return Response.json([customer.get("n"), clerk.get("n")]);
        })),
  );
  const get = (path: string, cookie = "") =>
    fetch(`http://127.0.0.1:${server.addr.port}${path}`, {
      headers: { cookie },
    });
  const begun = await get("/begin");
  await begun.body?.cancel();
  assertEquals(begun.headers.get("vary"), "Cookie");
  const cookies = begun.headers.getSetCookie().map((text) =>
    text.split(";", 1)[0]!
  );
  const [clerk, customer] = cookies.toSorted();
  assertEquals(cookies.length, 2);
  const show = async (cookie: string) => await (await get("/", cookie)).json();
  assertEquals(await show(cookies.join("; ")), [1, 2]);
  assertEquals(await show(customer!), [1, null]);
  assertEquals(await show(clerk!), [null, 2]);
  // Each store has its own sessions: a customer's token opens no clerk's.
  const swapped = `office=${customer!.slice("shop=".length)}`;
  assertEquals(await show(`${customer}; ${swapped}`), [1, null]);

  const left = await get("/leave", cookies.join("; "));
  await left.body?.cancel();
  const [cleared, ...others] = left.headers.getSetCookie();
  assert(cleared!.startsWith("office=; "));
  assertEquals(others, []);
  assertEquals(await show(cookies.join("; ")), [1, null]);
  await server.shutdown();
});

/** A cache in front of a server that everybody shares, as lax as RFC 9111 lets it be. */
class SharedCache {
  readonly #server: SessionServer;
  readonly #stored = new Map<string, Map<string, Response>>();

  constructor(server: SessionServer) {
    this.#server = server;
  }

  async get(path: string, cookie = ""): Promise<Response> {
    const variants = this.#stored.get(path) ?? new Map<string, Response>();
    this.#stored.set(path, variants);
    const found = variants.get("any") ?? variants.get(cookie);
    if (found !== undefined) return found.clone();
    const response = await this.#server.get(path, cookie);
    const control = response.headers.get("cache-control") ?? "";
    if (!/no-store|private/.test(control)) {
      const varies = /cookie/i.test(response.headers.get("vary") ?? "");
      variants.set(varies ? cookie : "any", response.clone());
    }
    return response;
  }
}

Deno.test("a shared cache gives no client another's cookie or page, whatever the application's Cache-Control", async () => {
  let now = Date.now();
  const says = (control: string | undefined): Route => (session) => {
    if (session.isNew) session.set("n", Math.random());
    return new Response(`${session.get("n")}`, {
      headers: control === undefined ? {} : { "cache-control": control },
    });
  };
  const asset: Route = () =>
    new Response("the same for all", {
      headers: { "cache-control": "public, max-age=3600" },
    });
  await using server = await serve("memory", {
    "/silent": says(undefined),
    "/public": says("public, max-age=3600"),
    "/aged": says("s-maxage=3600"),
    "/revalidated": says("no-cache"),
    "/asset": asset,
  }, { rotateEvery: 1_000_000, now: () => now });
  const cache = new SharedCache(server);
  for (const path of ["/silent", "/public", "/aged", "/revalidated"]) {
    const cookies = [];
    const pages = [];
    for (let i = 0; i < 2; i++) {
      const response = await cache.get(path);
      cookies.push(...response.headers.getSetCookie());
      pages.push(await response.text());
    }
    assertEquals(new Set(cookies).size, 2, path);
    assertEquals(new Set(pages).size, 2, path);
    const [ann, ben] = cookies.map((cookie) => cookie.split(";", 1)[0]!);
    const read = async (cookie: string | undefined) =>
      await (await cache.get(path, cookie)).text();
    assertEquals([await read(ann), await read(ben)], pages, path);
  }

  // A request that does not look at the session rotates no secret.
  const ann = cookieOf((await server.get("/silent")).headers);
  now += 1_000_000;
  const due = await cache.get("/asset", ann);
  assertEquals(due.headers.getSetCookie(), []);
  assertEquals(due.headers.get("cache-control"), "public, max-age=3600");
  assertEquals(await due.text(), "the same for all");
  const another = await cache.get("/asset");
  assertEquals(another.headers.getSetCookie(), []);
  assertFalse(another.headers.has("vary"));
  assertEquals(await another.text(), "the same for all");
});

Deno.test("an application that sets no-store or private keeps its own Cache-Control", async () => {
  const directives = [
    "private",
    "no-store",
    "private, max-age=60",
    "max-age=60,PRIVATE",
    "no-cache, no-store, must-revalidate",
  ];
  const replaced = [
    "public",
    "max-age=60",
    "no-cache",
    'private="x-other"',
    "x-private",
    "",
  ];
  await using server = await serve("memory", {
    "/set": (session, request) => {
      session.set("n", 1);
      const control = new URL(request.url).searchParams.get("control")!;
      return new Response(null, { headers: { "cache-control": control } });
    },
  });
  const controlOf = async (control: string) => {
    const path = `/set?control=${encodeURIComponent(control)}`;
    const { headers } = await server.get(path);
    assertEquals(headers.getSetCookie().length, 1);
    return headers.get("cache-control");
  };
  for (const control of directives) {
    assertEquals(await controlOf(control), control);
  }
  for (const control of replaced) {
    assertEquals(await controlOf(control), "no-store", control);
  }
});
