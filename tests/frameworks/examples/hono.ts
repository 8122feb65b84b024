import { Hono } from "npm:hono@4.13.19";
import { honoSessions, type SessionOf } from "@latchkey/session";
import { sessions } from "./sessions.ts";

type Env = { Variables: { session: SessionOf<typeof sessions> } };

export const app: Hono<Env> = new Hono();
app.use(honoSessions(sessions));

app.get("/visit", (c) => {
  const visits = c.var.session.update("visits", (n = 0) => n + 1);
  return c.text(`Visit ${visits}`);
});
