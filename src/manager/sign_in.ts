import type { SessionManager } from "./manager.ts";

/** With https, as a cookie that is `Secure` needs it. */
const ANY_URL = "https://localhost/";
/** Headers of an answer that are for caches. */
const OTHERS = ["vary", "cache-control"];

/**
 * Makes a session in which a user is signed in, for the tests of an application:
 * a request that sends the cookie needs no login page before. The session is kept
 * in the manager's store, like one of a browser, and ends like one.
 *
 * It is for an application that is under test in this process, and for one in
 * another process on the same store. A server must not call it to sign a
 * visitor in: that is what `session.setUser` is for.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 * @param sessions The manager.
 * @param user The user.
 * @param data What the session holds.
 * @returns The header `Cookie` of such a request; the token, where the manager's
 * `transport` sends that in a header of its own.
 * @throws {TypeError} If the user or a value cannot be kept.
 * @throws {SessionDataError} If the data does not fit the schema.
 * @throws {SessionTooLargeError} If it is more than `maxBytes`.
 * @throws What the store throws.
 *
 * @example A test of a page
 * ```ts
 * import { MemorySessionStore, SessionManager, signIn } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const sessions = new SessionManager<{ cart: string[] }>({
 *   store: new MemorySessionStore(),
 * });
 * const handler = sessions.handler<void>((_request, session) =>
 *   new Response(`${session.user}: ${session.get("cart")}`)
 * );
 *
 * const cookie = await signIn(sessions, "ann", { cart: ["tea"] });
 * const request = new Request("http://localhost/cart", { headers: { cookie } });
 * assertEquals(await (await handler(request)).text(), "ann: tea");
 * ```
 */
export async function signIn<Data extends object>(
  sessions: SessionManager<Data>,
  user: string,
  data: Partial<Data> = {},
): Promise<string> {
  const session = await sessions.open({ headers: new Headers(), url: ANY_URL });
  session.setUser(user);
  for (const key of Object.keys(data) as (keyof Data & string)[]) {
    session.set(key, data[key] as never);
  }
  const headers = await sessions.commit(session, new Headers());
  await sessions.close(session);
  const [, token] = headers.find(([name]) => !OTHERS.includes(name))!;
  // A cookie has attributes, which only browsers are told.
  return token.split(";", 1)[0]!;
}
