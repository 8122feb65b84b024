import { Application, Router } from "npm:@oakserver/oak@14.1.0";
import { isCrossOrigin, oakSessions, SessionRevokedError } from "../../mod.ts";
import { app } from "./examples/oak.ts";
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

type State = { session: VisitSession };

const router = new Router<State>();
router.get("/", (ctx) => {
  ctx.response.body = describe(ctx.state.session);
});
router.get("/public", (ctx) => {
  ctx.response.body = "public";
});
router.get("/twice", oakSessions(sessions), (ctx) => {
  ctx.response.body = `Visit ${visit(ctx.state.session)}`;
});
router.post("/login", async (ctx) => {
  ctx.state.session.setUser("ann");
  await ctx.cookies.set("theme", "dark", { httpOnly: false });
  ctx.response.redirect("/");
  ctx.response.status = 303;
});
router.post("/note", (ctx) => {
  ctx.state.session.flash("notice", "Saved");
  ctx.response.redirect("/");
  ctx.response.status = 303;
});
router.post("/logout", (ctx) => {
  ctx.state.session.destroy();
  ctx.response.redirect("/");
  ctx.response.status = 303;
});
router.post("/throw", (ctx) => {
  visit(ctx.state.session);
  throw new Error("planned");
});
router.post("/fail", (ctx) => {
  visit(ctx.state.session);
  ctx.response.status = 500;
});
router.post("/refuse", (ctx) => {
  visit(ctx.state.session);
  throw new RefusedError();
});
router.post("/forbid", (ctx) => {
  ctx.state.session.flash("notice", "Forbidden");
  ctx.throw(403);
});
router.post("/revoke", async (ctx) => {
  await beginRevokedLogin(ctx.state.session);
  await ctx.cookies.set("theme", "dark");
  ctx.response.redirect("/");
});
router.get("/stream", (ctx) => {
  visit(ctx.state.session);
  ctx.response.body = makeStream(ctx.request.url.search);
});
router.post("/release", (ctx) => {
  releaseStream(ctx.request.url.search);
  ctx.response.body = "released";
});
app.use(router.routes());
app.addEventListener("error", ({ context, error }) => {
  if (context === undefined) return;
  if (error instanceof RefusedError) context.response.status = 400;
  if (error instanceof SessionRevokedError) context.response.status = 401;
});

// The package takes Deno for Node, where it sends one cookie only.
const start = () =>
  serveHandler(async (request) => {
    if (isCrossOrigin(request)) return new Response("no", { status: 403 });
    const answer = await app.handle(request as never);
    const { body, status, headers } = answer!;
    return new Response(body as never, { status, headers: [...headers] });
  });

testFramework("Oak 14", { start, lacks: ["immutable redirect", "socket"] });

/** For the compiler only. */
export function checkTypes(): void {
  const app = new Application<State>();
  app.use(oakSessions(sessions));
  app.use((ctx) => {
    const { session } = ctx.state;
    const isSame: IsSame<typeof session, VisitSession> = true;
    const visits: number | undefined = session.get("visits");
    // @ts-expect-error: there is no such key
    session.get("cart");
    // @ts-expect-error: it is a number
    session.set("visits", "1");
    ctx.response.body = { isSame, visits };
  });
}
