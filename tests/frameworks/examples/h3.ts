import { H3 } from "npm:h3@2.0.8";
import { sessions } from "./sessions.ts";

export const app: H3 = new H3();

app.get("/visit", ({ req }) => {
  const visits = sessions.of(req)!.update("visits", (n = 0) => n + 1);
  return `Visit ${visits}`;
});

// Deno.serve(handler)
export const handler = (request: Request): Promise<Response> =>
  sessions.run(request, () => app.fetch(request));
