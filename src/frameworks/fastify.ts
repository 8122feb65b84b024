import type { OpenOptions } from "../manager/isolation.ts";
import type { SessionManager } from "../manager/manager.ts";
import type { Session } from "../session/session.ts";
import { sessionRequestOf } from "./node_request.ts";
import { ResponseHead } from "./response_head.ts";

/** A request whose response has not begun. */
interface Answering {
  /** Fulfilled with the response. */
  readonly answered: PromiseWithResolvers<Response>;
  /** Commits, and answers with the response and its headers. */
  readonly running: Promise<Response>;
}

/**
 * Makes a plugin for Fastify 5: `app.register(fastifySessions(sessions))`. All
 * routes of the instance have the session as `request.session`, also those that
 * were not made by a plugin of their own (`skip-override`).
 *
 * The session is committed in the hook `onSend`, before the response begins.
 * Nothing is kept of a request that is answered with a status of 500 or more. An
 * error that is answered with less, because of its `statusCode` or by an error
 * handler, is an answer like any other. An error of the commit goes to the error
 * handler. A response that is sent through `reply.raw` has no `onSend`: nothing
 * is kept but what {@linkcode SessionManager.commit} is called for.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 * @param sessions The manager.
 * @param options How the session of each of its requests is opened.
 * @returns The plugin. Fastify is told the type of `request.session` by a
 * declaration of the application's own.
 *
 * @example A counter
 * ```ts ignore
 * import Fastify from "npm:fastify@5";
 * import { fastifySessions, type SessionOf } from "@latchkey/session";
 *
 * declare module "npm:fastify@5" {
 *   interface FastifyRequest {
 *     session: SessionOf<typeof sessions>;
 *   }
 * }
 *
 * const app = Fastify();
 * app.register(fastifySessions(sessions));
 * app.get("/", (request) => {
 *   const visits = request.session.update("visits", (n = 0) => n + 1);
 *   return `Visit ${visits}`;
 * });
 *
 * await app.listen({ port: 8000 });
 * ```
 */
export function fastifySessions<Data extends object>(
  sessions: SessionManager<Data>,
  options?: OpenOptions,
): (
  instance: {
    hasRequestDecorator(name: string): boolean;
    decorateRequest(name: "session", value: null): unknown;
    addHook(
      name: "onRequest",
      hook: (
        request: {
          readonly raw: {
            readonly headers: Readonly<
              Record<string, string | string[] | undefined>
            >;
            readonly method?: string | undefined;
            readonly url?: string | undefined;
            readonly socket: object;
          };
          session?: Session<Data>;
        },
        reply: {
          readonly raw: {
            once(event: "close", listener: () => void): unknown;
          };
          send(payload: unknown): unknown;
        },
      ) => Promise<unknown>,
    ): unknown;
    addHook(
      name: "onSend",
      hook: (
        request: object,
        reply: {
          readonly statusCode: number;
          getHeaders(): Readonly<
            Record<string, number | string | string[] | undefined>
          >;
          header(name: string, value: string): unknown;
        },
        payload: unknown,
      ) => Promise<unknown>,
    ): unknown;
  },
  options: object,
  done: () => void,
) => void {
  const plugin: ReturnType<typeof fastifySessions<Data>> = (
    instance,
    _options,
    done,
  ) => {
    const requests = new WeakMap<object, Answering>();
    // By the same plugin, registered once more.
    if (!instance.hasRequestDecorator("session")) {
      instance.decorateRequest("session", null);
    }
    instance.addHook("onRequest", async (request, reply) => {
      const opened = Promise.withResolvers<Session<Data>>();
      const answered = Promise.withResolvers<Response>();
      const running = sessions.run(
        sessionRequestOf(request.raw, reply.raw),
        (session) => {
          opened.resolve(session);
          return answered.promise;
        },
        options,
      );
      // Later, `onSend` has it.
      running.catch(opened.reject);
      const first = await Promise.race([opened.promise, running]);
      // Without a call of the handler it is the manager's own.
      if (first instanceof Response) return reply.send(first);
      request.session = first;
      requests.set(request, { answered, running });
    });
    instance.addHook("onSend", async (request, reply, payload) => {
      const { answered, running } = requests.get(request) ?? {};
      // The error of a commit is sent like any other.
      requests.delete(request);
      if (answered === undefined || running === undefined) return payload;
      if (payload instanceof Response) {
        answered.resolve(payload);
        return await running;
      }
      const head = new ResponseHead(reply.statusCode, reply.getHeaders());
      answered.resolve(head.response);
      // Fastify appends a cookie, and sets any other header.
      for (const [name, value] of head.added(await running)) {
        reply.header(name, value);
      }
      return payload;
    });
    done();
  };
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
}
