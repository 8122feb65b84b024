import Fastify, { type FastifyInstance } from "npm:fastify@5.12.8";
import { fastifySessions, type SessionOf } from "@latchkey/session";
import { sessions } from "./sessions.ts";

declare module "npm:fastify@5.12.8" {
  interface FastifyRequest {
    session: SessionOf<typeof sessions>;
  }
}

export const app: FastifyInstance = Fastify();
app.register(fastifySessions(sessions));

app.get("/visit", (request) => {
  const visits = request.session.update("visits", (n = 0) => n + 1);
  return `Visit ${visits}`;
});
