import { Readable } from "node:stream";
import Fastify from "npm:fastify@5.12.8";
import createError from "npm:http-errors@2.0.1";
import {
  fastifySessions,
  isCrossOrigin,
  type SessionManager,
} from "../../mod.ts";
import { app } from "./examples/fastify.ts";
import { sessions } from "./examples/sessions.ts";
import { serveNode } from "./node_application.ts";
import {
  beginRevokedLogin,
  describe,
  type IsSame,
  makeStream,
  releaseStream,
  visit,
  type VisitSession,
} from "./parts.ts";
import { testFramework } from "./scenario.ts";

const searchOf = (url: string) => url.slice(url.indexOf("?"));

app.addHook("onRequest", async ({ method, headers }, reply) => {
  const get = (name: string) => String(headers[name] ?? "");
  if (isCrossOrigin({ method, headers: { get } })) {
    await reply.code(403).send("Forbidden");
  }
});
app.get("/", (request) => describe(request.session));
app.get("/public", () => "public");
app.register(async (child) => {
  await child.register(fastifySessions(sessions));
  child.get("/twice", (request) => `Visit ${visit(request.session)}`);
});
app.post("/login", (request, reply) => {
  request.session.setUser("ann");
  reply.header("set-cookie", "theme=dark; Path=/").redirect("/", 303);
});
app.post("/redirect", (request, reply) => {
  visit(request.session);
  const { protocol, host } = request;
  reply.send(Response.redirect(`${protocol}://${host}/`, 303));
});
app.post("/note", (request, reply) => {
  request.session.flash("notice", "Saved");
  reply.redirect("/", 303);
});
app.post("/logout", (request, reply) => {
  request.session.destroy();
  reply.redirect("/", 303);
});
app.post("/throw", (request) => {
  visit(request.session);
  throw new Error("planned");
});
app.post("/fail", (request, reply) => {
  visit(request.session);
  reply.code(500).send("failed");
});
app.post("/forbid", (request) => {
  request.session.flash("notice", "Forbidden");
  throw createError(403);
});
app.post("/revoke", async (request, reply) => {
  await beginRevokedLogin(request.session);
  return reply.header("set-cookie", "theme=dark; Path=/").redirect("/", 303);
});
app.get("/stream", (request, reply) => {
  visit(request.session);
  reply.send(Readable.from(makeStream(searchOf(request.url))));
});
app.post("/release", (request) => {
  releaseStream(searchOf(request.url));
  return "released";
});

testFramework("Fastify 5", {
  start: async () => {
    await app.ready();
    return await serveNode((request, response) =>
      app.routing(request, response)
    );
  },
  lacks: ["handled error", "socket"],
});

/** For the compiler only. */
export function checkTypes(other: SessionManager<{ cart: string[] }>): void {
  const app = Fastify();
  app.register(fastifySessions(sessions));
  // @ts-expect-error: the sessions of the application have other keys
  app.register(fastifySessions(other));
  app.get("/", (request) => {
    const isSame: IsSame<typeof request.session, VisitSession> = true;
    const visits: number | undefined = request.session.get("visits");
    // @ts-expect-error: there is no such key
    request.session.get("cart");
    // @ts-expect-error: it is a number
    request.session.set("visits", "1");
    return { isSame, visits };
  });
}
