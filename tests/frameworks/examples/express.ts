// @ts-types="npm:@types/express@5.0.6"
import express from "npm:express@5.3.0";
import { expressSessions, type SessionOf } from "@latchkey/session";
import { sessions } from "./sessions.ts";

declare global {
  namespace Express {
    interface Request {
      session: SessionOf<typeof sessions>;
    }
  }
}

export const app: express.Express = express();
app.use(expressSessions(sessions));

app.get("/visit", (request, response) => {
  const visits = request.session.update("visits", (n = 0) => n + 1);
  response.send(`Visit ${visits}`);
});
