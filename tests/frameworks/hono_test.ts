import { assertEquals } from "@std/assert";
import { Hono } from "npm:hono@4.13.19";
import { setCookie } from "npm:hono@4.13.19/cookie";
import { upgradeWebSocket } from "npm:hono@4.13.19/deno";
import { HTTPException } from "npm:hono@4.13.19/http-exception";
import {
  honoSessions,
  isCrossOrigin,
  type SessionManager,
  SessionRevokedError,
} from "../../mod.ts";
import { app as counter } from "./examples/hono.ts";
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

type Env = { Variables: { session: VisitSession } };

const app = new Hono<Env>();
app.use(async (c, next) => {
  if (isCrossOrigin(c.req.raw)) return c.text("Forbidden", 403);
  await next();
});
app.route("/", counter);
app.use("/twice", honoSessions(sessions));
app.get("/", (c) => c.text(describe(c.get("session"))));
app.get("/public", (c) => c.text("public"));
app.get("/twice", (c) => c.text(`Visit ${visit(c.var.session)}`));
app.post("/login", (c) => {
  c.var.session.setUser("ann");
  setCookie(c, "theme", "dark");
  return c.redirect("/", 303);
});
app.post("/redirect", (c) => {
  visit(c.var.session);
  return Response.redirect(new URL("/", c.req.url), 303);
});
app.post("/note", (c) => {
  c.var.session.flash("notice", "Saved");
  return c.redirect("/", 303);
});
app.post("/logout", (c) => {
  c.var.session.destroy();
  return c.redirect("/", 303);
});
app.post("/throw", (c) => {
  visit(c.var.session);
  throw new Error("planned");
});
app.post("/fail", (c) => {
  visit(c.var.session);
  return c.text("failed", 500);
});
app.post("/refuse", (c) => {
  visit(c.var.session);
  throw new RefusedError();
});
app.post("/forbid", (c) => {
  c.var.session.flash("notice", "Forbidden");
  throw new HTTPException(403);
});
app.post("/revoke", async (c) => {
  await beginRevokedLogin(c.var.session);
  setCookie(c, "theme", "dark");
  return c.redirect("/", 303);
});
app.get("/stream", (c) => {
  visit(c.var.session);
  return c.body(makeStream(new URL(c.req.url).search));
});
app.post("/release", (c) => {
  releaseStream(new URL(c.req.url).search);
  return c.text("released");
});
app.get("/socket", (c, next) => {
  visit(c.var.session);
  const text = describe(c.var.session);
  const upgrade = upgradeWebSocket(() => ({
    onOpen: (_event, socket) => socket.send(text),
  }));
  return upgrade(c, next);
});
app.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse();
  if (error instanceof SessionRevokedError) return c.text("sign in", 401);
  return c.text("failed", error instanceof RefusedError ? 400 : 500);
});

testFramework("Hono 4", { start: () => serveHandler(app.fetch) });

Deno.test("honoSessions() keeps what an application answers by throwing a Response", async () => {
  const app = new Hono<Env>();
  app.use(honoSessions(sessions));
  app.get("/", (c) => {
    visit(c.var.session);
    throw Response.redirect("http://localhost/there", 303);
  });
  const response = await app.request("/");
  assertEquals(response.status, 303);
  assertEquals(response.headers.getSetCookie().length, 1);
});

Deno.test("honoSessions() keeps every header of the answer, once", async () => {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    c.header("x-early", "1");
    await next();
    c.header("x-late", "1");
    setCookie(c, "late", "1");
  });
  app.use(honoSessions(sessions));
  app.get("/", (c) => {
    visit(c.var.session);
    c.header("vary", "accept");
    setCookie(c, "own", "1");
    return c.json({});
  });
  const { headers } = await app.request("/");
  const names = headers.getSetCookie().map((line) => line.split("=", 1)[0]);
  assertEquals(names, ["own", "latchkey", "late"]);
  assertEquals(headers.get("vary"), "accept, Cookie");
  assertEquals([headers.get("x-early"), headers.get("x-late")], ["1", "1"]);
  assertEquals(headers.get("content-type"), "application/json");
});

Deno.test("honoSessions() leaves the answer to an error as it is", async () => {
  const app = new Hono<Env>();
  app.use(honoSessions(sessions, { isolation: "readOnly" }));
  app.get("/", (c) => {
    c.header("x-own", "1");
    throw new Error(`planned for ${c.var.session.user}`);
  });
  app.onError((error, c) => c.text(error.message, 400));
  const response = await app.request("/");
  assertEquals(response.status, 400);
  assertEquals(await response.text(), "planned for null");
  assertEquals(response.headers.get("x-own"), "1");
});

/** For the compiler only. */
export function checkTypes(other: SessionManager<{ cart: string[] }>): void {
  const app = new Hono<Env>();
  app.use(honoSessions(sessions));
  // @ts-expect-error: the sessions of the application have other keys
  app.use(honoSessions(other));
  app.get("/", (c) => {
    const session = c.get("session");
    const isSame: [
      IsSame<typeof session, VisitSession>,
      IsSame<typeof c.var.session, VisitSession>,
    ] = [true, true];
    const visits: number | undefined = c.var.session.get("visits");
    // @ts-expect-error: there is no such key
    c.var.session.get("cart");
    // @ts-expect-error: it is a number
    session.set("visits", "1");
    return c.json({ isSame, visits });
  });
}
