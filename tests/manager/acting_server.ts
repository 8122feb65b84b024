/** A real server whose requests do what a test says, and wait when it says so. */

import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import { serve, type SessionServer, type STORES } from "./session_server.ts";
import type { Data } from "./set_up.ts";

/** What a handler does; the answer shows its result. */
export type Act = (
  session: Session<Data>,
  manager: SessionManager<Data>,
) => unknown;

/** What a request was answered with. */
export interface Answer {
  readonly status: number;
  /** What the act returned. */
  readonly result: unknown;
  /** The cookie that was set; `""` when it was cleared, `undefined` for none. */
  readonly cookie: string | undefined;
}

/** A server, until it is disposed. */
export interface ActingServer extends AsyncDisposable {
  readonly server: SessionServer;
  /** Sends a request whose handler does this. */
  ask(cookie: string | undefined, act: Act): Promise<Answer>;
  /**
   * Sends a request whose handler does this, and then waits.
   *
   * @returns What lets it go on, and gives its answer.
   */
  hold(cookie: string | undefined, act: Act): Promise<() => Promise<Answer>>;
  /** Begins a session, and gives its cookie. */
  begin(act: Act): Promise<string>;
  /** What a cookie opens: ID, user and data; `undefined` for nothing. */
  show(cookie: string | undefined): Promise<
    { id: string; user: string | null; data: Data } | undefined
  >;
  /** The records of sessions. */
  records(): Promise<Map<string, SessionRecord>>;
}

/** Serves whatever acts a test asks for. */
export async function serveActs(
  medium: typeof STORES[number],
  options: Partial<SessionManagerOptions> = {},
): Promise<ActingServer> {
  const acts = new Map<string, Act>();
  const server = await serve(medium, {
    "/": async (session, request) => {
      const act = acts.get(new URL(request.url).searchParams.get("act")!)!;
      return Response.json(await act(session, server.manager) ?? null);
    },
  }, options);
  async function ask(cookie: string | undefined, act: Act): Promise<Answer> {
    const name = `${acts.size}`;
    acts.set(name, act);
    const response = await server.get(`/?act=${name}`, cookie);
    const [header] = response.headers.getSetCookie();
    const { status } = response;
    return {
      status,
      result: status === 200 ? await response.json() : await response.text(),
      cookie: header?.includes("; Max-Age=0") ? "" : header?.split(";", 1)[0],
    };
  }
  return {
    server,
    ask,
    hold: async (cookie, act) => {
      const acted = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const answer = ask(cookie, async (session, manager) => {
        const result = await act(session, manager);
        acted.resolve();
        await released.promise;
        return result;
      });
      await Promise.race([acted.promise, answer]);
      return () => {
        released.resolve();
        return answer;
      };
    },
    begin: async (act) => (await ask(undefined, act)).cookie!,
    show: async (cookie) => {
      if (cookie === undefined || cookie === "") return undefined;
      const { result } = await ask(cookie, (session) => {
        if (session.isNew) return null;
        const { id, user } = session;
        return { id, user, data: Object.fromEntries(session.entries()) };
      });
      return (result ?? undefined) as Awaited<
        ReturnType<ActingServer["show"]>
      >;
    },
    records: async () => {
      const records = await server.records();
      for (const id of records.keys()) {
        if (id.startsWith("user-")) records.delete(id);
      }
      return records;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
