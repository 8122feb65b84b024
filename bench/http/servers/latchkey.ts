import { DirectorySessionStore, SessionManager } from "../../../mod.ts";
import type { Open, Visit } from "../contestants.ts";

/** Ours, as the README shows it. */
export const open: Open = (directory) => {
  const sessions = new SessionManager<Visit>({
    store: new DirectorySessionStore(directory),
    idleTimeout: 30 * 60 * 1000,
  });
  const info = {} as Deno.ServeHandlerInfo;
  const make = sessions.handler(async (request, session) => {
    const data = await request.json() as Visit;
    for (const [key, value] of Object.entries(data)) session.set(key, value);
    return new Response();
  });
  const read = sessions.handler((_request, session) => {
    const count = session.get("count");
    if (count === undefined) return new Response(null, { status: 401 });
    return new Response(`${session.get("owner")} ${count}`);
  });
  const change = sessions.handler((_request, session) => {
    if (session.isNew) return new Response(null, { status: 401 });
    const count = session.update("count", (count = 0) => count + 1);
    return new Response(`${session.get("owner")} ${count}`);
  });
  return {
    make: (request) => make(request, info),
    read: (request) => read(request, info),
    change: (request) => change(request, info),
  };
};
