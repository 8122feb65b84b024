// @ts-types="npm:@types/express@5.0.6"
import express from "npm:express@5.3.0";
import { isCrossOrigin } from "@latchkey/session";
import { app as counter } from "./express.ts";

export const app: express.Express = express();
app.use((request, response, next) => {
  const { method } = request;
  const headers = { get: (name: string) => request.get(name) ?? null };
  if (isCrossOrigin({ method, headers })) response.status(403).end();
  else next();
});
app.use(counter); // with the sessions
app.use(express.urlencoded());

app.get("/", ({ session }, response) => {
  response.json({ user: session.user, notice: session.flash("notice") });
});
app.post("/login", ({ session, body }, response) => {
  session.setUser(body.name); // after the password
  session.flash("notice", `Welcome, ${body.name}`);
  response.redirect(303, "/");
});
app.post("/logout", ({ session }, response) => {
  session.destroy();
  response.redirect(303, "/");
});
