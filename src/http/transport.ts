import {
  clearCookie,
  type CookieOptions,
  readCookie,
  resolveCookie,
  writeCookie,
  type WriteCookieOptions,
} from "./cookie.ts";

/** A header of a response. */
export type Header = readonly [name: string, value: string];

/** How tokens come and go. */
export interface Transport {
  /** The request header that responses depend on. */
  readonly vary: string;
  /**
   * Reads the token of a request.
   *
   * @param headers The request's.
   * @returns Any text at all, or `undefined` when there is none. Never throws.
   */
  read(headers: Headers): string | undefined;
  /** Makes the header that hands a token out. */
  issue(token: string, options: WriteCookieOptions): Header;
  /** Makes the header that takes it back. */
  revoke(options: Pick<WriteCookieOptions, "isHttps">): Header;
}

/**
 * How the client gets its token and brings it: `"cookie"`, as browsers do by
 * themselves; `"bearer"`, in `Authorization: Bearer TOKEN`, handed out in
 * `Session-Token`; or in a header of its own in both directions. A header is
 * sent by the client's own code only, so no other site can ride on it; an empty
 * one takes the token back.
 */
export type TransportOption = "cookie" | "bearer" | {
  readonly header: string;
};

const BEARER = /^Bearer +([^ ]+) *$/i;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const RESERVED = ["cookie", "set-cookie", "authorization", "vary"];

/**
 * Checks how tokens are to come and go.
 *
 * @param option What was asked for.
 * @param cookie What the cookie looks like.
 * @throws {TypeError} If browsers would refuse such a cookie, or it can be no
 * header.
 */
export function resolveTransport(
  option: TransportOption,
  cookie: CookieOptions | undefined,
): Transport {
  if (option === "cookie") return cookieTransport(cookie);
  if (cookie !== undefined) {
    throw new TypeError(
      "Cannot manage sessions: there is no cookie without the transport cookie",
    );
  }
  if (option === "bearer") {
    return headerTransport("Authorization", "Session-Token", (value) => {
      return BEARER.exec(value)?.[1];
    });
  }
  const { header } = option;
  const isName = typeof header === "string" && HEADER_NAME.test(header) &&
    !RESERVED.includes(header.toLowerCase());
  if (!isName) {
    throw new TypeError(
      "Cannot manage sessions: the transport's header is no header of its own",
    );
  }
  return headerTransport(header, header, (value) => value);
}

function cookieTransport(options: CookieOptions | undefined): Transport {
  const cookie = resolveCookie(options);
  return {
    vary: "Cookie",
    read: (headers) => readCookie(headers.get("cookie"), cookie.name),
    issue: (token, how) => ["set-cookie", writeCookie(cookie, token, how)],
    revoke: (how) => ["set-cookie", clearCookie(cookie, how)],
  };
}

function headerTransport(
  from: string,
  to: string,
  parse: (value: string) => string | undefined,
): Transport {
  return {
    vary: from,
    read: (headers) => {
      const value = headers.get(from);
      return value === null ? undefined : parse(value);
    },
    issue: (token) => [to, token],
    revoke: () => [to, ""],
  };
}

/**
 * Tells whether a browser sent a request over https.
 *
 * @param request The request.
 * @param trustProxy Whether `X-Forwarded-Proto` is to be believed.
 */
export function isHttps(request: Request, trustProxy: boolean): boolean {
  if (request.url.startsWith("https:")) return true;
  if (!trustProxy) return false;
  // Of several proxies the first spoke to the browser.
  const protocol = request.headers.get("x-forwarded-proto")?.split(",", 1)[0];
  return protocol?.trim().toLowerCase() === "https";
}
