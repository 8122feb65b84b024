import { Application } from "npm:@oakserver/oak@14.1.0";
import { oakSessions, type SessionOf } from "@latchkey/session";
import { sessions } from "./sessions.ts";

type State = { session: SessionOf<typeof sessions> };

export const app: Application<State> = new Application();
app.use(oakSessions(sessions));

app.use(async (ctx, next) => {
  if (ctx.request.url.pathname !== "/visit") return await next();
  const visits = ctx.state.session.update("visits", (n = 0) => n + 1);
  ctx.response.body = `Visit ${visits}`;
});
