import { sessions } from "./sessions.ts";

// Deno.serve(handler)
export const handler = (request: Request): Promise<Response> =>
  sessions.run(request, (session) => {
    const visits = session.update("visits", (n = 0) => n + 1);
    return new Response(`Visit ${visits}`);
  });
