import {
  clearCookie,
  type CookieOptions,
  readCookie,
  resolveCookie,
  writeCookie,
} from "./cookie.ts";

/** A header of a response. */
export type Header = readonly [name: string, value: string];

/** How clients send their token and get it. */
export interface Transport {
  /** The request header that responses depend on. */
  readonly vary: string;
  /**
   * Reads what may be the token of a request.
   *
   * @returns Any texts at all: several cookies may have the same name. Never
   * throws.
   */
  read(request: Request): readonly string[];
  /**
   * Makes the header that gives a client its token.
   *
   * @param request The request that is answered.
   * @param token The token.
   * @param maxAge How long the client keeps it, in milliseconds; `undefined`
   * for until the browser closes.
   */
  issue(request: Request, token: string, maxAge: number | undefined): Header;
  /** Makes the header with which a client forgets its token. */
  revoke(request: Request): Header;
}

/**
 * How the client sends its token and gets it: `"cookie"`, as browsers do by
 * themselves; `"bearer"`, sent in `Authorization: Bearer TOKEN` and issued in
 * `Session-Token`; or a header of its own in both directions. A header is sent
 * by the client's own code only, so no other site can make a browser send it; an
 * empty one tells the client to forget the token.
 */
export type TransportOption = "cookie" | "bearer" | {
  readonly header: string;
};

const BEARER = /^Bearer +([^ ]+) *$/i;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const RESERVED = ["cookie", "set-cookie", "authorization", "vary"];

/**
 * Makes a transport.
 *
 * @param option How tokens come and go.
 * @param cookie What the cookie looks like.
 * @param trustProxy Whether `X-Forwarded-Proto` is to be believed.
 * @throws {TypeError} If browsers would refuse such a cookie, or the header
 * cannot be one of its own.
 */
export function resolveTransport(
  option: TransportOption,
  cookie: CookieOptions | undefined,
  trustProxy: boolean,
): Transport {
  if (option === "cookie") return cookieTransport(cookie, trustProxy);
  if (cookie !== undefined) {
    throw new TypeError(
      'Cannot manage sessions: cookie needs the transport "cookie"',
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
      "Cannot manage sessions: the transport's header is not a valid name, or has another use",
    );
  }
  return headerTransport(header, header, (value) => value);
}

function cookieTransport(
  options: CookieOptions | undefined,
  trustProxy: boolean,
): Transport {
  const cookie = resolveCookie(options);
  return {
    vary: "Cookie",
    read: ({ headers }) => readCookie(headers.get("cookie"), cookie.name),
    issue: (request, token, maxAge) => {
      const isSecure = isHttps(request, trustProxy);
      return ["set-cookie", writeCookie(cookie, token, isSecure, maxAge)];
    },
    revoke: (request) => {
      return ["set-cookie", clearCookie(cookie, isHttps(request, trustProxy))];
    },
  };
}

function headerTransport(
  from: string,
  to: string,
  parse: (value: string) => string | undefined,
): Transport {
  return {
    vary: from,
    read: ({ headers }) => {
      const value = headers.get(from);
      const token = value === null ? undefined : parse(value);
      return token === undefined ? [] : [token];
    },
    issue: (_request, token) => [to, token],
    revoke: () => [to, ""],
  };
}

/** Tells whether a browser sent a request over https. */
function isHttps(request: Request, trustProxy: boolean): boolean {
  if (request.url.startsWith("https:")) return true;
  if (!trustProxy) return false;
  // Of several proxies the first spoke to the browser.
  const protocol = request.headers.get("x-forwarded-proto")?.split(",", 1)[0];
  return protocol?.trim().toLowerCase() === "https";
}
