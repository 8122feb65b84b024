import { fail } from "./layout.ts";

const LONGEST_FORM = 16 * 1024;

/**
 * Tells whether a browser sends a request on behalf of another site. Browsers
 * say so in `Sec-Fetch-Site` (over https and on localhost) or in `Origin` (of
 * every POST); who sends neither, such as curl, is no browser and can be
 * misled by nobody. It is the rule of Go's `http.CrossOriginProtection`. A
 * page of another port is another site here.
 *
 * @param request The request.
 * @returns `true` when it must not change anything.
 */
export function isFromElsewhere(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  const origin = request.headers.get("origin");
  if (origin === null) return false;
  // Not the whole origin: a proxy may speak https where we do not.
  return !URL.canParse(origin) ||
    new URL(origin).host !== new URL(request.url).host;
}

/**
 * Reads a submitted form, as far as it is of a sensible size.
 *
 * @param request The request, whose body is read.
 * @returns Its fields, or the response that refuses it.
 */
export async function readForm(
  request: Request,
): Promise<URLSearchParams | Response> {
  const type = request.headers.get("content-type") ??
    "application/x-www-form-urlencoded";
  if (!type.toLowerCase().startsWith("application/x-www-form-urlencoded")) {
    return fail(415, "Only plain forms are read here.");
  }
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of request.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > LONGEST_FORM) {
      return fail(413, "That is more than any form of this page sends.");
    }
  }
  return new URLSearchParams(text + decoder.decode());
}
