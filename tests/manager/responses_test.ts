/** Every kind of response, over a real socket: what is sent when. */

import { assert, assertEquals, assertFalse } from "@std/assert";
import { parseToken } from "../../src/core/token.ts";
import { RawClient } from "./raw_client.ts";
import { Browser, type Route, serve, STORES } from "./session_server.ts";
import { cookieOf, WatchedStore } from "./set_up.ts";

/** A store that is as slow as its test wants it to be. */
class SlowStore extends WatchedStore {
  readonly asked = Promise.withResolvers<void>();
  readonly released = Promise.withResolvers<void>();

  override async create(
    ...[id, record]: Parameters<WatchedStore["create"]>
  ): Promise<boolean> {
    this.asked.resolve();
    await this.released.promise;
    return await super.create(id, record);
  }
}

const UPGRADE = [
  "connection: Upgrade",
  "upgrade: websocket",
  "sec-websocket-version: 13",
  "sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==",
];
/** A frame that ends a WebSocket, masked with zeros. */
const CLOSE = new Uint8Array([0x88, 0x80, 0, 0, 0, 0]);

function idOf(cookie: string): string {
  return parseToken(cookie.slice("session=".length))!.id;
}

function streamOf(...texts: readonly string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(texts).pipeThrough(new TextEncoderStream());
}

/** One kind of answer, and what arrives of it. */
interface Kind {
  readonly method?: string;
  readonly headers?: readonly string[];
  readonly respond: (request: Request) => Response | Promise<Response>;
  readonly status: number;
  readonly location?: string;
  /** What is in the body; `""` for nothing at all. */
  readonly body: string;
}

function redirect(status: number): Kind {
  const location = "http://localhost/there";
  return {
    respond: () => Response.redirect(location, status),
    status,
    location,
    body: "",
  };
}

function bodiless(status: number): Kind {
  return { respond: () => new Response(null, { status }), status, body: "" };
}

const KINDS: Readonly<Record<string, Kind>> = {
  "a text": { respond: () => new Response("text"), status: 200, body: "text" },
  "a stream": {
    respond: () => new Response(streamOf("one ", "two")),
    status: 200,
    body: "two",
  },
  "a redirect 301": redirect(301),
  "a redirect 302": redirect(302),
  "a redirect 303": redirect(303),
  "a redirect 307": redirect(307),
  "a redirect 308": redirect(308),
  "a redirect that is thrown": {
    ...redirect(303),
    respond: () => {
      throw Response.redirect("http://localhost/there", 303);
    },
  },
  "a redirect that is thrown later": {
    ...redirect(302),
    respond: () => Promise.reject(Response.redirect("http://localhost/there")),
  },
  "a relative redirect": {
    respond: () =>
      new Response(null, { status: 303, headers: { location: "/there" } }),
    status: 303,
    location: "/there",
    body: "",
  },
  "a 304": bodiless(304),
  "a 204": bodiless(204),
  "a 205": bodiless(205),
  "an answer to HEAD": {
    method: "HEAD",
    respond: () => new Response("text"),
    status: 200,
    body: "",
  },
  "an answer that was fetched": {
    respond: () => fetch("data:text/plain,fetched"),
    status: 200,
    body: "fetched",
  },
  "a 404": {
    respond: () => new Response("none", { status: 404 }),
    status: 404,
    body: "none",
  },
};

for (const [title, kind] of Object.entries(KINDS)) {
  Deno.test(`${title} is sent after the commit, with the cookie`, async () => {
    const store = new SlowStore();
    await using server = await serve("memory", {
      "/answer": (session, request) => {
        session.set("n", 1);
        return kind.respond(request);
      },
      "/other": () => new Response("other"),
    }, { store });
    await using client = await RawClient.connect(server.port);
    await client.ask(`${kind.method ?? "GET"} /answer`, "connection: close");
    await store.asked.promise;
    // A whole other round trip, in which an early answer would have arrived.
    assertEquals(await (await server.get("/other")).text(), "other");
    assertEquals(client.received, "");
    store.released.resolve();

    const { status, headers } = await client.head();
    assert(await store.has(idOf(cookieOf(headers))));
    assertEquals(status, kind.status);
    assertEquals(headers.get("location"), kind.location ?? null);
    assertEquals(headers.get("vary"), "Cookie");
    assertEquals(headers.get("cache-control"), "no-store");
    const body = await client.body();
    if (kind.body === "") assertEquals(body, "");
    else assert(body.includes(kind.body), body);
  });
}

Deno.test("an upgrade to a WebSocket is sent after the commit, with the cookie", async () => {
  const store = new SlowStore();
  await using server = await serve("memory", {
    "/socket": (session, request) => {
      session.set("n", 1);
      return Deno.upgradeWebSocket(request).response;
    },
    "/other": () => new Response("other"),
  }, { store });
  await using client = await RawClient.connect(server.port);
  await client.ask("GET /socket", ...UPGRADE);
  await store.asked.promise;
  assertEquals(await (await server.get("/other")).text(), "other");
  assertEquals(client.received, "");
  store.released.resolve();
  const { status, headers } = await client.head();
  assertEquals(status, 101);
  assert(await store.has(idOf(cookieOf(headers))));
  await client.send(CLOSE);
  await client.body();
});

Deno.test("a handler that commits before it upgrades gets the store's error, and the server goes on", async () => {
  const store = new WatchedStore();
  await using server = await serve("memory", {
    "/socket": async (session, request) => {
      session.set("n", 1);
      const headers = new Headers();
      await server.manager.commit(session, headers);
      const { response } = Deno.upgradeWebSocket(request);
      for (const [name, value] of headers) response.headers.append(name, value);
      return response;
    },
    "/other": () => new Response("other"),
  }, { store });
  const connect = async () => {
    const client = await RawClient.connect(server.port);
    await client.ask("GET /socket", ...UPGRADE);
    return client;
  };
  {
    await using client = await connect();
    const { status, headers } = await client.head();
    assertEquals(status, 101);
    assert(await store.has(idOf(cookieOf(headers))));
    await client.send(CLOSE);
    await client.body();
  }
  store.failure = new Error("disk full");
  await using client = await connect();
  assertEquals((await client.head()).status, 500);
  assertEquals(await (await server.get("/other")).text(), "other");
});

for (const medium of STORES) {
  Deno.test(`a body may be streamed slowly: the record is stored when it begins (${medium})`, async () => {
    const released = Promise.withResolvers<void>();
    await using server = await serve(medium, {
      "/stream": (session) => {
        session.set("n", 1);
        async function* write() {
          yield "begins ";
          await released.promise;
          yield `n=${session.get("n")}`;
        }
        const body = ReadableStream.from(write());
        return new Response(body.pipeThrough(new TextEncoderStream()));
      },
      "/add": (session) =>
        new Response(`${session.update("n", (n = 0) => n + 1)}`),
    });
    await using client = await RawClient.connect(server.port);
    await client.ask("GET /stream", "connection: close");
    await client.arrival("begins ");
    const browser = new Browser(server);
    browser.cookie = cookieOf((await client.head()).headers);
    // The lock is free before the end of the stream, which does not see this.
    assertEquals(await browser.get("/add"), "2");
    released.resolve();
    assert((await client.body()).includes("n=1"));
    assertEquals(await browser.get("/add"), "3");
  });

  Deno.test(`a login that ends in a thrown redirect is a login (${medium})`, async () => {
    const shows: Route = (session) => new Response(session.user);
    await using server = await serve(medium, {
      "/login": (session) => {
        session.setUser("ann");
        throw new Response(null, {
          status: 303,
          headers: [["location", "/"], ["set-cookie", "theme=dark"]],
        });
      },
      "/logout": (session) => {
        session.destroy();
        throw Response.redirect("http://localhost/", 303);
      },
      "/show": shows,
    });
    const response = await server.get("/login");
    await response.body?.cancel();
    assertEquals(response.status, 303);
    const [own, cookie] = response.headers.getSetCookie();
    assertEquals(own, "theme=dark");
    const browser = new Browser(server, cookie!.split(";", 1)[0]);
    assertEquals(await browser.get("/show"), "ann");
    await browser.get("/logout");
    assertEquals(browser.cookie, undefined);
    assertEquals((await server.records()).size, 0);
  });
}

Deno.test("any other error of a handler reaches the caller, and saves nothing", async () => {
  const thrown = [
    new Error("no"),
    "text",
    undefined,
    { status: 303, headers: new Headers() },
  ];
  await using server = await serve("memory", {
    "/begin": (session) => {
      session.set("n", 0);
      return new Response();
    },
    "/throw": (session, request) => {
      session.set("n", 1);
      throw thrown[Number(new URL(request.url).searchParams.get("i"))];
    },
  });
  const browser = new Browser(server);
  await browser.get("/begin");
  for (const i of thrown.keys()) {
    const response = await server.get(`/throw?i=${i}`, browser.cookie);
    await response.body?.cancel();
    assertEquals(response.status, 500);
    assertEquals(response.headers.getSetCookie(), []);
  }
  const [record] = (await server.records()).values();
  assertEquals(record!.data, { n: 0 });
});

Deno.test("one response object that is thrown again and again gives no client another's cookie", async () => {
  const shared = new Response(null, {
    status: 303,
    headers: { location: "/" },
  });
  await using server = await serve("memory", {
    "/login": (session) => {
      session.setUser("ann");
      throw shared;
    },
    "/plain": () => {
      throw shared;
    },
  });
  const cookies = [];
  for (const path of ["/login", "/login"]) {
    cookies.push(cookieOf((await server.get(path)).headers));
  }
  assertFalse(cookies[0] === cookies[1]);
  assertEquals((await server.get("/plain")).headers.getSetCookie(), []);
});
