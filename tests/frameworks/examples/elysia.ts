import { Elysia } from "npm:elysia@1.4.30";
import { sessions } from "./sessions.ts";

export const app: Elysia = new Elysia();

app.get("/visit", ({ request }) => {
  const visits = sessions.of(request)!.update("visits", (n = 0) => n + 1);
  return `Visit ${visits}`;
});

// Deno.serve(handler)
export const handler = (request: Request): Promise<Response> =>
  sessions.run(request, () => app.handle(request));
