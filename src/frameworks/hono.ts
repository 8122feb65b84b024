import type { OpenOptions } from "../manager/isolation.ts";
import type { SessionManager } from "../manager/manager.ts";
import type { Session } from "../session/session.ts";

/**
 * Makes a middleware for Hono 4: `app.use(honoSessions(sessions))`. What comes
 * after it has the session as `c.get("session")` or `c.var.session`.
 *
 * The session is committed when everything after it has answered, as
 * {@linkcode SessionManager.run} does it. An `HTTPException` is an answer, such
 * as 403, and keeps what its request did; after any other error nothing is
 * kept, whatever `onError` makes of it. An error of the commit goes to `onError`.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 * @param sessions The manager.
 * @param options How the session of each of its requests is opened.
 * @returns The middleware. The application's type names the session:
 * `new Hono<{ Variables: { session: SessionOf<typeof sessions> } }>()`.
 *
 * @example A counter
 * ```ts ignore
 * import { Hono } from "npm:hono@4";
 * import { honoSessions, type SessionOf } from "@latchkey/session";
 *
 * const app = new Hono<
 *   { Variables: { session: SessionOf<typeof sessions> } }
 * >();
 * app.use(honoSessions(sessions));
 * app.get("/", (c) => {
 *   const visits = c.var.session.update("visits", (n = 0) => n + 1);
 *   return c.text(`Visit ${visits}`);
 * });
 *
 * Deno.serve(app.fetch);
 * ```
 */
export function honoSessions<Data extends object>(
  sessions: SessionManager<Data>,
  options?: OpenOptions,
): (
  context: {
    readonly req: { readonly raw: Request };
    get res(): Response;
    set res(response: Response | undefined);
    readonly error: Error | undefined;
    readonly var: object & { readonly session?: Session<Data> };
    set(key: "session", value: Session<Data>): void;
  },
  next: () => Promise<void>,
) => Promise<void> {
  return async (context, next) => {
    let failed: Response | undefined;
    const handle = async (session: Session<Data>) => {
      context.set("session", session);
      await next();
      const { error, res } = context;
      // Else Hono puts the headers of this one over those of the next one.
      context.res = undefined;
      if (error === undefined || "getResponse" in error) return res;
      // Hono has made a response of it, which the handler did not choose.
      failed = res;
      throw error;
    };
    try {
      context.res = await sessions.run(context.req.raw, handle, options);
    } catch (error) {
      if (failed === undefined || error !== context.error) throw error;
      context.res = failed;
    }
  };
}
