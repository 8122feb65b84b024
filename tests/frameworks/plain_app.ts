/** The application of the scenario without a framework. */

import { isCrossOrigin, type SessionManager } from "../../mod.ts";
import {
  describe,
  makeStream,
  RefusedError,
  releaseStream,
  visit,
  type VisitSession,
} from "./parts.ts";

type Route = (
  session: VisitSession,
  url: URL,
  request: Request,
) => Response | Promise<Response>;

const redirect = (cookie?: string) =>
  new Response(null, {
    status: 303,
    headers: {
      location: "/",
      ...(cookie === undefined ? {} : { "set-cookie": cookie }),
    },
  });

/**
 * Makes the handler of all routes.
 *
 * @param sessions The manager.
 * @param release Lets a stream go on, here or in another thread.
 */
export function makePlainApp(
  sessions: SessionManager<{ visits: number }>,
  release: (name: string) => void = releaseStream,
): (request: Request) => Promise<Response> {
  const routes: Readonly<Record<string, Route>> = {
    "GET /": (session) => new Response(describe(session)),
    "GET /public": () => new Response("public"),
    "GET /visit": (session) => new Response(`Visit ${visit(session)}`),
    "GET /twice": (_session, _url, request) =>
      sessions.run(
        request,
        (session) => new Response(`Visit ${visit(session)}`),
      ),
    "POST /login": (session) => {
      session.setUser("ann");
      return redirect("theme=dark; Path=/");
    },
    "POST /redirect": (session, url) => {
      visit(session);
      return Response.redirect(new URL("/", url), 303);
    },
    "POST /note": (session) => {
      session.flash("notice", "Saved");
      return redirect();
    },
    "POST /logout": (session) => {
      session.destroy();
      return redirect();
    },
    "POST /throw": (session) => {
      visit(session);
      throw new Error("planned");
    },
    "POST /fail": (session) => {
      visit(session);
      return new Response("failed", { status: 500 });
    },
    "POST /refuse": (session) => {
      visit(session);
      throw new RefusedError();
    },
    "POST /forbid": (session) => {
      session.flash("notice", "Forbidden");
      throw new Response("forbidden", { status: 403 });
    },
    "POST /revoke": async (session) => {
      session.setUser("eve");
      await sessions.revokeUser("eve");
      return redirect("theme=dark; Path=/");
    },
    "GET /stream": (session, { search }) => {
      visit(session);
      return new Response(makeStream(search));
    },
    "POST /release": (_session, { search }) => {
      release(search);
      return new Response("released");
    },
    "GET /socket": (session, _url, request) => {
      visit(session);
      const text = describe(session);
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onopen = () => socket.send(text);
      return response;
    },
  };
  const answer = (request: Request) =>
    sessions.run(request, (session) => {
      const url = new URL(request.url);
      const method = request.method === "HEAD" ? "GET" : request.method;
      const route = routes[`${method} ${url.pathname}`];
      if (route === undefined) return new Response(null, { status: 404 });
      return route(session, url, request);
    });
  return async (request) => {
    if (isCrossOrigin(request)) return new Response(null, { status: 403 });
    try {
      return await answer(request);
    } catch (error) {
      const status = error instanceof RefusedError ? 400 : 500;
      return new Response("failed", { status });
    }
  };
}
