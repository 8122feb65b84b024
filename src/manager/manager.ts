import {
  closeVisit,
  commitOrReport,
  commitSession,
  varyOf,
  visitOf,
} from "./commit_session.ts";
import { consumeFormToken } from "./consume_form_token.ts";
import { isRevocationId } from "../core/revocation.ts";
import { findIsolated } from "./find_isolated.ts";
import {
  Isolation,
  type IsolationOptions,
  resolveIsolation,
  type SessionCounters,
  startCounting,
} from "./isolation.ts";
import {
  type ManagerSettings,
  resolveManagerOptions,
  type SessionManagerOptions,
} from "./manager_options.ts";
import {
  addHeaders,
  completeResponse,
  thrownResponse,
} from "../http/response.ts";
import { Session, stateOf } from "../session/session.ts";
import type { SchemaOf } from "./standard_schema.ts";
import {
  listSessionsOf,
  revokeUser,
  type RevokeUserOptions,
  type UserSession,
} from "./users.ts";

const NOBODY = {
  credentials: undefined,
  renewed: undefined,
  isSecretOld: false,
};

/**
 * Gives each request its session and keeps what the request did to it: the one
 * place that decides.
 *
 * - **Nobody gets a session by asking.** No cookie, a malformed one, an unknown
 *   ID, a wrong secret: all are a new, empty session, which is neither stored
 *   nor given a cookie until there is something to keep. A token that a client
 *   made up is never adopted.
 * - **Nothing is lost.** A commit does to the record, as it is by then, what
 *   the request did, in one `update` of the store. No lock is held while the
 *   application's code runs, unless it asks to be `exclusive`.
 * - **Nothing comes back.** A session that ended or was given a new secret
 *   since the request opened it takes no more changes from that request.
 * - **Nothing is promised too early.** A handler that fails saves nothing; a
 *   store that fails is the caller's error; a cookie goes out only when the
 *   store has answered.
 *
 * A request that changes nothing writes nothing, but for a touch that is due. A
 * session that comes to hold nothing, no data, user, flash or form token, is
 * deleted, and its cookie with it.
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
  readonly #counters = startCounting();

  /**
   * Makes a manager; it does no I/O.
   *
   * @throws {TypeError} If there is no store, an option is not of its type,
   * browsers would refuse such a cookie, or the store cannot isolate like that.
   * @throws {RangeError} If a duration is not whole milliseconds above 0, or
   * `touchAfter` is more than a tenth of `idleTimeout`.
   */
  constructor(options: SessionManagerOptions & SchemaOf<Data>) {
    this.#settings = resolveManagerOptions(options);
  }

  /** How often what happened so far: the numbers of this moment. */
  get counters(): SessionCounters {
    return { ...this.#counters };
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
    options: IsolationOptions = {},
  ): (request: Request, info: Info) => Promise<Response> {
    resolveIsolation(this.#settings.store, options);
    return (request, info) =>
      this.run(request, (session) => handle(request, session, info), options);
  }

  /**
   * Opens the session of a request, lets `handle` answer, and commits. When
   * the commit is refused, because the session is gone by then, the response
   * goes out without a cookie and `onEvent` is told.
   *
   * The session is committed before the response leaves: a body that is
   * streamed later may read it, and throws when it writes to it. It is also
   * committed when the client has hung up meanwhile.
   *
   * A `Response` that `handle` throws, such as a redirect, is an answer like
   * one that it returns: the session is committed, and `run` returns it. One
   * that upgrades to a WebSocket takes the cookie along; since Deno ends a
   * server whose handler upgrades and then fails, `commit` before you upgrade.
   *
   * @returns The response, or a copy of it with our headers.
   * @throws {SessionConflictError} If it is `strict`, and another one committed
   * meanwhile. It is thrown, unlike a refusal: the handler has answered for a
   * state that was not kept. Run the request again, or answer 409.
   * @throws {SessionLockTimeoutError} If it is `exclusive`, and others hold the
   * session for too long; `handle` has not run.
   * @throws What else `handle` throws, and nothing is saved; what the store
   * throws; the reason why the request was aborted, if it waited then.
   */
  async run(
    request: Request,
    handle: (session: Session<Data>) => Response | Promise<Response>,
    options: IsolationOptions = {},
  ): Promise<Response> {
    const session = await this.open(request, options);
    const state = stateOf(session);
    try {
      let response: Response;
      try {
        response = await handle(session);
      } catch (thrown) {
        response = thrownResponse(thrown);
      }
      const committed = commitOrReport(this.#settings, state);
      const header = committed instanceof Promise ? await committed : committed;
      return completeResponse(response, {
        header,
        vary: varyOf(this.#settings, state),
      });
    } finally {
      const closed = closeVisit(this.#settings, state);
      if (closed !== undefined) await closed;
    }
  }

  /**
   * Opens the session that a request's cookie belongs to, for servers that need
   * `run` in two parts. Throws what `run` does before `handle`.
   *
   * @returns Its session, or a new one. No cookie can make this throw. Commit or
   * close what is `exclusive`.
   */
  async open(
    request: Request,
    options: IsolationOptions = {},
  ): Promise<Session<Data>> {
    const { now, store, isolationSettings, data: { types } } = this.#settings;
    const own = resolveIsolation(store, options, isolationSettings);
    const isolation = new Isolation(own, this.#counters);
    const finding = findIsolated(this.#settings, request, isolation);
    const found = finding && await finding;
    isolation.see(found?.record);
    const session = new Session<Data>({ stored: found, now, types });
    stateOf(session).visit = {
      request,
      owner: this.#settings,
      isolation,
      ...(found?.visit ?? NOBODY),
    };
    return session;
  }

  /**
   * Keeps what was done to a session, and appends to the headers what the
   * browser and caches have to know: `Set-Cookie`, and `Vary: Cookie` when the
   * session was looked at. The session is then up to date, and can be changed
   * and committed again. When this throws, the session still holds its changes.
   *
   * Whatever comes of it, an `exclusive` request then lets the next one have
   * the session. When it commits again, that is `strict`.
   *
   * @throws {SessionGoneError} If the session ended or was given a new secret
   * since it was opened. Nothing was written.
   * @throws {SessionDataError} If the data would not fit the schema.
   * @throws {SessionTooLargeError} If it would be more than `maxBytes`.
   * @throws {SessionConflictError} As of `run`. Nothing was written.
   * @throws {TypeError} If another manager opened the session, it is being
   * committed, or a value in it was given something that JSON cannot hold.
   * @throws What the store throws; the cookie is then not in the headers.
   */
  async commit(session: Session<Data>, headers: Headers): Promise<void> {
    const state = stateOf(session);
    const { isolation } = visitOf(this.#settings, state);
    try {
      addHeaders(headers, {
        header: undefined,
        vary: varyOf(this.#settings, state),
      });
      const header = await commitSession(this.#settings, state);
      addHeaders(headers, { header, vary: undefined });
    } finally {
      await isolation.leave();
    }
  }

  /**
   * Ends the request of a session without a commit, as `run` does by itself:
   * whatever changes the session throws from here on, and an `exclusive`
   * request lets the next one have it.
   */
  async close(session: Session<Data>): Promise<void> {
    await closeVisit(this.#settings, stateOf(session));
  }

  /**
   * Uses up a form token, in one step of the store: of two requests that send
   * the same one at once, exactly one hears `true`. It takes effect at once,
   * whatever becomes of the request.
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
    const state = stateOf(session);
    const visit = visitOf(this.#settings, state);
    return await consumeFormToken(this.#settings, visit, state, token);
  }

  /** Tells whether there is a session of this ID, which may be any text. */
  async hasSession(id: string): Promise<boolean> {
    return !isRevocationId(id) && await this.#settings.store.has(id);
  }

  /**
   * Ends a session by its ID, for an administrator; `false` when there was none.
   * A request of it that is still running cannot save any more.
   */
  async expire(id: string): Promise<boolean> {
    return !isRevocationId(id) && await this.#settings.store.delete(id);
  }

  /**
   * Lists what a user has open, the session accessed last first: his devices.
   * It costs what `entries` of the store with a `user` does; the directory
   * store opens those that are his.
   */
  async sessionsOf(user: string): Promise<UserSession[]> {
    return await listSessionsOf(this.#settings, user);
  }

  /**
   * Ends the sessions of a user on all devices: a password was changed, a
   * laptop was lost. No request that opens one afterwards gets it, and none
   * that is still running can commit. Who logs in afterwards is not concerned.
   *
   * This rests on a revocation that is written first, not on finding the sessions: a
   * listing can miss one. The mark is a record of the store named `user-…`; it
   * lives 400 days, longer than any browser keeps a cookie. For it, whoever
   * opens a session with a user, or commits one, loads one record more.
   *
   * @throws {TypeError} If the user is not a name, or `except` no text.
   * @throws What the store throws. Once the revocation is written, the sessions are
   * ended all the same; to call it again deletes what is left of them.
   */
  async revokeUser(
    user: string,
    options: RevokeUserOptions = {},
  ): Promise<number> {
    return await revokeUser(this.#settings, user, options);
  }
}
