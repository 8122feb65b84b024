/** The routes of the scenario for h3, also for the one that is in Nitro. */

import type { H3, H3Event } from "npm:h3@2.0.8";
import type * as h3 from "npm:h3@2.0.8";
import { isCrossOrigin, type SessionManager } from "@latchkey/session";
import {
  describe,
  makeStream,
  RefusedError,
  releaseStream,
  visit,
  type VisitSession,
} from "./parts.ts";

/**
 * Adds the routes to an application.
 *
 * @param h3 The package.
 * @param sessions The manager.
 */
export function addRoutes(
  app: H3,
  { HTTPError, redirect, setCookie }: Pick<
    typeof h3,
    "HTTPError" | "redirect" | "setCookie"
  >,
  sessions: SessionManager<{ visits: number }>,
): void {
  const sessionOf = ({ req }: H3Event): VisitSession => sessions.of(req)!;
  app.config.onError = (error, event) => {
    if (!(error.cause instanceof RefusedError)) return;
    // What is answered to an error is the application's to say; so is this.
    sessionOf(event).discard();
    return new Response("refused", { status: 400 });
  };
  app.config.silent = true;
  app.use((event) => {
    if (isCrossOrigin(event.req)) throw new HTTPError({ status: 403 });
  });
  app.use("/twice", async (event, next) => {
    return await sessions.run(event.req, async () => await next() as Response);
  });
  app.get("/", (event) => describe(sessionOf(event)));
  // The h3 that is in Nitro 3.0 answers HEAD only where it is asked to.
  app.head("/", (event) => describe(sessionOf(event)));
  app.get("/public", () => "public");
  app.get(
    "/twice",
    (event) => new Response(`Visit ${visit(sessionOf(event))}`),
  );
  app.post("/login", (event) => {
    sessionOf(event).setUser("ann");
    setCookie(event, "theme", "dark");
    return redirect("/", 303);
  });
  app.post("/redirect", (event) => {
    visit(sessionOf(event));
    return Response.redirect(new URL("/", event.url), 303);
  });
  app.post("/note", (event) => {
    sessionOf(event).flash("notice", "Saved");
    return redirect("/", 303);
  });
  app.post("/logout", (event) => {
    sessionOf(event).destroy();
    return redirect("/", 303);
  });
  app.post("/throw", (event) => {
    visit(sessionOf(event));
    throw new Error("planned");
  });
  app.post("/fail", (event) => {
    visit(sessionOf(event));
    return new Response("failed", { status: 500 });
  });
  app.post("/refuse", (event) => {
    visit(sessionOf(event));
    throw new RefusedError();
  });
  app.post("/forbid", (event) => {
    sessionOf(event).flash("notice", "Forbidden");
    throw new HTTPError({ status: 403 });
  });
  app.post("/revoke", async (event) => {
    sessionOf(event).setUser("eve");
    await sessions.revokeUser("eve");
    setCookie(event, "theme", "dark");
    return redirect("/", 303);
  });
  app.get("/stream", (event) => {
    visit(sessionOf(event));
    return makeStream(event.url.search);
  });
  app.post("/release", (event) => {
    releaseStream(event.url.search);
    return "released";
  });
  app.get("/socket", (event) => {
    visit(sessionOf(event));
    const text = describe(sessionOf(event));
    const { socket, response } = Deno.upgradeWebSocket(event.req as Request);
    socket.onopen = () => socket.send(text);
    return response;
  });
}
