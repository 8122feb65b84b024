/** What {@linkcode isCrossOrigin} takes. */
export interface CrossOriginOptions {
  /**
   * Other origins whose requests pass, as browsers write them:
   * `https://app.example.com`, without a path and without a default port.
   *
   * @default {[]}
   */
  readonly trustedOrigins?: readonly string[] | undefined;
  /**
   * Whether `X-Forwarded-Host` is the host that the browser asked for. Only for
   * servers behind a proxy that always sets it.
   *
   * @default {false}
   */
  readonly trustProxy?: boolean | undefined;
}

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/**
 * Tells whether a page of another origin made a browser send a request, which
 * may then carry this visitor's cookie: cross-site request forgery. Answer such
 * a request with 403 before it does anything.
 *
 * `Sec-Fetch-Site` decides, which all browsers have sent since 2023, and
 * without it `Origin` against `Host`, as in `CrossOriginProtection` of Go 1.25.
 * `same-site` is another origin, and so is `Origin: null`. A request without
 * either header is not from a browser, and passes. `GET`, `HEAD` and `OPTIONS`
 * pass, so they must change nothing; a `GET` that opens a WebSocket is checked
 * like a `POST`, since no other check keeps a page of another origin out.
 *
 * It reads nothing but the request and writes nothing. A form token is for
 * something else: that a form is sent once.
 *
 * @param request Its method and headers; `url` where there is no `Host`, as in
 * HTTP/2.
 * @param options Origins that pass, and whether a proxy is trusted.
 * @returns `true` for a request to refuse.
 * @throws {TypeError} If one of `trustedOrigins` is not an origin.
 *
 * @example A handler that refuses them
 * ```ts
 * import { isCrossOrigin } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const handler = (request: Request) =>
 *   isCrossOrigin(request)
 *     ? new Response("Forbidden", { status: 403 })
 *     : new Response("Done");
 *
 * const headers = { "sec-fetch-site": "cross-site" };
 * const forged = new Request("https://a.example/", { method: "POST", headers });
 * assertEquals(handler(forged).status, 403);
 * ```
 */
export function isCrossOrigin(
  request: Pick<Request, "method" | "headers"> & {
    readonly url?: string | undefined;
  },
  options: CrossOriginOptions = {},
): boolean {
  const { trustedOrigins = [], trustProxy = false } = options;
  checkOrigins(trustedOrigins);
  const { method, headers, url } = request;
  if (SAFE_METHODS.includes(method) && !isWebSocket(headers)) return false;

  const origin = headers.get("origin") ?? "";
  const site = headers.get("sec-fetch-site") ?? "";
  if (site === "same-origin" || site === "none") return false;
  if (site === "" && origin === "") return false;
  if (trustedOrigins.includes(origin)) return false;
  return site !== "" || !isOwn(origin, hostOf(headers, url, trustProxy));
}

function isWebSocket(headers: Headers): boolean {
  const protocols = headers.get("upgrade")?.toLowerCase().split(",") ?? [];
  return protocols.some((protocol) => protocol.trim() === "websocket");
}

function hostOf(
  headers: Headers,
  url: string | undefined,
  trustProxy: boolean,
): string | undefined {
  // Of several proxies the first spoke to the browser.
  const forwarded = trustProxy
    ? headers.get("x-forwarded-host")?.split(",", 1)[0]?.trim()
    : undefined;
  return forwarded || headers.get("host") || URL.parse(url ?? "")?.host;
}

/**
 * The scheme is not compared, since a server behind a proxy does not know its
 * own: only browsers from before 2023 come here.
 */
function isOwn(origin: string, host: string | undefined): boolean {
  const from = URL.parse(origin);
  if (!from?.host || !host) return false;
  // Parsed too, since a proxy may name the default port.
  return URL.parse(`${from.protocol}//${host}`)?.host === from.host;
}

/** A wrong one would never match, and its requests be refused. */
function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins) {
    const parsed = URL.parse(origin);
    if (parsed?.host && origin === `${parsed.protocol}//${parsed.host}`) {
      continue;
    }
    throw new TypeError(
      `Cannot check the origin of a request: ${
        JSON.stringify(origin)
      } is not an origin such as "https://app.example.com"`,
    );
  }
}
