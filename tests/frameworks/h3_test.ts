import * as h3 from "npm:h3@2.0.8";
import { app, handler } from "./examples/h3.ts";
import { sessions } from "./examples/sessions.ts";
import { addRoutes } from "./h3_routes.ts";
import type { IsSame, VisitSession } from "./parts.ts";
import { serveHandler, testFramework } from "./scenario.ts";

addRoutes(app, h3, sessions);

testFramework("h3 2", { start: () => serveHandler(handler) });

/** For the compiler only. */
export function checkTypes(): void {
  app.get("/", ({ req }) => {
    const session = sessions.of(req)!;
    const isSame: IsSame<typeof session, VisitSession> = true;
    // @ts-expect-error: there is no such key
    session.get("cart");
    return String(isSame);
  });
}
