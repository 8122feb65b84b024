// @ts-types="npm:@types/express@5.0.6"
import express from "npm:express@5.3.0";
import createError from "npm:http-errors@2.0.1";
import { Readable } from "node:stream";
import {
  expressSessions,
  isCrossOrigin,
  type SessionManager,
  SessionRevokedError,
} from "../../mod.ts";
import { app as counter } from "./examples/express.ts";
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

const app = express();
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

testFramework("Express 5", {
  start: () => serveNode(app),
  lacks: ["immutable redirect", "handled error", "socket"],
});

/** For the compiler only. */
export function checkTypes(other: SessionManager<{ cart: string[] }>): void {
  const app = express();
  app.use(expressSessions(sessions));
  // @ts-expect-error: the sessions of the application have other keys
  app.use(expressSessions(other));
  app.get("/", (request, response) => {
    const isSame: IsSame<typeof request.session, VisitSession> = true;
    const visits: number | undefined = request.session.get("visits");
    // @ts-expect-error: there is no such key
    request.session.get("cart");
    // @ts-expect-error: it is a number
    request.session.set("visits", "1");
    response.json({ isSame, visits });
  });
}
