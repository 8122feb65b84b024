import {
  createRouter,
  type Middleware,
  type Router,
} from "npm:@remix-run/fetch-router@0.20.1";
import { sessions } from "./sessions.ts";

const withSession: Middleware = ({ request }, next) =>
  sessions.run(request, next);

export const app: Router = createRouter({ middleware: [withSession] });

app.get("/visit", ({ request }) => {
  const visits = sessions.of(request)!.update("visits", (n = 0) => n + 1);
  return new Response(`Visit ${visits}`);
});

// Deno.serve((request) => app.fetch(request))
