import { isCrossOrigin } from "../../mod.ts";
import { app, handler } from "./examples/elysia.ts";
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

const sessionOf = (request: Request): VisitSession => sessions.of(request)!;

/** Elysia's `redirect("/")` is one of a browser: Deno takes whole URLs only. */
const homeOf = (request: Request) => `${new URL("/", request.url)}`;

app.onRequest(({ request, status }) => {
  if (isCrossOrigin(request)) return status(403);
});
app.onError(({ error, request, status }) => {
  if (!(error instanceof RefusedError)) return;
  // What is answered to an error is the application's to say; so is this.
  sessionOf(request).discard();
  return status(400, "refused");
});
app.get("/", ({ request }) => describe(sessionOf(request)));
app.get("/public", () => "public");
app.get("/twice", ({ request }) => `Visit ${visit(sessionOf(request))}`);
app.post("/login", ({ request, cookie, redirect }) => {
  sessionOf(request).setUser("ann");
  cookie["theme"]!.set({ value: "dark", path: "/" });
  return redirect(homeOf(request), 303);
});
app.post("/redirect", ({ request }) => {
  visit(sessionOf(request));
  return Response.redirect(homeOf(request), 303);
});
app.post("/note", ({ request, redirect }) => {
  sessionOf(request).flash("notice", "Saved");
  return redirect(homeOf(request), 303);
});
app.post("/logout", ({ request, redirect }) => {
  sessionOf(request).destroy();
  return redirect(homeOf(request), 303);
});
app.post("/throw", ({ request }) => {
  visit(sessionOf(request));
  throw new Error("planned");
});
app.post("/fail", ({ request, status }) => {
  visit(sessionOf(request));
  return status(500, "failed");
});
app.post("/refuse", ({ request }) => {
  visit(sessionOf(request));
  throw new RefusedError();
});
app.post("/forbid", ({ request, status }) => {
  sessionOf(request).flash("notice", "Forbidden");
  throw status(403);
});
app.post("/revoke", async ({ request, cookie, redirect }) => {
  await beginRevokedLogin(sessionOf(request));
  cookie["theme"]!.set({ value: "dark", path: "/" });
  return redirect(homeOf(request), 303);
});
app.get("/stream", ({ request }) => {
  visit(sessionOf(request));
  return new Response(makeStream(new URL(request.url).search));
});
app.post("/release", ({ request }) => {
  releaseStream(new URL(request.url).search);
  return "released";
});
app.get("/socket", ({ request }) => {
  visit(sessionOf(request));
  const text = describe(sessionOf(request));
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onopen = () => socket.send(text);
  return response;
});

testFramework("Elysia 1", {
  start: () =>
    serveHandler((request) =>
      request.url.endsWith("/twice")
        ? sessions.run(request, () => handler(request))
        : handler(request)
    ),
});

/** For the compiler only. */
export function checkTypes(): void {
  app.get("/", ({ request }) => {
    const session = sessions.of(request)!;
    const isSame: IsSame<typeof session, VisitSession> = true;
    // @ts-expect-error: there is no such key
    session.get("cart");
    return String(isSame);
  });
}
