import { describe, type Open, type Visit } from "../contestants.ts";
import { type Answer, HonoPackages } from "../hono_packages.ts";

interface Session {
  get(): Promise<Visit | null>;
  update(change: (visit: Visit | null) => Visit): Promise<void>;
  readonly data: Visit | null;
}

interface Middleware {
  useSession(options: { secret: string }): unknown;
  useSessionStorage(storage: {
    get(id: string): Promise<object | null>;
    set(id: string, visit: object): void;
    delete(id: string): void;
  }): unknown;
}

const SECRET = "0123456789abcdef".repeat(2);

/** Hono with the session middleware of its own collection. */
export const open: Open = async (directory) => {
  const packages = new HonoPackages("hono_session");
  const newApp = await packages.app<Session>();
  const { useSession, useSessionStorage } = await packages.load<Middleware>(
    "@hono/session",
  );
  const storage = await packages.storage(directory);
  const app = (answer: Answer<Session>) =>
    newApp().use(
      useSessionStorage({
        get: (id) => storage.getItem(id),
        set: (id, visit) => void storage.setItem(id, visit),
        delete: (id) => void storage.removeItem(id),
      }),
      useSession({ secret: SECRET }),
    ).all("/", answer).fetch;

  return {
    make: app(async (context) => {
      const visit = await context.req.json<Visit>();
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
        return { ...visit, count: (visit?.count ?? 0) + 1 } as Visit;
      });
      if (!isThere) return context.body(null, 401);
      return context.text(describe(session.data!));
    }),
  };
};
