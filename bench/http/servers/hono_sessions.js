import { describe } from "../contestants.ts";
import { loadHono } from "./hono.js";

/** Hono with the package of that name. */
export async function open(directory) {
  const { Hono, storage, load } = await loadHono("hono_sessions.js", directory);
  const { sessionMiddleware } = await load("hono-sessions");
  const store = {
    getSessionById: (id) => storage.getItem(id),
    createSession: (id, data) => storage.setItem(id, data),
    persistSessionData: (id, data) => storage.setItem(id, data),
    deleteSession: (id) => storage.removeItem(id),
  };
  const app = (answer) =>
    new Hono().use(sessionMiddleware({ store })).all("/", answer).fetch;

  return {
    make: app(async (context) => {
      const visit = await context.req.json();
      context.get("session").set("visit", visit);
      return context.body(null, 200);
    }),
    read: app((context) => {
      const visit = context.get("session").get("visit");
      if (visit === null) return context.body(null, 401);
      return context.text(describe(visit));
    }),
    change: app((context) => {
      const session = context.get("session");
      const visit = session.get("visit");
      if (visit === null) return context.body(null, 401);
      const changed = { ...visit, count: visit.count + 1 };
      session.set("visit", changed);
      return context.text(describe(changed));
    }),
  };
}
