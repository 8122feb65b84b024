/** What many requests at once do to a session, on a real server. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { cpuUsage } from "node:process";
import type { Act } from "./acting_server.ts";
import {
  Browser,
  Meeting,
  type Route,
  serve,
  type SessionServer,
  STORES,
} from "./session_server.ts";
import {
  BAD_COOKIES,
  cookieOf,
  idOf,
  lastAccessOf,
  WatchedStore,
} from "./set_up.ts";

/** Begins a stored session, and answers with its cookie. */
async function begin(server: SessionServer, path = "/begin"): Promise<string> {
  const response = await server.get(path);
  await response.body?.cancel();
  return cookieOf(response.headers);
}

const begins: Route = (session) => {
  session.set("n", 0);
  return new Response("begun");
};

const shows: Route = (session) =>
  Response.json({
    isNew: session.isNew,
    user: session.user,
    data: Object.fromEntries(session.entries()),
  });

for (const medium of STORES) {
  const name = (sentence: string) => `${sentence} (${medium})`;

  Deno.test(
    name("26 requests at once that each set a key leave all 26"),
    async () => {
      const keys = [..."abcdefghijklmnopqrstuvwxyz"];
      const all = new Meeting(keys.length);
      await using server = await serve(medium, {
        "/begin": begins,
        "/set": async (session, request) => {
          const key = new URL(request.url).searchParams.get("key")!;
          session.set(key, key.toUpperCase());
          await all.arrive();
          return new Response();
        },
      });
      const cookie = await begin(server);
      const responses = await Promise.all(
        keys.map((key) => server.get(`/set?key=${key}`, cookie)),
      );
      for (const response of responses) {
        assertEquals([response.status, await response.text()], [200, ""]);
        assertEquals(response.headers.getSetCookie(), []);
      }
      const [record] = (await server.records()).values();
      assertEquals(record!.data, {
        n: 0,
        ...Object.fromEntries(keys.map((key) => [key, key.toUpperCase()])),
      });
    },
  );

  Deno.test(name("50 increments at once add 50"), async () => {
    const all = new Meeting(50);
    await using server = await serve(medium, {
      "/begin": begins,
      "/add": async (session) => {
        session.update("n", (n = 0) => n + 1);
        await all.arrive();
        return new Response();
      },
    });
    const cookie = await begin(server);
    const requests = Array.from({ length: 50 }, async () => {
      const response = await server.get("/add", cookie);
      await response.body?.cancel();
      assertEquals(response.status, 200);
    });
    await Promise.all(requests);
    const [record] = (await server.records()).values();
    assertEquals(record!.data, { n: 50 });
  });

  for (const way of ["destroy", "expire"] as const) {
    Deno.test(
      name(
        `a request that ends after a logout (${way}) does not bring the session back`,
      ),
      async () => {
        const opened = Promise.withResolvers<void>();
        const released = Promise.withResolvers<void>();
        await using server = await serve(medium, {
          "/begin": begins,
          "/late": async (session) => {
            session.set("late", 1);
            opened.resolve();
            await released.promise;
            return new Response("late");
          },
          "/logout": async (session) => {
            if (way === "destroy") session.destroy();
            else await server.manager.expire(session.id);
            return new Response("out");
          },
          "/show": shows,
        });
        const cookie = await begin(server);
        const late = server.get("/late", cookie);
        await opened.promise;

        const browser = new Browser(server, cookie);
        assertEquals(await browser.get("/logout"), "out");
        assertEquals(browser.cookie === undefined, way === "destroy");
        assertEquals((await server.records()).size, 0);

        released.resolve();
        const response = await late;
        assertEquals([response.status, await response.text()], [200, "late"]);
        assertEquals(response.headers.getSetCookie(), []);
        assertEquals((await server.records()).size, 0);
        assertEquals(
          server.events.map((event) =>
            event.type === "refused" && event.sessionId
          ),
          [idOf(cookie)],
        );
        const { isNew } = await (await server.get("/show", cookie)).json();
        assert(isNew);
      },
    );
  }

  Deno.test(
    name("parallel regenerate leaves exactly one valid cookie"),
    async () => {
      const all = new Meeting(8);
      await using server = await serve(medium, {
        "/begin": begins,
        "/renew": async (session) => {
          session.regenerate();
          await all.arrive();
          return new Response();
        },
        "/show": shows,
      });
      const old = await begin(server);
      const browser = new Browser(server, old);
      const responses = await Promise.all(
        Array.from({ length: 8 }, () => server.get("/renew", old)),
      );
      const cookies = responses.flatMap(({ headers }) =>
        headers.getSetCookie()
      );
      for (const response of responses) {
        assertEquals(response.status, 200);
        await response.body?.cancel();
        browser.take(response);
      }
      assertEquals(cookies.length, 1);
      assertEquals(server.events.length, 7);
      assertNotEquals(browser.cookie, old);
      assertEquals(JSON.parse(await browser.get("/show")).data, { n: 0 });
      const { isNew } = await (await server.get("/show", old)).json();
      assert(isNew);
      assertEquals((await server.records()).size, 1);
    },
  );

  Deno.test(
    name("a login refuses requests under way with the cookie from before it"),
    async () => {
      const opened = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      await using server = await serve(medium, {
        "/begin": begins,
        "/plant": async (session) => {
          session.set("n", 666);
          opened.resolve();
          await released.promise;
          return new Response();
        },
        "/login": (session) => {
          session.setUser("ann");
          return new Response();
        },
        "/show": shows,
      });
      const planted = await begin(server);
      const attack = server.get("/plant", planted);
      await opened.promise;
      const victim = new Browser(server, planted);
      await victim.get("/login");
      released.resolve();
      await (await attack).body?.cancel();

      const shown = { isNew: false, user: "ann", data: { n: 0 } };
      assertEquals(JSON.parse(await victim.get("/show")), shown);
      const { isNew, user } = await (await server.get("/show", planted)).json();
      assertEquals([isNew, user], [true, null]);
    },
  );

  Deno.test(
    name("of two posts of one form token at once exactly one passes"),
    async () => {
      const both = new Meeting(2);
      await using server = await serve(medium, {
        "/begin": (session) => new Response(session.createFormToken()),
        "/post": async (session, request) => {
          const token = new URL(request.url).searchParams.get("token")!;
          await both.arrive();
          const isFirst = await server.manager.consumeFormToken(session, token);
          if (isFirst) session.update("n", (n = 0) => n + 1);
          return Response.json(isFirst);
        },
      });
      const form = await server.get("/begin");
      const [cookie, token] = [cookieOf(form.headers), await form.text()];
      const posts = [1, 2].map(async () =>
        await (await server.get(`/post?token=${token}`, cookie)).json()
      );
      assertEquals((await Promise.all(posts)).toSorted(), [false, true]);
      const [record] = (await server.records()).values();
      assertEquals([record!.data, record!.formTokens], [{ n: 1 }, undefined]);
    },
  );

  Deno.test(
    name("a wrong secret is an unknown session and prolongs nothing"),
    async () => {
      await using server = await serve(
        medium,
        { "/begin": begins, "/show": shows },
        { touchAfter: 0 },
      );
      const cookie = await begin(server);
      const id = idOf(cookie);
      const before = await lastAccessOf(server.store, id);
      const wrong = `${cookie.slice(0, -22)}${"A".repeat(22)}`;
      const response = await server.get("/show", wrong);
      assertEquals(await response.json(), {
        isNew: true,
        user: null,
        data: {},
      });
      assertEquals(response.headers.getSetCookie(), []);
      assertEquals(await lastAccessOf(server.store, id), before);
    },
  );

  Deno.test(
    name("any cookie at all gets an answer and leaves nothing behind"),
    async () => {
      await using server = await serve(medium, { "/show": shows });
      // What a client of HTTP can send at all, as bytes and in 64 KiB at most.
      const sendable = BAD_COOKIES
        .filter((cookie) => !cookie.includes("\0"))
        .map((cookie) => new TextEncoder().encode(cookie.slice(0, 60_000)));
      for (const cookie of sendable) {
        using connection = await Deno.connect({
          hostname: "127.0.0.1",
          port: server.port,
        });
        const writer = connection.writable.getWriter();
        const head =
          "GET /show HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncookie: ";
        await writer.write(new TextEncoder().encode(head));
        await writer.write(cookie);
        await writer.write(new TextEncoder().encode("\r\n\r\n"));
        const text = await new Response(connection.readable).text();
        const what = new TextDecoder().decode(cookie.slice(0, 80));
        assert(text.startsWith("HTTP/1.1 200 "), `${what}: ${text}`);
        assert(text.includes('"isNew":true'), what);
        assertFalse(/set-cookie/i.test(text), what);
      }
      assertEquals((await server.records()).size, 0);
      assertEquals(server.events, []);
    },
  );

  Deno.test(name("a handler that fails saves nothing"), async () => {
    await using server = await serve(medium, {
      "/begin": begins,
      "/throw": (session) => {
        session.set("n", 1);
        throw new Error("no");
      },
      "/reject": async (session) => {
        session.destroy();
        await Promise.reject(new Error("no"));
        return new Response();
      },
    });
    const cookie = await begin(server);
    for (const path of ["/throw", "/reject"]) {
      for (const header of [undefined, cookie]) {
        const response = await server.get(path, header);
        await response.body?.cancel();
        assertEquals(response.status, 500);
        assertEquals(response.headers.getSetCookie(), []);
      }
    }
    const [record, ...others] = (await server.records()).values();
    assertEquals([record!.data, others.length], [{ n: 0 }, 0]);
  });
}

Deno.test("a store that fails gives an error and no cookie", async () => {
  const store = new WatchedStore();
  await using server = await serve("memory", { "/begin": begins }, { store });
  store.failure = new Error("disk full");
  const response = await server.get("/begin");
  await response.body?.cancel();
  assertEquals(response.status, 500);
  assertEquals(response.headers.getSetCookie(), []);
});

Deno.test("a cookie is sent after the store has answered", async () => {
  const called = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  class SlowStore extends WatchedStore {
    override async create(
      ...[id, record]: Parameters<WatchedStore["create"]>
    ): Promise<boolean> {
      called.resolve();
      await released.promise;
      return await super.create(id, record);
    }
  }
  const store = new SlowStore();
  await using server = await serve("memory", {
    "/begin": begins,
    "/other": () => new Response("other"),
  }, { store });
  let isAnswered = false;
  const answer = server.get("/begin").then((response) => {
    isAnswered = true;
    return response;
  });
  await called.promise;
  // A whole other round trip, in which an early answer would have arrived.
  assertEquals(await (await server.get("/other")).text(), "other");
  assertFalse(isAnswered);
  released.resolve();
  const response = await answer;
  await response.body?.cancel();
  assert(await store.has(idOf(cookieOf(response.headers))));
});

Deno.test("every kind of response carries the cookie", async () => {
  const shared = new Response(null, { status: 204 });
  const stream = () =>
    ReadableStream.from(["one ", "two"]).pipeThrough(new TextEncoderStream());
  const answers: Record<string, () => Response | Promise<Response>> = {
    "/redirect": () => Response.redirect("http://localhost/there", 303),
    "/not-modified": () =>
      new Response(null, { status: 304, headers: { etag: '"e"' } }),
    "/shared": () => shared,
    "/stream": () => new Response(stream()),
    "/cookie": () =>
      new Response("", { headers: [["set-cookie", "a=1; Path=/x"]] }),
    "/fetched": () => fetch("data:text/plain,fetched"),
    "/text": () => new Response("text", { headers: { vary: "Accept" } }),
  };
  const routes = Object.fromEntries(
    Object.entries(answers).map(([path, answer]): [string, Route] => [
      path,
      (session) => {
        session.set("n", 1);
        return answer();
      },
    ]),
  );
  await using server = await serve("memory", {
    ...routes,
    "/plain": () => shared,
  });
  const get = async (path: string) => {
    const response = await server.get(path);
    const { status, headers } = response;
    return { status, headers, text: await response.text() };
  };
  for (
    const [path, status, text] of [
      ["/redirect", 303, ""],
      ["/not-modified", 304, ""],
      ["/shared", 204, ""],
      ["/stream", 200, "one two"],
      ["/cookie", 200, ""],
      ["/fetched", 200, "fetched"],
      ["/text", 200, "text"],
    ] as const
  ) {
    const response = await get(path);
    assertEquals([response.status, response.text], [status, text], path);
    const cookies = response.headers.getSetCookie();
    const own = path === "/cookie" ? ["a=1; Path=/x"] : [];
    assertEquals(cookies.slice(0, -1), own, path);
    assert(cookies.at(-1)!.startsWith("latchkey="), path);
    const vary = response.headers.get("vary")!.split(", ");
    assertEquals(vary.filter((name) => name === "Cookie").length, 1, path);
  }
  assertEquals(
    (await get("/redirect")).headers.get("location"),
    "http://localhost/there",
  );
  const plain = await get("/plain");
  assertEquals(plain.headers.getSetCookie(), []);
  assertEquals(plain.headers.get("vary"), null);
});

for (const medium of STORES) {
  for (const seal of [false, true]) {
    Deno.test(`a message left again while a page shows the first is shown by the next page, also if it is the same (${medium}, seal ${seal})`, async () => {
      let isShown = Promise.withResolvers<void>();
      let goOn = Promise.withResolvers<void>();
      await using server = await serve(medium, {
        "/save": (session, request) => {
          session.flash(
            "notice",
            new URL(request.url).searchParams.get("text"),
          );
          return new Response();
        },
        "/page": (session) => new Response(`${session.flash("notice")}`),
        "/slow": async (session) => {
          const text = `${session.flash("notice")}`;
          isShown.resolve();
          await goOn.promise;
          return new Response(text);
        },
      }, { seal });
      // Between the two another page may have shown the first message.
      for (const between of [[], ["/page"]]) {
        for (const text of ["Saved!", "Another"]) {
          const browser = new Browser(server);
          await browser.get("/save?text=Saved!");
          for (let turn = 0; turn < 3; turn++) {
            isShown = Promise.withResolvers();
            goOn = Promise.withResolvers();
            const slow = browser.get("/slow");
            await isShown.promise;
            for (const path of between) {
              assertEquals(await browser.get(path), "Saved!");
            }
            await browser.get(`/save?text=${text}`);
            goOn.resolve();
            assertEquals(await slow, "Saved!");
            assertEquals(await browser.get("/page"), text);
            assertEquals(await browser.get("/page"), "undefined");
            await browser.get("/save?text=Saved!");
          }
        }
      }
    });
  }

  Deno.test(`40,000 updates and form tokens in one request take linear time, and 32 tokens are kept (${medium})`, async () => {
    const COUNT = 40_000;
    let took = Infinity;
    /** Of this process, in ms: others may be at work beside it. */
    const cpuTime = () => {
      const { user, system } = cpuUsage();
      return (user + system) / 1_000;
    };
    await using server = await serve(medium, {
      "/": (session) => {
        const begin = cpuTime();
        const tokens: string[] = [];
        for (let i = 0; i < COUNT; i++) {
          session.update("n", (n = 0) => n + 1);
          tokens.push(session.createFormToken());
        }
        took = cpuTime() - begin;
        const held = tokens.map((token) => session.hasFormToken(token));
        assertEquals(held.indexOf(true), COUNT - 32);
        assertEquals(held.slice(-32), Array(32).fill(true));
        return new Response(`${session.get("n")}`);
      },
    });
    assertEquals(await (await server.get("/")).text(), `${COUNT}`);
    const [record] = (await server.records()).values();
    assertEquals([record!.data.n, record!.formTokens!.length], [COUNT, 32]);
    // It took 6 s.
    assert(took < 2_000, `${took} ms`);
  });

  Deno.test(`a body that is streamed after the commit reads the session, and cannot write (${medium})`, async () => {
    const outcomes: string[] = [];
    const tries: Readonly<Record<string, Act>> = {
      set: (session) => session.set("n", 2),
      delete: (session) => session.delete("n"),
      update: (session) => session.update("n", () => 2),
      clear: (session) => session.clear(),
      user: (session) => session.setUser("ann"),
      label: (session) => session.setLabel("x"),
      lifetime: (session) => session.setLifetime({}),
      regenerate: (session) => session.regenerate(),
      destroy: (session) => session.destroy(),
      discard: (session) => session.discard(),
      begin: (session) => server.manager.beginLogin(session, "ann"),
      consume: (session) => server.manager.consumeFormToken(session, "x"),
      commit: (session) => server.manager.commit(session),
      create: (session) => session.createFormToken(),
      remove: (session) => session.removeFormToken("x"),
      leave: (session) => session.flash("notice", "x"),
      // Otherwise the next page would show it again.
      read: (session) => session.flash("notice"),
    };
    await using server = await serve(medium, {
      "/begin": (session) => {
        session.set("cart", ["tea"]);
        session.flash("notice", "hello");
        return new Response();
      },
      "/stream": (session) => {
        session.set("n", 1);
        async function* write() {
          yield `n=${session.get("n")}`;
          for (const [name, write] of Object.entries(tries)) {
            try {
              await write(session, server.manager);
            } catch (error) {
              assert(error instanceof TypeError);
              assertMatch(error.message, /its request is over/);
              outcomes.push(name);
            }
          }
          // The one change that is lost without an error, as the docs say.
          session.get("cart")!.push("milk");
          yield await Promise.resolve("!");
        }
        const body = ReadableStream.from(write());
        return new Response(body.pipeThrough(new TextEncoderStream()));
      },
    });
    const cookie = cookieOf((await server.get("/begin")).headers);
    const response = await server.get("/stream", cookie);
    assertEquals(await response.text(), "n=1!");
    assertEquals(outcomes, Object.keys(tries));
    const [record] = (await server.records()).values();
    assertEquals(record!.data, { cart: ["tea"], n: 1 });
    assertEquals(record!.flash, { notice: "hello" });
  });
}

for (const trustProxy of [false, true]) {
  Deno.test(`an upgrade to a WebSocket carries the cookie and goes on, trustProxy ${trustProxy}`, async () => {
    await using server = await serve("memory", {
      "/socket": (session, request) => {
        session.set("n", 1);
        const { response, socket } = Deno.upgradeWebSocket(request);
        socket.onmessage = ({ data }) => socket.send(`${data}!`);
        return response;
      },
    }, { trustProxy });
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket`);
    const echo = Promise.withResolvers<unknown>();
    const closed = Promise.withResolvers<void>();
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => echo.resolve(data);
    socket.onerror = () => echo.reject(new Error("no upgrade"));
    socket.onclose = () => closed.resolve();
    assertEquals(await echo.promise, "hello!");
    socket.close();
    await closed.promise;
    assertEquals((await server.records()).size, 1);
  });
}
