import { isRevocationId } from "../core/revocation.ts";
import {
  addHeaders,
  checkResponse,
  checkUnlocked,
  completeResponse,
  thrownResponse,
} from "../http/response.ts";
import { Session, stateOf } from "../session/session.ts";
import type { SessionRequest } from "../http/transport.ts";
import { answerDevice } from "./answer_device.ts";
import { commitOrReport, commitVisit } from "./commit.ts";
import type { TypesOf } from "./data_options.ts";
import {
  type IsolationLevel,
  isPassive,
  type OpenOptions,
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
  revokeSessions,
  type RevokeUserOptions,
  type UserSession,
} from "./users.ts";
import { Visit } from "./visit.ts";

/** A request under way and its visit. */
interface Ongoing {
  readonly opening: Promise<Visit>;
  /** What it was opened with. */
  readonly level: IsolationLevel;
  /** Missing while it is being opened. */
  visit: Visit | undefined;
  /** Whether a `run` will commit it. */
  isRunning: boolean;
}

/**
 * Gives each request its session and keeps what the request did to it: the one
 * place that decides.
 *
 * - **A token made up by a client opens nothing.** No cookie, a malformed one, an
 *   unknown ID, a wrong secret: all give a new, empty session, which is neither
 *   stored nor given a cookie until there is something to keep. A token that a
 *   client made up is never adopted. Of several cookies of the same name the one
 *   that opens a session counts; two that open different ones are ignored, until
 *   a login or logout, which ends them all.
 * - **Nothing is lost.** A commit does what the request did to the record as it
 *   is at that moment, in one `update` of the store. No lock is held while the
 *   application's code runs, unless the request is `exclusive`.
 * - **Nothing comes back.** A session that has ended or was given a new secret
 *   since the request opened it takes no more changes from that request.
 * - **Nothing is promised too early.** A handler that fails, or answers with 500
 *   or more (`commitWhen`), saves nothing; the error of a store reaches the caller; a cookie is sent only after the store
 *   has answered.
 *
 * A request that changes nothing writes nothing, but for a touch that is due. A
 * new session that holds nothing, no data, user, flash or form token, is not
 * stored; one that comes to hold nothing stays, empty, as long as it lives.
 *
 * What a request does to its session, and its cookie:
 *
 * | the request | the session | its cookie |
 * | --- | --- | --- |
 * | `setUser(u)`, no user or u signed in | same ID, new secret; data and flash stay, form tokens go; the absolute timeout begins anew | sent |
 * | `setUser(v)`, u signed in | u's session ends; a new one for v, of what follows | the new one's |
 * | `destroy()`; `setUser(null)`, a user signed in | it ends; what follows is a new one | cleared, or the new one's |
 * | `setUser(null)`, no user signed in | nothing | - |
 * | `regenerate()` | same ID, new secret; form tokens go | sent |
 * | `discard()` | as if nothing had been done since the opening or the last commit | - |
 * | it comes to hold nothing | it stays, empty | - |
 * | nothing | a touch, when due | sent again if it looked at the session, and a tenth of the cookie's age has passed |
 *
 * Other requests may have changed the record meanwhile. At the commit it is:
 *
 * | the record | the request | then |
 * | --- | --- | --- |
 * | of a user revoked since the opening | a login as that user | `SessionRevokedError`, nothing is kept |
 * | there, with this secret | anything | what it did is done to the record |
 * | there, with another secret | a login | a session of its own, new ID: data and flash as found when opened, unless another user was signed in, and what it did. If the record still has that other user, that session ends |
 * | there, with another secret | `destroy()`, `setUser(null)` of the user whom it still has | it ends, the cookie is cleared |
 * | there, with another secret | anything else | refused |
 * | missing | a login, no user or another one signed in when opened | a new session of what it did |
 * | missing | `destroy()`, `setUser(null)` | nothing ends, no cookie is cleared; what follows is a new session |
 * | missing | anything else, also `setUser(u)` of the u who was signed in | refused |
 *
 * Refused means `SessionGoneError`: `commit` throws it; `run` tells `onEvent`, and
 * throws it when the request has called `setUser`. A session that ends is deleted
 * before the new one is created, so a logout succeeds where nothing can be
 * written.
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
  readonly #ongoing = new WeakMap<SessionRequest, Ongoing>();

  /**
   * Makes a manager; it does no I/O.
   *
   * @param options Where the sessions are kept, and the rest.
   * @throws {TypeError} If the store is missing, an option is not of its type,
   * browsers would refuse such a cookie, or the store cannot isolate like that.
   * @throws {RangeError} If a number is out of bounds, such as a `touchAfter` of
   * more than a tenth of `idleTimeout`.
   *
   * @example Sessions that end after half an hour without a request
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager<{ visits: number }>({
   *   store: new MemorySessionStore(),
   *   idleTimeout: 30 * 60 * 1000,
   * });
   * assertEquals(sessions.counters.merged, 0);
   * ```
   */
  constructor(
    options: SessionManagerOptions & SchemaOf<Data> & TypesOf<Data>,
  ) {
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
   * @param handle Answers a request, as of `run`, with what the server says about the
   * connection.
   * @param options How the session of each request is opened.
   * @returns The handler; it throws what `run` throws.
   * @throws {TypeError} If an option is not what it can be, or the store cannot isolate
   * like that.
   *
   * @example A page for Deno.serve
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const handler = sessions.handler<void>((_request, session) =>
   *   new Response(`signed in: ${session.user !== null}`)
   * ); // Deno.serve(sessions.handler(…)) takes its info, too
   * const response = await handler(new Request("http://localhost/"));
   * assertEquals(await response.text(), "signed in: false");
   * ```
   */
  handler<Info = Deno.ServeHandlerInfo>(
    handle: (
      request: Request,
      session: Session<Data>,
      info: Info,
    ) => Response | Promise<Response>,
    options?: OpenOptions,
  ): (request: Request, info: Info) => Promise<Response> {
    if (options) {
      resolveIsolation(this.#settings.store, options);
      isPassive(options);
    }
    return (request, info) =>
      this.run(request, (session) => handle(request, session, info), options);
  }

  /**
   * Opens the session of a request, lets `handle` answer, and commits. If the
   * commit is refused, because the session is gone, the response is sent without
   * a cookie and `onEvent` is called, unless the request has signed a user in.
   *
   * A request has one session, however often it is opened: a `run` inside
   * another one of the same request commits nothing, and what its handler did,
   * also before it threw, is committed by the outermost. A session that was only
   * opened is committed by the `run` that finds it.
   *
   * The session is committed before the response is sent: a body that is
   * streamed later may read it, and throws when it writes to it. It is also
   * committed when the client has disconnected meanwhile.
   *
   * A `Response` that `handle` throws, such as a redirect, is an answer like
   * one that it returns: the session is committed, and `run` returns it. An
   * answer that `commitWhen` refuses, with 500 or more, is sent without a cookie
   * and nothing is saved; a form token that was consumed stays consumed. One
   * that upgrades to a WebSocket carries the cookie; since Deno ends a server
   * whose handler upgrades and then fails, `commit` before you upgrade.
   *
   * Where `deviceBound` is set it answers what browsers ask of the manager itself,
   * and `handle` is not called.
   *
   * @param request A `Request`, or what it is made of.
   * @param handle Answers it; what it does to the session is committed.
   * @param options How the session is opened.
   * @returns The response, or a copy of it with our headers.
   * @throws {SessionGoneError} If the request called `setUser` for the user who
   * was signed in, and the session is gone. Answer 401.
   * @throws {SessionRevokedError} If it signs a user in whose sessions were
   * revoked since it was opened, or since `beginLogin`. Answer 401.
   * @throws {SessionConflictError} If it is `strict`, and another request
   * committed meanwhile. It is thrown, unlike a refusal: the handler has answered
   * for a state that was not kept. Run the request again, or answer 409.
   * @throws {SessionLockTimeoutError} If it is `exclusive`, and other requests
   * hold the session for too long; `handle` has not run.
   * @throws {TypeError} If `handle` answers with anything but a `Response`, or
   * with one whose body was read or, if the cookie changes, is being read; nothing
   * is saved.
   * @throws What else `handle` throws, and nothing is saved; what the store
   * throws; the reason why the request was aborted, if it waited then.
   *
   * @example A login, then a page
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const login = await sessions.run(new Request("http://localhost/login"), (session) => {
   *   session.setUser("ann");
   *   return new Response(null, { status: 303, headers: { location: "/" } });
   * });
   * const cookie = login.headers.getSetCookie()[0]!.split(";")[0]!;
   *
   * const request = new Request("http://localhost/", { headers: { cookie } });
   * const page = await sessions.run(request, (session) => new Response(session.user));
   * assertEquals(await page.text(), "ann");
   * ```
   */
  async run(
    request: SessionRequest,
    handle: (session: Session<Data>) => Response | Promise<Response>,
    options?: OpenOptions,
  ): Promise<Response> {
    if (this.#settings.device !== undefined) {
      const answer = await this.answerDevice(request);
      if (answer !== undefined) return answer;
    }
    const ongoing = this.#enter(request, options);
    const isInner = ongoing.isRunning;
    ongoing.isRunning = true;
    try {
      const visit = ongoing.visit ??= await ongoing.opening;
      let response: Response;
      try {
        response = await handle(visit.session as Session<Data>);
      } catch (thrown) {
        response = thrownResponse(thrown);
      }
      checkResponse(response);
      if (isInner) return response;
      // To ask for the body makes a stream of it, which the server sends slowly.
      if (visit.state.changesCookie) checkUnlocked(response);
      const committing = this.#settings.commitWhen(response)
        ? commitOrReport(visit)
        : undefined;
      const header = committing && await committing;
      const offer = visit.takeOffer();
      return completeResponse(response, header, visit.vary, offer);
    } finally {
      const closing = isInner ? undefined : this.#end(request, ongoing);
      if (closing !== undefined) await closing;
    }
  }

  /**
   * Answers a browser that binds a session to its device, or proves that it has the
   * key; see `deviceBound`. It is for servers that `open` and `commit`, before
   * they open: `run` and `handler` do it by themselves. It opens no session.
   *
   * @param request A `Request`, or what it is made of, with its method and URL.
   * @returns The answer; `undefined` for any other request, and where
   * `deviceBound` is not set.
   * @experimental As `deviceBound` is.
   *
   * @example A server that opens and commits
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({
   *   store: new MemorySessionStore(),
   *   idleTimeout: 30 * 60 * 1000,
   *   deviceBound: {},
   * });
   * async function serve(request: Request): Promise<Response> {
   *   const answer = await sessions.answerDevice(request);
   *   if (answer !== undefined) return answer;
   *   const session = await sessions.open(request);
   *   const headers = new Headers();
   *   await sessions.commit(session, headers);
   *   await sessions.close(session);
   *   return new Response("a page", { headers });
   * }
   * const page = await serve(new Request("https://localhost/"));
   * assertEquals(await page.text(), "a page");
   * ```
   */
  async answerDevice(request: SessionRequest): Promise<Response | undefined> {
    return await answerDevice(this.#settings, request);
  }

  /**
   * Opens the session that a request's cookie belongs to, for servers that need
   * `run` in two parts. Throws what `run` does before `handle`. Until it is closed
   * the same request gets the same session; it may be asked for with the same
   * isolation or with `merge`, and anything else is a `TypeError`.
   *
   * @param request A `Request`, or what it is made of.
   * @param options How the session is opened.
   * @returns Its session, or a new one. No cookie can make this throw. Commit or
   * close it if it is `exclusive`.
   *
   * @example The parts of `run`, one by one
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const session = await sessions.open({ headers: new Headers() });
   * session.set("theme", "dark");
   * const headers = new Headers();
   * await sessions.commit(session, headers);
   * await sessions.close(session);
   * assertEquals(headers.getSetCookie().length, 1);
   * ```
   */
  async open(
    request: SessionRequest,
    options?: OpenOptions,
  ): Promise<Session<Data>> {
    const ongoing = this.#enter(request, options);
    try {
      ongoing.visit ??= await ongoing.opening;
    } catch (error) {
      // Its callers get the error, and may try again.
      this.#forget(request, ongoing);
      throw error;
    }
    return ongoing.visit.session as Session<Data>;
  }

  /**
   * Gives the session of a request that is open: after `open`, or within `run`,
   * and before `close`. For code that has the request only. It must be the same
   * object: a clone, or what a framework puts in its place, is another request.
   *
   * @param request The one that was opened.
   * @returns `undefined` when the request is not open.
   *
   * @example In a function that has the request only
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const request = new Request("http://localhost/");
   * await sessions.run(request, (session) => {
   *   assertEquals(sessions.of(request), session);
   *   return new Response();
   * });
   * assertEquals(sessions.of(request), undefined);
   * ```
   */
  of(request: SessionRequest): Session<Data> | undefined {
    return this.#ongoing.get(request)?.visit?.session as Session<Data>;
  }

  /**
   * Keeps what was done to a session, and appends to the headers what the
   * browser and caches have to know: `Set-Cookie`, and `Vary: Cookie`, when the
   * session was looked at; otherwise nothing, and nothing is rotated. The session
   * is then up to date, and can be changed and committed again. When this throws, the session still holds its changes.
   *
   * Without headers, as in the middle of a WebSocket, nothing can be sent: the
   * secret is not rotated, and a cookie that is due stays due.
   *
   * Whether this succeeds or throws, an `exclusive` request then lets the next
   * one have the session. A second commit of it is `strict`.
   *
   * @param session A session that this manager opened.
   * @param headers Those of the response, which are added to.
   * @returns The headers that it added, for a framework that has headers of its
   * own: `Set-Cookie` and `Vary` to be appended, others to be set.
   * @throws {SessionGoneError} If the session has ended or was given a new secret
   * since it was opened. Nothing was written.
   * @throws {SessionRevokedError} As of `run`. Nothing was written.
   * @throws {SessionDataError} If the data would not fit the schema.
   * @throws {SessionTooLargeError} If it would be more than `maxBytes`.
   * @throws {SessionConflictError} As of `run`. Nothing was written.
   * @throws {TypeError} If another manager opened the session, it is being
   * committed, or a value in it was given something that JSON cannot hold; if
   * there are no headers for the cookie of a login, a `regenerate` or a new
   * session, or they are immutable, as those of `fetch`. Nothing was written.
   * @throws What the store throws; the cookie is then not in the headers.
   *
   * @example Headers that a server of Node sends
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const session = await sessions.open({ headers: new Headers() });
   * session.setUser("ann");
   * const added = await sessions.commit(session, new Headers());
   * await sessions.close(session);
   * const names = added.map(([name]) => name); // response.appendHeader(name, value)
   * assertEquals(names.includes("set-cookie"), true);
   * ```
   */
  async commit(
    session: Session<Data>,
    headers?: Headers,
  ): Promise<(readonly [name: string, value: string])[]> {
    const visit = Visit.of(session, this.#settings);
    const canSend = headers !== undefined;
    try {
      const varied = canSend ? addHeaders(headers, undefined, visit.vary) : [];
      const header = await commitVisit(visit, canSend);
      return canSend
        ? [
          ...varied,
          ...addHeaders(headers, header, undefined, visit.takeOffer()),
        ]
        : [];
    } finally {
      await visit.leave();
    }
  }

  /**
   * Ends the request of a session without a commit, as `run` does by itself, so
   * not inside of one, which then fails: the request is forgotten, so that to
   * open it again begins anew; what changes the session throws from here on; and
   * an `exclusive` request lets the next one have it.
   *
   * @param session A session that this manager opened.
   * @throws {TypeError} If another manager opened it.
   */
  async close(session: Session<Data>): Promise<void> {
    const visit = Visit.of(session, this.#settings);
    const ongoing = this.#ongoing.get(visit.request);
    if (ongoing?.visit === visit) this.#ongoing.delete(visit.request);
    await visit.close();
  }

  /**
   * Marks a session accessed, when that is due as by `touchAfter`, for what lasts
   * longer than its idle timeout: a WebSocket, an upload. To be called more often
   * than that timeout, also after the request is over; an upload is then saved
   * at the end. It renews no cookie: only a request that looks at the session
   * does, and an absolute timeout stays.
   *
   * ```ts ignore
   * const timer = setInterval(() => {
   *   sessions.keepAlive(session)
   *     .then((isAlive) => isAlive || socket.close(), console.error);
   * }, 60_000);
   * ```
   *
   * @param session A session that this manager opened.
   * @returns `false` when the session does not go on, and nothing was marked: it
   * is not stored, was ended or revoked, has expired, or a login or `regenerate`
   * since this request opened or committed it gave it a new secret. A rotation
   * does not. Nothing is reported, and nothing ends by it.
   * @throws {TypeError} If another manager opened it.
   * @throws What the store throws.
   */
  async keepAlive(session: Session<Data>): Promise<boolean> {
    return await Visit.of(session, this.#settings).keepAlive();
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
   *
   * @example A form that is sent twice
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const session = await sessions.open({ headers: new Headers() });
   * const token = session.createFormToken(); // into a hidden field
   * await sessions.commit(session, new Headers());
   *
   * assertEquals(await sessions.consumeFormToken(session, token), true);
   * assertEquals(await sessions.consumeFormToken(session, token), false);
   * ```
   */
  async consumeFormToken(
    session: Session<Data>,
    token: string,
  ): Promise<boolean> {
    return await Visit.of(session, this.#settings).consumeFormToken(token);
  }

  /**
   * Tells whether there is a session with this ID, which may be any text.
   *
   * @param id Any text.
   * @throws What the store throws.
   */
  async hasSession(id: string): Promise<boolean> {
    return !isRevocationId(id) && await this.#settings.store.has(id);
  }

  /**
   * Ends a session by its ID, for an administrator; `false` if there is none.
   * A request of it that is still running cannot save any more.
   *
   * @param id Any text.
   * @throws What the store throws.
   */
  async expire(id: string): Promise<boolean> {
    return !isRevocationId(id) && await this.#settings.store.delete(id);
  }

  /**
   * Lists the sessions of a user, the one accessed last first: the devices on
   * which the user is signed in. It costs what `entries` of the store with a
   * `user` costs; the directory store opens the sessions of that user only.
   *
   * @param user The user.
   * @returns A list of them; empty for a user who is not signed in anywhere.
   * @throws {TypeError} If the user is not a name.
   * @throws What the store throws.
   *
   * @example The devices of a user
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * await sessions.run(new Request("http://localhost/"), (session) => {
   *   session.setUser("ann");
   *   session.setLabel("Firefox on Linux");
   *   return new Response();
   * });
   * const devices = await sessions.sessionsOf("ann");
   * assertEquals(devices.map(({ label }) => label), ["Firefox on Linux"]);
   * ```
   */
  async sessionsOf(user: string): Promise<UserSession[]> {
    return await listSessionsOf(this.#settings.store, user);
  }

  /**
   * Ends the sessions of a user on all devices: a password was changed, a
   * laptop was lost. No request that opens one afterwards gets it, none that is
   * still running can commit, and a login that is under way, whose password may be
   * the old one, fails with `SessionRevokedError`. So change the password first,
   * then revoke. A later login of the user is not affected.
   *
   * This rests on a revocation that is written first, not on finding the
   * sessions: a listing can miss one. The revocation is a record of the store
   * named `user-…`; it lives 400 days, longer than any browser keeps a cookie.
   * Because of it each request that opens a session with a user, or commits one,
   * loads one record more.
   *
   * Which came first, a login or a revocation, is exact within a process. Between
   * two it is told by their clocks, unless the session was opened signed in as the
   * user or `beginLogin` was called: a login is refused when it was opened up to 1
   * s after a revocation by another process.
   *
   * @param user The user.
   * @param options With `except: session`, this request may call `setUser(user)`
   * before or after it.
   * @returns How many sessions this deleted.
   * @throws {TypeError} If the user is not a name, or `except` is neither a string
   * nor a session that this manager opened.
   * @throws What the store throws. Once the revocation is written, the sessions
   * have ended all the same; to call it again deletes what is left of them.
   *
   * @example After a change of the password: all other devices are signed out
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const signsIn = () =>
   *   sessions.run(new Request("http://localhost/"), async (session) => {
   *     session.setUser("ann");
   *     await sessions.revokeUser("ann", { except: session });
   *     return new Response();
   *   });
   * await signsIn();
   * await signsIn();
   * assertEquals((await sessions.sessionsOf("ann")).length, 1);
   * ```
   */
  async revokeUser(
    user: string,
    options: RevokeUserOptions<Data> = {},
  ): Promise<number> {
    const { except } = options;
    const isSession = except instanceof Session;
    const visit = isSession ? Visit.of(except, this.#settings) : undefined;
    const id = isSession ? stateOf(except).id : except;
    return await revokeSessions(
      this.#settings,
      user,
      id,
      (generation) => visit?.joinGeneration(user, generation),
    );
  }

  /**
   * Notes, before a password is checked, that a login of the user begins: should
   * the user's sessions be revoked from here on, a `setUser(user)` in this or a
   * later request of the session fails with `SessionRevokedError`. Without it a
   * login counts as begun when the request of the `setUser` was opened: enough for
   * a password, but not for one whose second factor, or answer of another server,
   * comes in a request of its own. It is written at the commit.
   *
   * @param session A session that this manager opened.
   * @param user The user who is about to sign in.
   * @throws {TypeError} If another manager opened it, it is `readOnly`, or the
   * user is not a name.
   * @throws What the store throws.
   */
  async beginLogin(session: Session<Data>, user: string): Promise<void> {
    await Visit.of(session, this.#settings).beginLogin(user);
  }

  /** Finds the visit of a request, or begins one. */
  #enter(
    request: SessionRequest,
    options: OpenOptions | undefined,
  ): Ongoing {
    const { store, isolation: defaults } = this.#settings;
    const isolation = options
      ? resolveIsolation(store, options, defaults)
      : defaults;
    const { level } = isolation;
    const passive = options !== undefined && isPassive(options);
    const before = this.#ongoing.get(request);
    if (before !== undefined) {
      const isKept = options?.isolation === undefined || level === "merge" ||
        level === before.level;
      if (isKept) return before;
      throw new TypeError(
        `Cannot open the session with the isolation ${level}: its request is open with ${before.level}`,
      );
    }
    const ongoing: Ongoing = {
      opening: openVisit(this.#settings, request, isolation, passive),
      level,
      visit: undefined,
      isRunning: false,
    };
    this.#ongoing.set(request, ongoing);
    return ongoing;
  }

  /** Forgets a request, unless it has begun anew meanwhile. */
  #forget(request: SessionRequest, ongoing: Ongoing): void {
    const isIt = this.#ongoing.get(request) === ongoing;
    if (isIt) this.#ongoing.delete(request);
  }

  /** Forgets a request, and lets its session take no more changes. */
  #end(
    request: SessionRequest,
    ongoing: Ongoing,
  ): PromiseLike<void> | undefined {
    this.#forget(request, ongoing);
    return ongoing.visit?.close();
  }
}
