/** The routes of the scenario for SvelteKit, by method and path. */

// The version for packages that would take the newest one.
import type {} from "npm:vite@8.3.8";
import type * as kit from "npm:@sveltejs/kit@3.2.0";
import type { SessionManager } from "@latchkey/session";
import {
  describe,
  makeStream,
  releaseStream,
  visit,
  type VisitSession,
} from "./parts.ts";

/** What a route gets of a request. */
type Event = Pick<kit.RequestEvent, "cookies" | "request" | "url"> & {
  readonly locals: { readonly session: VisitSession };
};

/** Makes the routes. */
export function makeRoutes(
  { error, redirect, text }: Pick<typeof kit, "error" | "redirect" | "text">,
  sessions: SessionManager<{ visits: number }>,
): Record<string, (event: Event) => Response | Promise<Response>> {
  const setTheme = ({ cookies }: Event) =>
    cookies.set("theme", "dark", {
      path: "/",
      httpOnly: false,
      secure: false,
      sameSite: false,
    });
  return {
    "GET /": ({ locals }) => text(describe(locals.session)),
    "GET /public": () => text("public"),
    "GET /twice": ({ locals, request }) =>
      sessions.run(request, () => text(`Visit ${visit(locals.session)}`)),
    "POST /login": (event) => {
      event.locals.session.setUser("ann");
      setTheme(event);
      return redirect(303, "/");
    },
    "POST /redirect": ({ locals, url }) => {
      visit(locals.session);
      return Response.redirect(new URL("/", url), 303);
    },
    "POST /note": ({ locals }) => {
      locals.session.flash("notice", "Saved");
      return redirect(303, "/");
    },
    "POST /logout": ({ locals }) => {
      locals.session.destroy();
      return redirect(303, "/");
    },
    "POST /throw": ({ locals }) => {
      visit(locals.session);
      throw new Error("planned");
    },
    "POST /fail": ({ locals }) => {
      visit(locals.session);
      return text("failed", { status: 500 });
    },
    "POST /forbid": ({ locals }) => {
      locals.session.flash("notice", "Forbidden");
      return error(403);
    },
    "POST /revoke": async (event) => {
      event.locals.session.setUser("eve");
      await sessions.revokeUser("eve");
      setTheme(event);
      return redirect(303, "/");
    },
    "GET /stream": ({ locals, url }) => {
      visit(locals.session);
      return new Response(makeStream(url.search));
    },
    "POST /release": ({ url }) => {
      releaseStream(url.search);
      return text("released");
    },
    "GET /socket": ({ locals, request }) => {
      visit(locals.session);
      const description = describe(locals.session);
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onopen = () => socket.send(description);
      return response;
    },
  };
}
