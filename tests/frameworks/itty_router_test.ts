import { error, Router, StatusError, text } from "npm:itty-router@5.0.24";
import { isCrossOrigin } from "../../mod.ts";
import { app as counter, handler } from "./examples/itty_router.ts";
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

const redirect = (cookie?: string) =>
  new Response(null, {
    status: 303,
    headers: {
      location: "/",
      ...(cookie === undefined ? {} : { "set-cookie": cookie }),
    },
  });

const app = Router<Request, [session: VisitSession]>({
  before: [(request) => {
    if (isCrossOrigin(request)) return error(403);
  }],
  catch: (thrown, _request, session) => {
    if (!(thrown instanceof RefusedError)) return error(thrown);
    // What is answered to an error is the application's to say; so is this.
    session.discard();
    return error(400);
  },
});
app.get("/", (_request, session) => text(describe(session)));
app.head("/", (_request, session) => text(describe(session)));
app.head("/visit", (_request, session) => text(`Visit ${visit(session)}`));
app.get("/public", () => text("public"));
app.get("/twice", (_request, session) => text(`Visit ${visit(session)}`));
app.post("/login", (_request, session) => {
  session.setUser("ann");
  return redirect("theme=dark; Path=/");
});
app.post("/redirect", ({ url }, session) => {
  visit(session);
  return Response.redirect(new URL("/", url), 303);
});
app.post("/note", (_request, session) => {
  session.flash("notice", "Saved");
  return redirect();
});
app.post("/logout", (_request, session) => {
  session.destroy();
  return redirect();
});
app.post("/throw", (_request, session) => {
  visit(session);
  throw new Error("planned");
});
app.post("/fail", (_request, session) => {
  visit(session);
  return error(500);
});
app.post("/refuse", (_request, session) => {
  visit(session);
  throw new RefusedError();
});
app.post("/forbid", (_request, session) => {
  session.flash("notice", "Forbidden");
  throw new StatusError(403);
});
app.post("/revoke", async (_request, session) => {
  await beginRevokedLogin(session);
  return redirect("theme=dark; Path=/");
});
app.get("/stream", ({ url }, session) => {
  visit(session);
  return new Response(makeStream(new URL(url).search));
});
app.post("/release", ({ url }) => {
  releaseStream(new URL(url).search);
  return text("released");
});
app.get("/socket", (request, session) => {
  visit(session);
  const description = describe(session);
  const { socket, response } = Deno.upgradeWebSocket(
    request,
  );
  socket.onopen = () => socket.send(description);
  return response;
});

app.all("*", handler);

const handle = (request: Request): Promise<Response> =>
  sessions.run(request, (session) => app.fetch(request, session));

testFramework("itty-router 5", {
  start: () =>
    serveHandler((request) =>
      request.url.endsWith("/twice")
        ? sessions.run(request, () => handle(request))
        : handle(request)
    ),
});

/** For the compiler only. */
export function checkTypes(): void {
  counter.get("/", (_request, session) => {
    const isSame: IsSame<typeof session, VisitSession> = true;
    // @ts-expect-error: there is no such key
    session.get("cart");
    return isSame;
  });
}
