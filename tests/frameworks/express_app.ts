/** The application of the scenario, with Express. */

// @ts-types="npm:@types/express@5.0.6"
import express from "npm:express@5.3.0";
import createError from "npm:http-errors@2.0.1";
import { Readable } from "node:stream";
import {
  expressSessions,
  isCrossOrigin,
  SessionRevokedError,
} from "../../mod.ts";
import { app as counter } from "./examples/express.ts";
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

const app: express.Express = express();
app.use((request, response, next) => {
  const headers = { get: (name: string) => request.get(name) ?? null };
  const { method } = request;
  if (isCrossOrigin({ method, headers })) response.sendStatus(403);
  else next();
});
app.use(counter);
app.use("/twice", expressSessions(sessions));
app.get("/", (request, response) => {
  response.send(describe(request.session));
});
app.get("/public", (_request, response) => {
  response.send("public");
});
app.get("/twice", (request, response) => {
  response.send(`Visit ${visit(request.session)}`);
});
app.post("/login", (request, response) => {
  request.session.setUser("ann");
  response.cookie("theme", "dark").redirect(303, "/");
});
app.post("/note", (request, response) => {
  request.session.flash("notice", "Saved");
  response.redirect(303, "/");
});
app.post("/logout", (request, response) => {
  request.session.destroy();
  response.redirect(303, "/");
});
app.post("/throw", (request) => {
  visit(request.session);
  throw new Error("planned");
});
app.post("/fail", (request, response) => {
  visit(request.session);
  response.status(500).send("failed");
});
app.post("/forbid", (request) => {
  request.session.flash("notice", "Forbidden");
  throw createError(403);
});
app.post("/revoke", async (request, response) => {
  await beginRevokedLogin(request.session);
  response.cookie("theme", "dark").redirect(303, "/");
});
app.get("/stream", (request, response) => {
  visit(request.session);
  Readable.from(makeStream(`?${request.url.split("?")[1]}`)).pipe(response);
});
app.post("/release", (request, response) => {
  releaseStream(`?${request.url.split("?")[1]}`);
  response.send("released");
});

const answerError: express.ErrorRequestHandler = (
  error,
  _request,
  response,
  next,
) => {
  if (response.headersSent) next(error);
  else if (error instanceof SessionRevokedError) response.sendStatus(401);
  else response.sendStatus(error.status ?? 500);
};
app.use(answerError);

/** Starts it. */
export function startExpress(): Promise<Application> {
  return serveNode(app);
}
