import { describe } from "../contestants.ts";
import { loadHono } from "./hono.js";

const SECRET = "0123456789abcdef".repeat(2);

/** Hono with the session middleware of its own collection. */
export async function open(directory) {
  const { Hono, storage, load } = await loadHono("hono_session.js", directory);
  const { useSession, useSessionStorage } = await load("@hono/session");
  const app = (answer) =>
    new Hono().use(
      useSessionStorage({
        get: (id) => storage.getItem(id),
        set: (id, visit) => void storage.setItem(id, visit),
        delete: (id) => void storage.removeItem(id),
      }),
      useSession({ secret: SECRET }),
    ).all("/", answer).fetch;

  return {
    make: app(async (context) => {
      const visit = await context.req.json();
      await context.var.session.update(() => visit);
      return context.body(null, 200);
    }),
    read: app(async (context) => {
      const visit = await context.var.session.get();
      if (visit === null) return context.body(null, 401);
      return context.text(describe(visit));
    }),
    change: app(async (context) => {
      const { session } = context.var;
      let isThere = true;
      await session.update((visit) => {
        isThere = visit !== null;
        return { ...visit, count: (visit?.count ?? 0) + 1 };
      });
      if (!isThere) return context.body(null, 401);
      return context.text(describe(session.data));
    }),
  };
}
