/** The application of the scenario, with Fastify. */

import { Readable } from "node:stream";
import createError from "npm:http-errors@2.0.1";
import { fastifySessions, isCrossOrigin } from "../../mod.ts";
import { app } from "./examples/fastify.ts";
import { sessions } from "./examples/sessions.ts";
import { serveNode } from "./node_application.ts";
import {
  beginRevokedLogin,
  describe,
  makeStream,
  releaseStream,
  visit,
} from "./parts.ts";
import type { Application } from "./scenario.ts";

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

/** Starts it. */
export async function startFastify(): Promise<Application> {
  await app.ready();
  return await serveNode((request, response) => app.routing(request, response));
}
