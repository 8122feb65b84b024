/** Sessions that are bound to a device, in each framework that has an adapter. */

// @ts-types="npm:@types/express@5.0.6"
import express from "npm:express@5.3.0";
import Fastify from "npm:fastify@5.12.8";
import { Hono } from "npm:hono@4.13.19";
import { Application as Oak } from "npm:@oakserver/oak@14.1.0";
import { assert, assertEquals } from "@std/assert";
import {
  expressSessions,
  fastifySessions,
  honoSessions,
  MemorySessionStore,
  oakSessions,
  reactRouterSessions,
  reactRouterSessionStorage,
  SessionManager,
  type SessionOf,
} from "../../mod.ts";
import { DeviceBrowser } from "../manager/device_browser.ts";
import { serveNode } from "./node_application.ts";
import type { VisitSession } from "./parts.ts";
import { makeReactRouterApp } from "./react_router_app.ts";
import { makePlainApp } from "./plain_app.ts";
import { type Application, serveHandler, testFramework } from "./scenario.ts";

const EVERY = 600_000;
const clock = { now: Date.now() };
const sessions: SessionManager<{ visits: number }> = new SessionManager({
  store: new MemorySessionStore({ now: () => clock.now }),
  now: () => clock.now,
  idleTimeout: 24 * 60 * 60_000,
  trustProxy: true,
  deviceBound: {},
});

declare global {
  namespace Express {
    interface Request {
      session: SessionOf<typeof sessions>;
    }
  }
}

declare module "npm:fastify@5.12.8" {
  interface FastifyRequest {
    session: SessionOf<typeof sessions>;
  }
}

/** What each page does and answers: the path `/login` signs in. */
function act(session: VisitSession, path: string): string {
  if (path === "/login") session.setUser("ann");
  return session.user ?? "nobody";
}

const FRAMEWORKS: Readonly<
  Record<string, () => Application | Promise<Application>>
> = {
  express: () => {
    const app = express();
    app.use(expressSessions(sessions));
    app.use((request, response) => {
      response.send(act(request.session, request.path));
    });
    return serveNode(app);
  },
  "express, mounted": () => {
    const app = express();
    app.use("/", express.Router().use("/", expressSessions(sessions)));
    app.use("/device-session", expressSessions(sessions));
    app.use((request, response) => {
      response.send(act(request.session, request.path));
    });
    return serveNode(app);
  },
  fastify: async () => {
    const app = Fastify();
    app.register(fastifySessions(sessions));
    app.get("/*", (request) => act(request.session, request.url));
    await app.ready();
    return serveNode(app.routing);
  },
  hono: () => {
    const app = new Hono<{ Variables: { session: VisitSession } }>();
    app.use(honoSessions(sessions));
    app.get("*", (c) => c.text(act(c.var.session, c.req.path)));
    return serveHandler(app.fetch);
  },
  oak: () => {
    const app = new Oak<{ session: VisitSession }>();
    app.use(oakSessions(sessions));
    app.use((ctx) => {
      const { pathname } = ctx.request.url;
      ctx.response.body = act(ctx.state.session, pathname);
    });
    return serveHandler(async (request) => {
      const answer = await app.handle(request as never);
      const { body, status, headers } = answer!;
      return new Response(body as never, { status, headers: [...headers] });
    });
  },
  ...Object.fromEntries(
    ["7.18.6", "8.5.3"].map((version) => [
      `react router ${version}`,
      () => {
        const middleware = reactRouterSessions(sessions);
        const page = (path: string) => ({
          loader: ({ context }: { context: unknown }) => {
            const get = (context as { get(key: unknown): VisitSession }).get;
            const session = Reflect.apply(get, context, [middleware.context]);
            return new Response(act(session, path));
          },
        });
        return serveHandler(
          makeReactRouterApp(version, [middleware as never], {
            "/": page("/"),
            "/login": page("/login"),
            // An unknown path is answered without a middleware.
            "/device-session/:id?": { action: () => null },
          }),
        );
      },
    ]),
  ),
};

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  Deno.test(`${name}: a login binds the session, and a proof renews its cookie`, async () => {
    await using server = await start();
    // The proxy in front of it speaks https to the browser.
    const browser = new DeviceBrowser((request) => {
      const { pathname } = new URL(request.url);
      const headers = new Headers(request.headers);
      headers.set("x-forwarded-proto", "https");
      const { method } = request;
      return fetch(`${server.url}${pathname}`, { method, headers });
    }, () => clock.now);
    assertEquals(await (await browser.visit("/login")).text(), "ann");
    assert(browser.session !== undefined, browser.trace.join());
    const { refreshUrl } = browser.session;
    for (let times = 0; times < 2; times++) {
      clock.now += EVERY;
      assertEquals(await (await browser.visit("/")).text(), "ann");
    }
    const { challenge } = browser.session;
    assert(challenge !== undefined);
    // No proof, and no such session.
    browser.session.challenge = undefined;
    const asked = await browser.prove(browser.session);
    await asked.body?.cancel();
    assertEquals([asked.status, browser.session.challenge], [403, challenge]);
    assertEquals(browser.trace.slice(0, 4), [
      "GET /login 200",
      "POST /device-session 200",
      `POST ${refreshUrl} 200`,
      "GET / 200",
    ]);
  });
}

// As a browser sees it that knows nothing of devices: it notices nothing.
testFramework("Deno, with sessions that can be bound", {
  start: () => serveOverHttps(makePlainApp(sessions)),
});

/** Serves a handler as if a proxy in front of it spoke https. */
function serveOverHttps(
  handler: (request: Request) => Promise<Response>,
): Application {
  return serveHandler((request) => {
    const { method, body } = request;
    const headers = new Headers(request.headers);
    headers.set("x-forwarded-proto", "https");
    // An upgrade works on the request of the server alone.
    return headers.has("upgrade")
      ? handler(request)
      : handler(new Request(request.url, { method, headers, body }));
  });
}

Deno.test("a storage of React Router cannot carry the offer, and the session goes on", async () => {
  const storage = reactRouterSessionStorage(sessions);
  const session = await storage.getSession(null);
  session.session.setUser("ann");
  const line = await storage.commitSession(session);
  assertEquals(line.includes("latchkey="), true);
  clock.now += 2 * EVERY;
  const next = await storage.getSession(line.split(";", 1)[0]);
  assertEquals(next.session.user, "ann");
});
