import { describe, type Open, type Visit } from "../contestants.ts";
import { type Answer, HonoPackages } from "../hono_packages.ts";

interface Session {
  get(key: string): Visit | null;
  set(key: string, visit: Visit): void;
}

interface Middleware {
  sessionMiddleware(options: {
    store: {
      getSessionById(id: string): Promise<object | null>;
      createSession(id: string, data: object): Promise<void>;
      persistSessionData(id: string, data: object): Promise<void>;
      deleteSession(id: string): Promise<void>;
    };
  }): unknown;
}

/** Hono with the package of that name. */
export const open: Open = async (directory) => {
  const packages = new HonoPackages("hono_sessions");
  const newApp = await packages.app<Session>();
  const { sessionMiddleware } = await packages.load<Middleware>(
    "hono-sessions",
  );
  const storage = await packages.storage(directory);
  const store = {
    getSessionById: (id: string) => storage.getItem(id),
    createSession: (id: string, data: object) => storage.setItem(id, data),
    persistSessionData: (id: string, data: object) => storage.setItem(id, data),
    deleteSession: (id: string) => storage.removeItem(id),
  };
  const app = (answer: Answer<Session>) =>
    newApp().use(sessionMiddleware({ store })).all("/", answer).fetch;

  return {
    make: app(async (context) => {
      const visit = await context.req.json<Visit>();
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
};
