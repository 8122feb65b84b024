import type { Header } from "./transport.ts";

/** A directive that keeps a response out of shared caches, and that alone. */
const PRIVATE = /(?:^|,)\s*(?:no-store|private)\s*(?:,|$)/i;

/**
 * Adds to the headers of a response.
 *
 * `Vary` keeps a shared cache from answering another client with the response;
 * the names that it has stay, and once is enough. A response with a token is
 * `Cache-Control: no-store`, unless the application has set `no-store` or
 * `private`: not all shared caches know that `Set-Cookie` is for one client, and
 * they would give a page that is `public` to all.
 *
 * @param headers The headers of the response; they are changed.
 * @param header What issues or revokes the client's token, if anything does.
 * @param vary The request header that the response depends on, if it does.
 * @param offer What goes with the token, if anything does.
 * @returns What was added, a header each.
 * @throws {TypeError} If the headers are immutable; nothing was added.
 */
export function addHeaders(
  headers: Headers,
  header: Header | undefined,
  vary: string | undefined,
  offer?: Header,
): Header[] {
  const added: Header[] = [];
  if (vary !== undefined && varyOn(headers, vary)) added.push(["vary", vary]);
  if (header === undefined) return added;
  const [name, value] = header;
  if (name === "set-cookie") headers.append(name, value);
  else headers.set(name, value);
  added.push(header);
  if (offer !== undefined) {
    // Another manager may have added one of its own.
    headers.append(...offer);
    added.push(offer);
  }
  if (!PRIVATE.test(headers.get("cache-control") ?? "")) {
    headers.set("cache-control", "no-store");
    added.push(["cache-control", "no-store"]);
  }
  return added;
}

/**
 * Adds to the headers of an application's response. Its own headers stay.
 *
 * A token is added to a copy: a response without a body may be one object that
 * the application answers with again and again, and the next client would get
 * this one's token. Only an upgrade (101) has to stay the object it is.
 *
 * @param response The application's response.
 * @param header What issues or revokes the client's token, if anything does.
 * @param vary The request header that the response depends on, if it does.
 * @param offer What goes with the token, if anything does.
 * @returns The response to send: the same one, or a copy that took its body.
 */
export function completeResponse(
  response: Response,
  header: Header | undefined,
  vary: string | undefined,
  offer?: Header,
): Response {
  if (header === undefined && vary === undefined) return response;
  // An error response has no headers, and the server cannot send it.
  if (response.type === "error") return response;

  if (header === undefined || response.status === 101) {
    try {
      addHeaders(response.headers, header, vary, offer);
      return response;
    } catch (error) {
      // The headers of `Response.redirect` and of `fetch` are immutable.
      if (!(error instanceof TypeError)) throw error;
    }
  }
  const { body, status, statusText, headers } = response;
  const copy = new Response(body, { status, statusText, headers });
  addHeaders(copy.headers, header, vary, offer);
  return copy;
}

/**
 * Takes a `Response` that a handler threw as its answer, for frameworks in which
 * a handler ends with `throw redirect("/login")`.
 *
 * @param thrown What the handler threw.
 * @returns The same, if it is a `Response`.
 * @throws The same, if it is anything else.
 */
export function thrownResponse(thrown: unknown): Response {
  if (isResponse(thrown)) return thrown;
  throw thrown;
}

/**
 * Refuses what cannot be sent as the answer of a handler.
 *
 * @param answer Anything at all.
 * @throws {TypeError} If it is not a `Response`, or its body was read.
 */
export function checkResponse(answer: unknown): asserts answer is Response {
  if (!isResponse(answer)) {
    throw new TypeError(
      "Cannot answer the request: the handler did not return a Response",
    );
  }
  if (answer.bodyUsed) throw cannotSend("was already read");
}

/**
 * Refuses a response whose body something else is reading.
 *
 * @param answer A `Response` whose body was not read.
 * @throws {TypeError} If its body is locked.
 */
export function checkUnlocked({ body }: Response): void {
  if (body?.locked) throw cannotSend("is locked by a reader");
}

function cannotSend(state: string): TypeError {
  return new TypeError(
    `Cannot answer the request: the body of the handler's Response ${state}`,
  );
}

/** By its shape too: a framework may bring a class of its own. */
function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true;
  if (typeof value !== "object" || value === null) return false;
  const { status, headers, bodyUsed } = value as Partial<Response>;
  return typeof status === "number" && typeof bodyUsed === "boolean" &&
    typeof headers?.get === "function";
}

/** Answers whether the name was missing. */
function varyOn(headers: Headers, name: string): boolean {
  const vary = headers.get("vary") ?? "";
  const names = vary.split(",").map((each) => each.trim().toLowerCase());
  if (names.includes(name.toLowerCase()) || names.includes("*")) {
    // Immutable headers throw here already, and not once a token is to be sent.
    headers.set("vary", vary);
    return false;
  }
  headers.set("vary", vary.trim() === "" ? name : `${vary}, ${name}`);
  return true;
}
