// @ts-types="npm:@types/express@5.0.6"
import express from "npm:express@5.3.0";
import { expressSessions, type SessionManager } from "../../mod.ts";
import { sessions } from "./examples/sessions.ts";
import { startExpress } from "./express_app.ts";
import type { IsSame, VisitSession } from "./parts.ts";
import { testFramework } from "./scenario.ts";

testFramework("Express 5", {
  start: startExpress,
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
