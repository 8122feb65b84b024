import type { Header } from "./transport.ts";

/** A directive that keeps a response out of shared caches, and that alone. */
const PRIVATE = /(?:^|,)\s*(?:no-store|private)\s*(?:,|$)/i;

/** What a session has to say to the client and to caches. */
export interface Additions {
  /** What hands the client its token, or takes it back. */
  readonly header: Header | undefined;
  /** The request header that the response depends on, if it does. */
  readonly vary: string | undefined;
}

/**
 * Adds to the headers of a response.
 *
 * `Vary` keeps a shared cache from handing the response to somebody else; what
 * it already names, it keeps, and once is enough. A response with a token is
 * `Cache-Control: no-store`, unless the application has kept shared caches out
 * itself, with `no-store` or `private`: not all of them know that `Set-Cookie`
 * is for one, and a page that is `public` would hand it to everybody.
 *
 * @param headers The headers of the response; they are changed.
 * @param additions What to add.
 * @throws {TypeError} If the headers are immutable; nothing was added.
 */
export function addHeaders(headers: Headers, additions: Additions): void {
  const { header, vary } = additions;
  if (vary !== undefined) varyOn(headers, vary);
  if (header === undefined) return;
  const [name, value] = header;
  if (name === "set-cookie") headers.append(name, value);
  else headers.set(name, value);
  if (!PRIVATE.test(headers.get("cache-control") ?? "")) {
    headers.set("cache-control", "no-store");
  }
}

/**
 * Gives a response what a session has to say. The application's own headers
 * stay.
 *
 * A token goes to a copy: a response without a body may be one object that
 * the application answers with again and again, and the next visitor would be
 * handed this one's token. Only an upgrade (101) must stay the object it is.
 *
 * @param response What the application answered.
 * @param additions What to add.
 * @returns The response to send: the same one, or a copy that took its body.
 */
export function completeResponse(
  response: Response,
  additions: Additions,
): Response {
  const { header, vary } = additions;
  if (header === undefined && vary === undefined) return response;
  // An error response has no headers, and whoever sends it will fail.
  if (response.type === "error") return response;

  if (header === undefined || response.status === 101) {
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

function varyOn(headers: Headers, name: string): void {
  const vary = headers.get("vary");
  if (vary === null) return headers.set("vary", name);
  const names = vary.split(",").map((each) => each.trim().toLowerCase());
  if (names.includes(name.toLowerCase()) || names.includes("*")) return;
  headers.set("vary", vary.trim() === "" ? name : `${vary}, ${name}`);
}

/**
 * Takes a `Response` that a handler threw for its answer, as frameworks have
 * it that leave a handler by `throw redirect("/login")`.
 *
 * @param thrown What the handler threw.
 * @returns It, when it is a `Response`.
 * @throws It, when it is anything else.
 */
export function thrownResponse(thrown: unknown): Response {
  if (thrown instanceof Response) return thrown;
  throw thrown;
}
