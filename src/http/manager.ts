import { commitChange, renewCookie } from "./commit_change.ts";
import { SessionGoneError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { hashSecret, parseToken } from "../core/token.ts";
import { admit } from "./admit.ts";
import { findSession } from "./find_session.ts";
import {
  type ManagerSettings,
  resolveManagerOptions,
  type SessionManagerOptions,
} from "./manager_options.ts";
import { addHeaders, completeResponse } from "./response_headers.ts";
import { Session, stateOf } from "./session.ts";
import { sealRecord } from "./sealed_record.ts";
import { thrownResponse } from "./thrown_response.ts";
import type { SessionState, Visit } from "./session_state.ts";
import type { Header } from "./transport.ts";

const NOBODY = { claim: undefined, renewed: undefined, isSecretOld: false };

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
 *   application's code runs.
 * - **Nothing comes back.** A session that ended or was given a new secret
 *   since the request opened it takes no more changes from that request.
 * - **Nothing is promised too early.** A handler that fails saves nothing; a
 *   store that fails is the caller's error; a cookie goes out only when the
 *   store has answered.
 *
 * A request that changes nothing writes nothing, but for a touch when the last
 * access is older than `touchAfter`. A session that comes to hold nothing, no
 * data, user, flash or form token, is deleted, and its cookie with it.
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
 * const info = {} as Deno.ServeHandlerInfo;
 * assertEquals(await (await handler(request, info)).text(), "42");
 * ```
 */
export class SessionManager<Data extends object = Record<string, unknown>> {
  readonly #settings: ManagerSettings;

  /**
   * Makes a manager; it does no I/O.
   *
   * @param options The store, and what differs from the defaults.
   * @throws {TypeError} If there is no store, a duration is no number, or
   * browsers would refuse such a cookie.
   * @throws {RangeError} If a duration is not whole milliseconds above 0, or
   * `touchAfter` is more than a tenth of `idleTimeout`.
   */
  constructor(options: SessionManagerOptions) {
    this.#settings = resolveManagerOptions(options);
  }

  /**
   * Makes a handler for `Deno.serve`. See {@linkcode SessionManager.run}.
   *
   * @typeParam Info What the server says about the connection.
   * @param handle Answers a request with its session.
   * @returns The handler.
   */
  handler<Info = Deno.ServeHandlerInfo>(
    handle: (
      request: Request,
      session: Session<Data>,
      info: Info,
    ) => Response | Promise<Response>,
  ): (request: Request, info: Info) => Promise<Response> {
    return (request, info) =>
      this.run(request, (session) => handle(request, session, info));
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
   * @param request The request.
   * @param handle Answers it.
   * @returns The response, or a copy of it with our headers.
   * @throws What else `handle` throws, and nothing is saved; what the store
   * throws.
   */
  async run(
    request: Request,
    handle: (session: Session<Data>) => Response | Promise<Response>,
  ): Promise<Response> {
    const session = await this.open(request);
    const state = stateOf(session);
    try {
      let response: Response;
      try {
        response = await handle(session);
      } catch (thrown) {
        response = thrownResponse(thrown);
      }
      const header = await this.#commitOrTell(state);
      return completeResponse(response, { header, vary: this.#vary(state) });
    } finally {
      state.close();
    }
  }

  /**
   * Opens the session that a request's cookie belongs to. What {@linkcode
   * SessionManager.run} is made of, for servers that need it in two parts.
   *
   * @param request The request; its body is not touched.
   * @returns Its session, or a new one. No client can make this throw.
   * @throws What the store throws.
   */
  async open(request: Request): Promise<Session<Data>> {
    const { transport, now } = this.#settings;
    const value = transport.read(request.headers);
    const token = value === undefined ? undefined : parseToken(value);
    const found = token && await findSession(this.#settings, {
      ...token,
      secretHash: hashSecret(token.secret),
    });

    const session = new Session<Data>({ stored: found, now });
    stateOf(session).visit = {
      request,
      owner: this.#settings,
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
   * @param session A session that this manager opened.
   * @param headers The headers of the response.
   * @throws {SessionGoneError} If the session ended or was given a new secret
   * since it was opened. Nothing was written.
   * @throws {TypeError} If another manager opened the session, it is being
   * committed, or a value in it was given something that JSON cannot hold.
   * @throws What the store throws; the cookie is then not in the headers.
   */
  async commit(session: Session<Data>, headers: Headers): Promise<void> {
    const state = stateOf(session);
    addHeaders(headers, { header: undefined, vary: this.#vary(state) });
    const header = await this.#commit(state);
    addHeaders(headers, { header, vary: undefined });
  }

  /**
   * Uses up a form token, in one step of the store: of two requests that send
   * the same one at once, exactly one hears `true`. It takes effect at once,
   * whatever becomes of the request.
   *
   * @param session A session that this manager opened.
   * @param token What the form sent.
   * @returns `true` for the one request that may act on the form.
   * @throws {TypeError} If another manager opened the session.
   * @throws What the store throws.
   */
  async consumeFormToken(
    session: Session<Data>,
    token: string,
  ): Promise<boolean> {
    const state = stateOf(session);
    const { claim } = this.#visitOf(state);
    if (!session.hasFormToken(token)) return false;
    if (claim === undefined || state.formTokens.isAdded(token)) {
      return session.removeFormToken(token);
    }
    const { id } = claim;
    const { store, sealing } = this.#settings;
    let isConsumed = false;
    let record: SessionRecord | undefined;
    let kept: SessionRecord | undefined;
    try {
      kept = await store.update(id, (stored) => {
        const admission = admit(this.#settings, stored, claim);
        const formTokens = admission?.record.formTokens ?? [];
        isConsumed = formTokens.includes(token);
        // Thrown, since whatever is returned would be written.
        if (!isConsumed) throw new SessionGoneError(id);
        const { secret, record: { formTokens: _formTokens, ...rest } } =
          admission!;
        const left = formTokens.filter((other) => other !== token);
        record = left.length === 0 ? rest : { ...rest, formTokens: left };
        return sealRecord(record, { id, secret }, sealing);
      });
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error;
    }
    state.forgetFormToken(token, kept && record);
    return isConsumed && kept !== undefined;
  }

  /**
   * Tells whether there is a session.
   *
   * @param id A session ID, or any text at all.
   * @returns `true` when there is one.
   * @throws What the store throws.
   */
  async hasSession(id: string): Promise<boolean> {
    return await this.#settings.store.has(id);
  }

  /**
   * Ends a session by its ID, for an administrator. A request of it that is
   * still running cannot save any more.
   *
   * @param id A session ID, or any text at all.
   * @returns `false` when there was none.
   * @throws What the store throws.
   */
  async expire(id: string): Promise<boolean> {
    return await this.#settings.store.delete(id);
  }

  async #commit(state: SessionState): Promise<Header | undefined> {
    const visit = this.#visitOf(state);
    const change = state.begin(visit.isSecretOld);
    if (change === undefined) return renewCookie(this.#settings, visit);
    try {
      return await commitChange(this.#settings, visit, state, change);
    } finally {
      state.unlock();
    }
  }

  async #commitOrTell(state: SessionState): Promise<Header | undefined> {
    try {
      return await this.#commit(state);
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error;
      const { sessionId } = error;
      this.#settings.onEvent?.({ type: "refused", sessionId, error });
      return undefined;
    }
  }

  #vary({ isUsed }: SessionState): string | undefined {
    return isUsed ? this.#settings.transport.vary : undefined;
  }

  #visitOf({ visit }: SessionState): Visit {
    if (visit?.owner === this.#settings) return visit;
    throw new TypeError(
      "Cannot commit the session: this manager did not open it",
    );
  }
}
