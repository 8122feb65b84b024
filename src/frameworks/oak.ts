import type { SessionRequest } from "../http/transport.ts";
import type { OpenOptions } from "../manager/isolation.ts";
import type { SessionManager } from "../manager/manager.ts";
import type { Session } from "../session/session.ts";
import { ResponseHead } from "./response_head.ts";

/** What a manager opened for a request of Oak, which has no `url` of its kind. */
const known = new WeakMap<object, SessionRequest>();

/**
 * Makes a middleware for Oak: `app.use(oakSessions(sessions))`. What comes after
 * it has the session as `ctx.state.session`.
 *
 * The session is committed when everything after it has answered. An error with
 * a status below 500, as of `ctx.throw(403)`, is an answer, and keeps what its
 * request did; after any other error that passes by nothing is kept. An error of
 * the commit is thrown like one of a middleware.
 *
 * After `ctx.upgrade()` or `ctx.sendEvents()` no cookie can be sent: a login, a
 * `regenerate` or a new session is to be committed before.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 * @param sessions The manager.
 * @param options How the session of each of its requests is opened.
 * @returns The middleware. The application's type names the session:
 * `new Application<{ session: SessionOf<typeof sessions> }>()`.
 *
 * @example A counter
 * ```ts ignore
 * import { Application } from "jsr:@oak/oak@17";
 * import { oakSessions, type SessionOf } from "@latchkey/session";
 *
 * const app = new Application<{ session: SessionOf<typeof sessions> }>();
 * app.use(oakSessions(sessions));
 * app.use((ctx) => {
 *   const visits = ctx.state.session.update("visits", (n = 0) => n + 1);
 *   ctx.response.body = `Visit ${visits}`;
 * });
 *
 * await app.listen({ port: 8000 });
 * ```
 */
export function oakSessions<Data extends object>(
  sessions: SessionManager<Data>,
  options?: OpenOptions,
): (
  context: {
    readonly request: {
      readonly headers: Pick<Headers, "get">;
      readonly method?: string;
      readonly url: { readonly href: string };
    };
    readonly response: {
      readonly status: number;
      readonly headers: Headers;
    };
    readonly respond: boolean;
    readonly state: object & { session?: Session<Data> };
  },
  next: () => Promise<unknown>,
) => Promise<void> {
  return async (context, next) => {
    const { request, response, state } = context;
    const opened = known.get(request) ??
      {
        headers: request.headers,
        method: request.method,
        url: request.url.href,
      };
    known.set(request, opened);
    let head: ResponseHead | undefined;
    let thrown: AnsweringError | undefined;
    const handle = async (session: Session<Data>) => {
      state.session = session;
      try {
        await next();
      } catch (error) {
        if (!isAnswer(error)) throw error;
        thrown = error;
      }
      // The response has gone, so nothing can be added to it.
      if (!context.respond) await sessions.commit(session);
      const status = thrown?.status ?? response.status;
      head = new ResponseHead(status, Object.fromEntries(response.headers));
      return head.response;
    };
    const answer = await sessions.run(opened, handle, options);
    if (head === undefined) {
      // Without a call of `handle` it is the manager's own.
      const { status, headers } = answer;
      Object.assign(response, { status, body: await answer.text() });
      addTo(response.headers, [...headers]);
      return;
    }
    const added = head.added(answer);
    addTo(response.headers, added);
    if (thrown === undefined) return;
    if (added.length > 0) {
      // Oak sends those of the error instead, if they are of its own class.
      const value = Reflect.construct(response.headers.constructor, [
        thrown.headers,
      ]);
      addTo(value, added);
      Object.defineProperty(thrown, "headers", { value, configurable: true });
    }
    throw thrown;
  };
}

/** An error of Oak that stands for an answer. */
interface AnsweringError {
  readonly status: number;
  readonly headers?: Headers;
}

function isAnswer(error: unknown): error is AnsweringError {
  return error instanceof Error && "status" in error &&
    typeof error.status === "number";
}

function addTo(
  headers: Headers,
  added: readonly (readonly [name: string, value: string])[],
): void {
  for (const [name, value] of added) {
    if (name === "set-cookie") headers.append(name, value);
    else headers.set(name, value);
  }
}
