import { type H3Event, HTTPError, redirect, setCookie } from "npm:h3@2.0.8";
import { isCrossOrigin } from "../../mod.ts";
import { app, handler } from "./examples/h3.ts";
import { sessions } from "./examples/sessions.ts";
import {
  beginRevokedLogin,
  describe,
  type IsSame,
  makeStream,
  RefusedError,
  releaseStream,
  visit,
  type VisitSession,
} from "./parts.ts";
import { serveHandler, testFramework } from "./scenario.ts";

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
  await beginRevokedLogin(sessionOf(event));
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

testFramework("h3 2", { start: () => serveHandler(handler) });

/** For the compiler only. */
export function checkTypes(): void {
  app.get("/", ({ req }) => {
    const session = sessions.of(req)!;
    const isSame: IsSame<typeof session, VisitSession> = true;
    // @ts-expect-error: there is no such key
    session.get("cart");
    return String(isSame);
  });
}
