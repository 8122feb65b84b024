/** The scenario in React Router: with the middleware, and with a storage. */

import {
  data,
  type LoaderFunctionArgs,
  type MiddlewareFunction,
  redirect,
} from "npm:react-router@8.5.3";
import {
  isCrossOrigin,
  reactRouterSessions,
  reactRouterSessionStorage,
} from "../../mod.ts";
import * as example from "./examples/react_router.ts";
import { sessions } from "./examples/sessions.ts";
import {
  beginRevokedLogin,
  describe,
  makeStream,
  releaseStream,
  visit,
  type VisitSession,
} from "./parts.ts";
import {
  makeReactRouterApp,
  type RouteModule,
  VERSIONS,
} from "./react_router_app.ts";
import { serveHandler, testFramework } from "./scenario.ts";

/** What a loader or an action does with the session. */
type Handle = (
  session: VisitSession,
  request: Request,
) => Response | Promise<Response>;

/** Makes a loader or an action of it. */
type MakeLoader = (
  handle: Handle,
) => (args: LoaderFunctionArgs) => Promise<Response>;

const THEME = { "set-cookie": "theme=dark; Path=/" };

function makeRoutes(load: MakeLoader): Record<string, RouteModule> {
  return {
    "/": { loader: load((session) => new Response(describe(session))) },
    "/public": { loader: () => new Response("public") },
    "/visit": {
      loader: load((session) => new Response(`Visit ${visit(session)}`)),
    },
    "/login": {
      action: load((session) => {
        session.setUser("ann");
        return redirect("/", { status: 303, headers: THEME });
      }),
    },
    "/redirect": {
      action: load((session, { url }) => {
        visit(session);
        return Response.redirect(new URL("/", url), 303);
      }),
    },
    "/note": {
      action: load((session) => {
        session.flash("notice", "Saved");
        return redirect("/", 303);
      }),
    },
    "/logout": {
      action: load((session) => {
        session.destroy();
        return redirect("/", 303);
      }),
    },
    "/throw": {
      action: load((session) => {
        visit(session);
        throw new Error("planned");
      }),
    },
    "/fail": {
      action: load((session) => {
        visit(session);
        return new Response("failed", { status: 500 });
      }),
    },
    "/forbid": {
      action: load((session) => {
        session.flash("notice", "Forbidden");
        throw data("forbidden", { status: 403 });
      }),
    },
    "/revoke": {
      action: load(async (session) => {
        await beginRevokedLogin(session);
        return redirect("/", { status: 303, headers: THEME });
      }),
    },
    "/stream": {
      loader: load((session, { url }) => {
        visit(session);
        return new Response(makeStream(new URL(url).search));
      }),
    },
    "/release": {
      action: ({ request }) => {
        releaseStream(new URL(request.url).search);
        return new Response("released");
      },
    },
  };
}

const refuseCrossOrigin: MiddlewareFunction<Response> = ({ request }) =>
  isCrossOrigin(request) ? new Response(null, { status: 403 }) : undefined;

for (const version of Object.keys(VERSIONS)) {
  testFramework(`React Router ${version}`, {
    // Its middleware gets a response in the place of an error, and an upgrade
    // aborts the signal of its request, which then ends with an error.
    lacks: ["handled error", "socket"],
    start() {
      const session = reactRouterSessions(sessions);
      const load: MakeLoader = (handle) => async ({ context, request }) =>
        await handle(context.get(session.context), request);
      const routes = makeRoutes(load);
      routes["/twice"] = { ...routes["/visit"]!, middleware: [session] };
      routes["/visit"] = example;
      const middleware = [refuseCrossOrigin, ...example.middleware, session];
      return serveHandler(makeReactRouterApp(version, middleware, routes));
    },
  });

  testFramework(`React Router ${version} with a session storage`, {
    // An application commits where it answers, and nowhere else.
    lacks: ["handled error", "thrown answer", "socket"],
    start() {
      const { getSession, commitSession } = reactRouterSessionStorage(sessions);
      const load: MakeLoader = (handle) => async ({ request }) => {
        const session = await getSession(request.headers.get("cookie"));
        const response = await handle(session.session, request);
        if (response.status >= 500) return response;
        const { status, headers, body } = response;
        const cookie = await commitSession(session);
        const copy = new Response(body, { status, headers });
        copy.headers.set("vary", "Cookie");
        if (cookie !== "") {
          copy.headers.append("set-cookie", cookie);
          copy.headers.set("cache-control", "no-store");
        }
        return copy;
      };
      const routes = makeRoutes(load);
      routes["/twice"] = routes["/visit"]!;
      const middleware = [refuseCrossOrigin];
      return serveHandler(makeReactRouterApp(version, middleware, routes));
    },
  });
}
