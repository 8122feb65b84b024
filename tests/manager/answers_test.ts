/** Which answers save what a request did, over real sockets. */

import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Browser, type Route, serve, STORES } from "./session_server.ts";
import { setUp } from "./set_up.ts";

const SAVED = [200, 302, 400, 401, 403, 404, 429, 499];
const NOT_SAVED = [500, 503, 599];

/** Changes the session in all ways, and answers with the status of the path. */
const answers: Route = (session, request) => {
  const [, how, status] = new URL(request.url).pathname.split("/");
  session.update("n", (n = 0) => n + 1);
  session.flash("notice", "left");
  const response = new Response(status, { status: Number(status) });
  if (how === "throw") throw response;
  return response;
};

const ROUTES: Record<string, Route> = {
  "/begin": (session) => {
    session.setUser("ann");
    return new Response();
  },
  "/show": (session) => new Response(`${session.user} ${session.get("n")}`),
  "/logout": (session) => {
    session.destroy();
    return new Response(null, { status: 500 });
  },
};
for (const status of [...SAVED, ...NOT_SAVED]) {
  ROUTES[`/return/${status}`] = ROUTES[`/throw/${status}`] = answers;
}

for (const medium of STORES) {
  Deno.test(`${medium}: an answer of 500 or more saves nothing and sends no cookie, others do`, async () => {
    for (const how of ["return", "throw"]) {
      await using server = await serve(medium, ROUTES);
      const browser = new Browser(server);
      await browser.get("/begin");
      let n = 0;
      for (const status of [...SAVED, ...NOT_SAVED]) {
        const isSaved = status < 500;
        for (const cookie of [browser.cookie, undefined]) {
          const response = await server.get(`/${how}/${status}`, cookie);
          assertEquals(
            [
              response.status,
              await response.text(),
              response.headers.get("vary"),
            ],
            [status, `${status}`, "Cookie"],
          );
          const isSent = isSaved && cookie === undefined;
          assertEquals(response.headers.getSetCookie().length, isSent ? 1 : 0);
        }
        if (isSaved) n++;
        assertEquals(await browser.get("/show"), `ann ${n}`);
      }
      await browser.get("/logout");
      assertEquals(await browser.get("/show"), `ann ${n}`);
      assertEquals((await server.records()).size, SAVED.length + 1);
    }
  });

  Deno.test(`${medium}: commitWhen decides, and commit() does not ask it`, async () => {
    const seen: number[] = [];
    const commits: Route = async (session) => {
      session.set("n", 7);
      const headers = new Headers();
      await server.manager.commit(session, headers);
      return new Response(null, { status: 503, headers });
    };
    await using server = await serve(
      medium,
      { ...ROUTES, "/commit": commits },
      {
        commitWhen: ({ status }) => {
          seen.push(status);
          return status === 503;
        },
      },
    );
    const browser = new Browser(server);
    assertEquals((await server.get("/return/200")).headers.getSetCookie(), []);
    await browser.get("/return/503");
    assertEquals(await browser.get("/show"), "null 1");
    assertEquals(seen, [200, 503, 200]);
    const other = new Browser(server);
    await other.get("/commit");
    assertEquals(await other.get("/show"), "null 7");
  });

  Deno.test(`${medium}: a handler that answers with no Response, or a used one, saves nothing`, async () => {
    const used = new Response("x");
    await used.text();
    const wrong: [answer: unknown, problem: string][] = [
      [undefined, "did not return a Response"],
      [null, "did not return a Response"],
      ["text", "did not return a Response"],
      [{ status: 200 }, "did not return a Response"],
      [used, "was already read"],
    ];
    for (const [answer, problem] of wrong) {
      await using server = await serve(medium, {
        "/": (session) => {
          session.set("n", 1);
          return answer as Response;
        },
      });
      const response = await server.get("/");
      assertEquals([response.status, await response.text()], [500, "failed"]);
      assertEquals(response.headers.getSetCookie(), []);
      assertEquals((await server.records()).size, 0);
      await assertRejects(
        () =>
          server.manager.run(
            new Request("http://a/"),
            () => answer as Response,
          ),
        TypeError,
        problem,
      );
    }
  });
}

for (const medium of STORES) {
  Deno.test(`${medium}: a handler that changes the cookie and whose answer something else is reading saves nothing`, async () => {
    const locked = () => {
      const response = new Response("x");
      response.body!.getReader();
      return response;
    };
    await using server = await serve(medium, {
      "/begin": (session) => {
        session.set("cart", ["tea"]);
        return new Response();
      },
      "/login": (session) => {
        session.setUser("ann");
        return locked();
      },
      "/regenerate": (session) => {
        session.regenerate();
        return locked();
      },
      "/lifetime": (session) => {
        session.setLifetime({ idleTimeout: 60_000 });
        return locked();
      },
      "/destroy": (session) => {
        session.destroy();
        return locked();
      },
      "/new": (session) => {
        session.set("n", 1);
        return locked();
      },
    });
    const browser = new Browser(server);
    await browser.get("/begin");
    const records = await server.records();
    const other = new Browser(server);
    for (
      const path of ["/login", "/regenerate", "/lifetime", "/destroy", "/new"]
    ) {
      const visitor = path === "/new" ? other : browser;
      const { cookie } = visitor;
      assertEquals(await visitor.get(path), "failed");
      assertStringIncludes(server.errors.at(-1)!.message, "is locked");
      assertEquals(visitor.cookie, cookie);
      assertEquals(await server.records(), records);
    }
  });
}

Deno.test("run() does not ask for the body of an answer that carries no cookie", async () => {
  // To ask makes a stream of it, which Deno sends several times as slowly.
  class Watched extends Response {
    override get body(): null {
      throw new Error("It was asked for.");
    }
  }
  const { manager, begin } = setUp();
  const { cookie } = await begin({ n: 1, cart: ["tea"] });
  const headers = { cookie };
  const response = await manager.run(
    new Request("http://a/", { headers }),
    (session) => {
      session.get("cart");
      session.set("n", 2);
      session.flash("hi", 1);
      return new Watched("x");
    },
  );
  assertEquals(await response.text(), "x");
});

Deno.test("Response.error() saves nothing", async () => {
  const { manager, store } = setUp();
  const response = await manager.run(new Request("http://a/"), (session) => {
    session.set("n", 1);
    return Response.error();
  });
  assertEquals([response.type, store.takeCalls()], ["error", []]);
});

Deno.test("a Response of another class is an answer, returned or thrown", async () => {
  class OwnResponse {
    readonly status = 201;
    readonly statusText = "";
    readonly headers = new Headers();
    readonly body = null;
    readonly bodyUsed = false;
    readonly type = "default";
  }
  for (const isThrown of [false, true]) {
    const { manager } = setUp();
    const { status, headers } = await manager.run(
      new Request("http://a/"),
      (session) => {
        session.set("n", 1);
        const answer = new OwnResponse() as unknown as Response;
        if (isThrown) throw answer;
        return answer;
      },
    );
    assertEquals([status, headers.getSetCookie().length], [201, 1]);
  }
});

Deno.test("commitWhen is a function, and what it throws saves nothing", async () => {
  assertThrows(
    () => setUp({ commitWhen: 500 as unknown as () => boolean }),
    TypeError,
    "commitWhen",
  );
  const { manager, store } = setUp({
    commitWhen: () => {
      throw new RangeError("no");
    },
  });
  await assertRejects(
    () =>
      manager.run(new Request("http://a/"), (session) => {
        session.set("n", 1);
        return new Response();
      }),
    RangeError,
  );
  assertEquals(store.takeCalls(), []);
});
