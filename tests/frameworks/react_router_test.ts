/** The middleware in React Router, over real sockets. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type * as version7 from "npm:react-router@7.18.6";
import type * as oldest from "npm:react-router@7.9.0";
import * as version8 from "npm:react-router@8.5.3";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { reactRouterSessions } from "../../src/frameworks/react_router.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import {
  makeReactRouterApp,
  type RouteModule,
  VERSIONS,
} from "./react_router_app.ts";
import { serveHandler } from "./scenario.ts";

interface Data {
  visits: number;
  text: string;
}

const MAX_BYTES = 1000;

/** Serves routes behind the middleware, until it is disposed. */
function serve(
  version: string,
  makeRoutes: (
    sessionIn: (args: version8.LoaderFunctionArgs) => Session<Data>,
  ) => Record<string, RouteModule>,
) {
  const store = new MemorySessionStore();
  const sessions = new SessionManager<Data>({ store, maxBytes: MAX_BYTES });
  const middleware = reactRouterSessions(sessions);
  const server = serveHandler(makeReactRouterApp(
    version,
    [middleware],
    makeRoutes(({ context }) => context.get(middleware.context)),
  ));
  return {
    async ask(path: string, init?: RequestInit) {
      const response = await fetch(
        `${server.url}${path}`,
        { ...init, redirect: "manual" },
      );
      const cookies = response.headers.getSetCookie();
      return { response, text: await response.text(), cookies };
    },
    has: async (cookie: string) =>
      await sessions.hasSession(cookie.slice("latchkey=".length).slice(0, 32)),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

for (const version of Object.keys(VERSIONS)) {
  const name = (sentence: string) => `React Router ${version}: ${sentence}`;

  Deno.test(
    name("a page, its data and a resource each commit the session"),
    async () => {
      await using server = serve(version, (sessionIn) => {
        const visit = (args: version8.LoaderFunctionArgs) => ({
          visits: sessionIn(args).update("visits", (visits = 0) => visits + 1),
        });
        return {
          "/page": { loader: visit, default: () => "the page" },
          "/resource": { loader: (args) => Response.json(visit(args)) },
        };
      });
      const page = await server.ask("/page");
      assertStringIncludes(page.text, "the page");
      const [cookie = ""] = page.cookies;
      assert(await server.has(cookie));
      const headers = { cookie: cookie.split(";", 1)[0]! };
      const data = await server.ask("/page.data", { headers });
      assertStringIncludes(data.text, '"visits",2');
      const resource = await server.ask("/resource", { headers });
      assertEquals(JSON.parse(resource.text), { visits: 3 });
      assertEquals([data.cookies, resource.cookies], [[], []]);
    },
  );

  Deno.test(
    name("a redirect that is thrown commits the session, also as data"),
    async () => {
      await using server = serve(version, (sessionIn) => ({
        "/away": {
          default: () => "never",
          loader: (args) => {
            sessionIn(args).set("visits", 1);
            throw version8.redirect("/page");
          },
        },
      }));
      for (const [path, status] of [["/away", 302], ["/away.data", 202]]) {
        const { response, cookies } = await server.ask(`${path}`);
        assertEquals(response.status, status);
        assert(await server.has(cookies[0]!));
      }
    },
  );

  Deno.test(
    name("a page that fails saves nothing, and one that is forbidden does"),
    async () => {
      await using server = serve(version, (sessionIn) => ({
        "/fails": {
          default: () => "never",
          loader: (args) => {
            sessionIn(args).set("visits", 1);
            throw new Error("a bug");
          },
        },
        "/renders": {
          default: () => {
            throw new Error("a bug");
          },
          loader: (args) => {
            sessionIn(args).set("visits", 1);
            return null;
          },
        },
        "/forbids": {
          default: () => "never",
          loader: (args) => {
            sessionIn(args).set("visits", 1);
            throw version8.data("forbidden", { status: 403 });
          },
        },
      }));
      for (
        const [path, status, count] of [
          ["/fails", 500, 0],
          ["/fails.data", 500, 0],
          ["/renders", 500, 0],
          ["/forbids", 403, 1],
          ["/forbids.data", 403, 1],
        ] as const
      ) {
        const { response, cookies } = await server.ask(path);
        assertEquals([response.status, cookies.length], [status, count], path);
      }
    },
  );

  Deno.test(name("a commit that fails is an error of the page"), async () => {
    await using server = serve(version, (sessionIn) => ({
      "/fills": {
        default: () => "the page",
        loader: (args) => {
          sessionIn(args).set("text", "x".repeat(MAX_BYTES));
          return null;
        },
      },
    }));
    const { response, text, cookies } = await server.ask("/fills");
    assertEquals([response.status, cookies], [500, []]);
    assertStringIncludes(text, "error boundary");
  });
}

Deno.test("reactRouterSessions() is a middleware for the types of React Router 7 and 8", () => {
  const sessions = new SessionManager<Data>({
    store: new MemorySessionStore(),
  });
  const session = reactRouterSessions(sessions);
  [session] satisfies version8.MiddlewareFunction<Response>[];
  [session] satisfies version8.MiddlewareFunction[];
  [session] satisfies version7.MiddlewareFunction<Response>[];
  [session] satisfies oldest.MiddlewareFunction<Response>[];

  const loaders = [
    ({ context }: version8.LoaderFunctionArgs) => context.get(session.context),
    (
      { context }: version7.LoaderFunctionArgs<version7.RouterContextProvider>,
    ) => context.get(session.context),
  ];
  for (const loader of loaders) {
    loader satisfies (args: never) => Session<Data>;
    const use = (args: never) => {
      loader(args).get("visits") satisfies number | undefined;
      // @ts-expect-error: it is not any
      loader(args).get("visits") satisfies string | undefined;
      // @ts-expect-error: there is no such key
      loader(args).get("visit");
    };
    assert(use);
  }
});
