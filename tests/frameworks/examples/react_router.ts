import type {
  LoaderFunctionArgs,
  MiddlewareFunction,
} from "npm:react-router@8.5.3";
import { reactRouterSessions } from "@latchkey/session";
import { sessions } from "./sessions.ts";

// app/session.ts
const session = reactRouterSessions(sessions);

// app/root.tsx
export const middleware: MiddlewareFunction<Response>[] = [session];

// app/routes/visit.ts
export function loader({ context }: LoaderFunctionArgs): Response {
  const visits = context.get(session.context)
    .update("visits", (n = 0) => n + 1);
  return new Response(`Visit ${visits}`);
}
