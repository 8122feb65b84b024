import formbody from "npm:@fastify/formbody@9.0.1";
import { isCrossOrigin } from "@latchkey/session";
import { app } from "./fastify.ts"; // with the sessions

app.register(formbody);
app.addHook("onRequest", async ({ method, headers }, reply) => {
  const get = (name: string) => headers[name]?.toString() ?? null;
  if (isCrossOrigin({ method, headers: { get } })) await reply.code(403).send();
});

app.get("/", ({ session }) => {
  return { user: session.user, notice: session.flash("notice") };
});
app.post<{ Body: { name: string } }>("/login", ({ session, body }, reply) => {
  session.setUser(body.name); // after the password
  session.flash("notice", `Welcome, ${body.name}`);
  return reply.redirect("/", 303);
});
app.post("/logout", ({ session }, reply) => {
  session.destroy();
  return reply.redirect("/", 303);
});

export { app };
