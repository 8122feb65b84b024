import { isRevocationId } from "../core/revocation.ts";
import {
  addHeaders,
  completeResponse,
  thrownResponse,
} from "../http/response.ts";
import type { Session } from "../session/session.ts";
import {
  type IsolationOptions,
  resolveIsolation,
  type SessionCounters,
} from "./isolation.ts";
import {
  type ManagerSettings,
  resolveManagerOptions,
  type SessionManagerOptions,
} from "./manager_options.ts";
import { openVisit } from "./open.ts";
import type { SchemaOf } from "./standard_schema.ts";
import {
  listSessionsOf,
  revokeSessionsOf,
  type RevokeUserOptions,
  type UserSession,
} from "./users.ts";
import { Visit } from "./visit.ts";

/**
 * Gives each request its session and keeps what the request did to it: the one
 * place that decides.
 *
 * - **A token made up by a client opens nothing.** No cookie, a malformed one, an
 *   unknown ID, a wrong secret: all give a new, empty session, which is neither
 *   stored nor given a cookie until there is something to keep. A token that a
 *   client made up is never adopted.
 * - **Nothing is lost.** A commit does what the request did to the record as it
 *   is at that moment, in one `update` of the store. No lock is held while the
 *   application's code runs, unless the request is `exclusive`.
 * - **Nothing comes back.** A session that has ended or was given a new secret
 *   since the request opened it takes no more changes from that request.
 * - **Nothing is promised too early.** A handler that fails saves nothing; the
 *   error of a store reaches the caller; a cookie is sent only after the store
 *   has answered.
 *
 * A request that changes nothing writes nothing, but for a touch that is due. A
 * new session that holds nothing, no data, user, flash or form token, is not
 * stored; one that comes to hold nothing stays, empty, as long as it lives.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 *
 * @example A counter
 * ```ts
 * import { MemorySessionStore, SessionManager } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const sessions = new SessionManager<{ visits: number }>({
 *   store: new MemorySessionStore(),
 * });
 * const handler = sessions.handler((_request, session) =>
 *   new Response(`${session.update("visits", (n = 0) => n + 1)}`)
 * ); // for Deno.serve(handler)
 *
 * const first = await sessions.run(new Request("http://localhost/"), (session) => {
 *   session.set("visits", 41);
 *   return new Response();
 * });
 * const cookie = first.headers.getSetCookie()[0]!.split(";")[0]!;
 * const request = new Request("http://localhost/", { headers: { cookie } });
 * const second = await handler(request, {} as Deno.ServeHandlerInfo);
 * assertEquals(await second.text(), "42");
 * ```
 */
export class SessionManager<Data extends object = Record<string, unknown>> {
  readonly #settings: ManagerSettings;

  /**
   * Makes a manager; it does no I/O.
   *
   * @throws {TypeError} If the store is missing, an option is not of its type,
   * browsers would refuse such a cookie, or the store cannot isolate like that.
   * @throws {RangeError} If a number is out of bounds, such as a `touchAfter` of
   * more than a tenth of `idleTimeout`.
   */
  constructor(options: SessionManagerOptions & SchemaOf<Data>) {
    this.#settings = resolveManagerOptions(options);
  }

  /** What happened how often so far; a copy of the numbers. */
  get counters(): SessionCounters {
    return { ...this.#settings.counters };
  }

  /**
   * Makes a handler for `Deno.serve`. See {@linkcode SessionManager.run}.
   *
   * @typeParam Info What the server says about the connection.
   */
  handler<Info = Deno.ServeHandlerInfo>(
    handle: (
      request: Request,
      session: Session<Data>,
      info: Info,
    ) => Response | Promise<Response>,
    options?: IsolationOptions,
  ): (request: Request, info: Info) => Promise<Response> {
    if (options) resolveIsolation(this.#settings.store, options);
    return (request, info) =>
      this.run(request, (session) => handle(request, session, info), options);
  }

  /**
   * Opens the session of a request, lets `handle` answer, and commits. If the
   * commit is refused, because the session is gone, the response is sent without
   * a cookie and `onEvent` is called.
   *
   * The session is committed before the response is sent: a body that is
   * streamed later may read it, and throws when it writes to it. It is also
   * committed when the client has disconnected meanwhile.
   *
   * A `Response` that `handle` throws, such as a redirect, is an answer like
   * one that it returns: the session is committed, and `run` returns it. One
   * that upgrades to a WebSocket carries the cookie; since Deno ends a server
   * whose handler upgrades and then fails, `commit` before you upgrade.
   *
   * @returns The response, or a copy of it with our headers.
   * @throws {SessionConflictError} If it is `strict`, and another request
   * committed meanwhile. It is thrown, unlike a refusal: the handler has answered
   * for a state that was not kept. Run the request again, or answer 409.
   * @throws {SessionLockTimeoutError} If it is `exclusive`, and other requests
   * hold the session for too long; `handle` has not run.
   * @throws What else `handle` throws, and nothing is saved; what the store
   * throws; the reason why the request was aborted, if it waited then.
   */
  async run(
    request: Request,
    handle: (session: Session<Data>) => Response | Promise<Response>,
    options?: IsolationOptions,
  ): Promise<Response> {
    const visit = await openVisit<Data>(this.#settings, request, options);
    try {
      let response: Response;
      try {
        response = await handle(visit.session);
      } catch (thrown) {
        response = thrownResponse(thrown);
      }
      const header = await visit.commitOrReport();
      return completeResponse(response, header, visit.vary);
    } finally {
      await visit.close();
    }
  }

  /**
   * Opens the session that a request's cookie belongs to, for servers that need
   * `run` in two parts. Throws what `run` does before `handle`.
   *
   * @returns Its session, or a new one. No cookie can make this throw. Commit or
   * close it if it is `exclusive`.
   */
  async open(
    request: Request,
    options?: IsolationOptions,
  ): Promise<Session<Data>> {
    const visit = await openVisit<Data>(this.#settings, request, options);
    return visit.session;
  }

  /**
   * Keeps what was done to a session, and appends to the headers what the
   * browser and caches have to know: `Set-Cookie`, and `Vary: Cookie` when the
   * session was looked at. The session is then up to date, and can be changed
   * and committed again. When this throws, the session still holds its changes.
   *
   * Without headers, as in the middle of a WebSocket, nothing can be sent: the
   * secret is not rotated, and a cookie that is due stays due.
   *
   * Whether this succeeds or throws, an `exclusive` request then lets the next
   * one have the session. A second commit of it is `strict`.
   *
   * @throws {SessionGoneError} If the session has ended or was given a new secret
   * since it was opened. Nothing was written.
   * @throws {SessionDataError} If the data would not fit the schema.
   * @throws {SessionTooLargeError} If it would be more than `maxBytes`.
   * @throws {SessionConflictError} As of `run`. Nothing was written.
   * @throws {TypeError} If another manager opened the session, it is being
   * committed, or a value in it was given something that JSON cannot hold; if
   * there are no headers for the cookie of a login, a `regenerate` or a new
   * session. Nothing was written.
   * @throws What the store throws; the cookie is then not in the headers.
   */
  async commit(session: Session<Data>, headers?: Headers): Promise<void> {
    const visit = Visit.of(session, this.#settings);
    try {
      if (headers !== undefined) addHeaders(headers, undefined, visit.vary);
      const header = await visit.commit(headers !== undefined);
      if (headers !== undefined) addHeaders(headers, header, undefined);
    } finally {
      await visit.leave();
    }
  }

  /**
   * Ends the request of a session without a commit, as `run` does by itself:
   * what changes the session throws from here on, and an `exclusive` request
   * lets the next one have it.
   */
  async close(session: Session<Data>): Promise<void> {
    await Visit.of(session, this.#settings).close();
  }

  /**
   * Uses up a form token, in one step of the store: of two requests that send
   * the same one at once, exactly one gets `true`. It takes effect at once,
   * also if the request fails later.
   *
   * @param session A session that this manager opened.
   * @param token What the form sent.
   * @returns `true` for the one request that may act on the form.
   * @throws {SessionConflictError} As of `run`; the token is still good then.
   * @throws {TypeError} If another manager opened it, or it is `readOnly`.
   */
  async consumeFormToken(
    session: Session<Data>,
    token: string,
  ): Promise<boolean> {
    return await Visit.of(session, this.#settings).consumeFormToken(token);
  }

  /** Tells whether there is a session with this ID, which may be any text. */
  async hasSession(id: string): Promise<boolean> {
    return !isRevocationId(id) && await this.#settings.store.has(id);
  }

  /**
   * Ends a session by its ID, for an administrator; `false` if there is none.
   * A request of it that is still running cannot save any more.
   */
  async expire(id: string): Promise<boolean> {
    return !isRevocationId(id) && await this.#settings.store.delete(id);
  }

  /**
   * Lists the sessions of a user, the one accessed last first: the devices on
   * which the user is signed in. It costs what `entries` of the store with a
   * `user` costs; the directory store opens the sessions of that user only.
   */
  async sessionsOf(user: string): Promise<UserSession[]> {
    return await listSessionsOf(this.#settings.store, user);
  }

  /**
   * Ends the sessions of a user on all devices: a password was changed, a
   * laptop was lost. No request that opens one afterwards gets it, and none
   * that is still running can commit. A later login of the user is not affected.
   *
   * This rests on a revocation that is written first, not on finding the
   * sessions: a listing can miss one. The revocation is a record of the store
   * named `user-…`; it lives 400 days, longer than any browser keeps a cookie.
   * Because of it each request that opens a session with a user, or commits one,
   * loads one record more.
   *
   * @returns How many sessions this deleted.
   * @throws {TypeError} If the user is not a name, or `except` is not a string.
   * @throws What the store throws. Once the revocation is written, the sessions
   * have ended all the same; to call it again deletes what is left of them.
   */
  async revokeUser(
    user: string,
    options: RevokeUserOptions = {},
  ): Promise<number> {
    const { store, now } = this.#settings;
    return await revokeSessionsOf(store, user, now(), options.except);
  }
}
