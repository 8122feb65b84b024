import type { SessionRequest } from "../http/transport.ts";

const known = new WeakMap<object, SessionRequest>();

/**
 * Makes of a request of Node what a manager opens: one object a request, however
 * often it is asked for.
 *
 * @param request The request of `node:http`.
 * @param response Its response, whose end ends all waiting for the request.
 */
export function sessionRequestOf(
  request: {
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
    readonly method?: string | undefined;
    readonly url?: string | undefined;
    /** The same, where a framework has cut off where it is mounted. */
    readonly originalUrl?: string | undefined;
    readonly socket: object;
  },
  response: { once(event: "close", listener: () => void): unknown },
): SessionRequest {
  const before = known.get(request);
  if (before !== undefined) return before;
  const get = (name: string): string | null => {
    const value = request.headers[name.toLowerCase()] ?? null;
    return Array.isArray(value) ? value.join(", ") : value;
  };
  const isHttps = "encrypted" in request.socket && request.socket.encrypted;
  const host = get("host") ?? "localhost";
  const closing = new AbortController();
  response.once("close", () => closing.abort());
  const { method, url = "/", originalUrl = url } = request;
  const made = {
    headers: { get },
    method,
    url: `${isHttps ? "https" : "http"}://${host}${originalUrl}`,
    signal: closing.signal,
  };
  known.set(request, made);
  return made;
}
