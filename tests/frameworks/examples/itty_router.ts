import {
  AutoRouter,
  type AutoRouterType,
  type IRequest,
  text,
} from "npm:itty-router@5.0.24";
import type { SessionOf } from "@latchkey/session";
import { sessions } from "./sessions.ts";

type Args = [session: SessionOf<typeof sessions>];

export const app: AutoRouterType<IRequest, Args> = AutoRouter<IRequest, Args>();

app.get("/visit", (_request, session) => {
  const visits = session.update("visits", (n = 0) => n + 1);
  return text(`Visit ${visits}`);
});

// Deno.serve(handler)
export const handler = (request: Request): Promise<Response> =>
  sessions.run(request, (session) => app.fetch(request, session));
