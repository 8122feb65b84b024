import Fastify from "npm:fastify@5.12.8";
import { fastifySessions, type SessionManager } from "../../mod.ts";
import { sessions } from "./examples/sessions.ts";
import { startFastify } from "./fastify_app.ts";
import type { IsSame, VisitSession } from "./parts.ts";
import { testFramework } from "./scenario.ts";

testFramework("Fastify 5", {
  start: startFastify,
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
