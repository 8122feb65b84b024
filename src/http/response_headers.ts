/** What a session has to say to the browser and to caches. */
export interface Additions {
  /** A `Set-Cookie` header. */
  readonly cookie: string | undefined;
  /** Whether the response depends on the cookie. */
  readonly isVaried: boolean;
}

/**
 * Adds to the headers of a response.
 *
 * `Vary: Cookie` keeps a shared cache from handing the response to somebody
 * else; what the header already names, it keeps, and once is enough.
 *
 * @param headers The headers of the response; they are changed.
 * @param additions What to add.
 * @throws {TypeError} If the headers are immutable; nothing was added.
 */
export function addHeaders(headers: Headers, additions: Additions): void {
  const { cookie, isVaried } = additions;
  if (isVaried) varyOnCookie(headers);
  if (cookie !== undefined) headers.append("set-cookie", cookie);
}

/**
 * Gives a response what a session has to say. The application's own headers
 * stay.
 *
 * A cookie goes to a copy: a response without a body may be one object that
 * the application answers with again and again, and the next visitor would be
 * handed this one's cookie. Only an upgrade (101) must stay the object it is.
 *
 * @param response What the application answered.
 * @param additions What to add.
 * @returns The response to send: the same one, or a copy that took its body.
 */
export function completeResponse(
  response: Response,
  additions: Additions,
): Response {
  const { cookie, isVaried } = additions;
  if (cookie === undefined && !isVaried) return response;
  // An error response has no headers, and whoever sends it will fail.
  if (response.type === "error") return response;

  if (cookie === undefined || response.status === 101) {
    try {
      addHeaders(response.headers, additions);
      return response;
    } catch (error) {
      // The guard of `Response.redirect` and of `fetch`, and nothing else.
      if (!(error instanceof TypeError)) throw error;
    }
  }
  const { body, status, statusText, headers } = response;
  const copy = new Response(body, { status, statusText, headers });
  addHeaders(copy.headers, additions);
  return copy;
}

function varyOnCookie(headers: Headers): void {
  const vary = headers.get("vary");
  if (vary === null) return headers.set("vary", "Cookie");
  const names = vary.split(",").map((name) => name.trim().toLowerCase());
  if (names.includes("cookie") || names.includes("*")) return;
  headers.set("vary", vary.trim() === "" ? "Cookie" : `${vary}, Cookie`);
}
