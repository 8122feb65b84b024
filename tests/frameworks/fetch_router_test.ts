import {
  createRouter,
  type Middleware,
  type RequestContext,
} from "npm:@remix-run/fetch-router@0.20.1";
import { isCrossOrigin } from "../../mod.ts";
import { app } from "./examples/fetch_router.ts";
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

const sessionOf = (
  { request }: Pick<RequestContext, "request">,
): VisitSession => sessions.of(request)!;

const redirect = (cookie?: string) =>
  new Response(null, {
    status: 303,
    headers: {
      location: "/",
      ...(cookie === undefined ? {} : { "set-cookie": cookie }),
    },
  });

const withSession: Middleware = ({ request }, next) =>
  sessions.run(request, next);

app.get("/", (context) => new Response(describe(sessionOf(context))));
app.head("/", (context) => new Response(describe(sessionOf(context))));
app.head("/visit", (context) => new Response(`${visit(sessionOf(context))}`));
app.get("/public", () => new Response("public"));
app.get("/twice", {
  middleware: [withSession],
  handler: (context) => new Response(`Visit ${visit(sessionOf(context))}`),
});
app.post("/login", (context) => {
  sessionOf(context).setUser("ann");
  return redirect("theme=dark; Path=/");
});
app.post("/redirect", (context) => {
  visit(sessionOf(context));
  return Response.redirect(new URL("/", context.url), 303);
});
app.post("/note", (context) => {
  sessionOf(context).flash("notice", "Saved");
  return redirect();
});
app.post("/logout", (context) => {
  sessionOf(context).destroy();
  return redirect();
});
app.post("/throw", (context) => {
  visit(sessionOf(context));
  throw new Error("planned");
});
app.post("/fail", (context) => {
  visit(sessionOf(context));
  return new Response("failed", { status: 500 });
});
app.post("/refuse", (context) => {
  visit(sessionOf(context));
  throw new RefusedError();
});
app.post("/forbid", (context) => {
  sessionOf(context).flash("notice", "Forbidden");
  throw new Response("forbidden", { status: 403 });
});
app.post("/revoke", async (context) => {
  await beginRevokedLogin(sessionOf(context));
  return redirect("theme=dark; Path=/");
});
app.get("/stream", (context) => {
  visit(sessionOf(context));
  return new Response(makeStream(context.url.search));
});
app.post("/release", ({ url }) => {
  releaseStream(url.search);
  return new Response("released");
});
// A router takes no middleware later: this one is around it.
const outer = createRouter({
  middleware: [
    async ({ request }, next) => {
      if (isCrossOrigin(request)) return new Response(null, { status: 403 });
      try {
        return await next();
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        return new Response("refused", { status: 400 });
      }
    },
  ],
  defaultHandler: ({ request }) => app.fetch(request),
});

testFramework("fetch-router 0.20", {
  // An upgrade aborts the signal of its request, and the router then gives up.
  lacks: ["socket"],
  start: () => serveHandler((request) => outer.fetch(request)),
});

/** For the compiler only. */
export function checkTypes(): void {
  app.get("/", ({ request }) => {
    const session = sessions.of(request)!;
    const isSame: IsSame<typeof session, VisitSession> = true;
    // @ts-expect-error: there is no such key
    session.get("cart");
    return new Response(`${isSame}`);
  });
}
