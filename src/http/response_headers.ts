/**
 * Says that a response depends on the cookie, so that no shared cache hands it
 * to somebody else. What the header already names, it keeps, and once is enough.
 *
 * @param headers The headers of the response; they are changed.
 */
export function varyOnCookie(headers: Headers): void {
  const vary = headers.get("vary") ?? "";
  const names = vary.split(",").map((name) => name.trim().toLowerCase());
  if (names.includes("cookie") || names.includes("*")) return;
  headers.set("vary", vary.trim() === "" ? "Cookie" : `${vary}, Cookie`);
}

/**
 * Gives a response what a commit added. The application's own headers stay.
 *
 * A cookie goes to a copy: a response without a body may be one object that
 * the application answers with again and again, and the next visitor would be
 * handed this one's cookie. Only an upgrade (101) must stay the object it is.
 *
 * @param response What the application answered.
 * @param added What {@linkcode SessionManager.commit} put into empty headers.
 * @returns The response to send: the same one, or a copy that took its body.
 */
export function addHeaders(response: Response, added: Headers): Response {
  const cookies = added.getSetCookie();
  const isVaried = added.has("vary");
  if (cookies.length === 0 && !isVaried) return response;
  // An error response has no headers, and whoever sends it will fail.
  if (response.type === "error") return response;

  const mustCopy = cookies.length > 0 && response.status !== 101;
  const target = mustCopy || !isMutable(response.headers)
    ? new Response(response.body, {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers,
    })
    : response;
  if (isVaried) varyOnCookie(target.headers);
  for (const cookie of cookies) target.headers.append("set-cookie", cookie);
  return target;
}

function isMutable(headers: Headers): boolean {
  try {
    headers.delete("x-latchkey-none");
    return true;
  } catch (error) {
    // Nothing but the guard of `Response.redirect` and of `fetch` throws here.
    if (error instanceof TypeError) return false;
    throw error;
  }
}
