import {
  clearCookie,
  type Cookie,
  type CookieOptions,
  readCookie,
  resolveCookie,
  writeCookie,
} from "./cookie.ts";

/** A header of a response. */
export type Header = readonly [name: string, value: string];

/**
 * What opens the session of a request: a `Request`, or its parts, where a
 * framework or Node has others.
 */
export interface SessionRequest {
  /** The headers. */
  readonly headers: Pick<Headers, "get">;
  /**
   * The method, which tells a browser that proves its device from a page; see
   * `deviceBound`.
   *
   * @default {undefined} it is not known, and such a request is not answered
   */
  readonly method?: string | undefined;
  /**
   * The URL. Where it is missing, or is a path only, a cookie with
   * `secure: "auto"` is `Secure`, unless a trusted `X-Forwarded-Proto` says
   * `http`.
   *
   * @default {undefined} it is not known
   */
  readonly url?: string | undefined;
  /**
   * Ends the waiting of an `exclusive` request.
   *
   * @default {undefined} it waits until `lockTimeout`
   */
  readonly signal?: AbortSignal | undefined;
}

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
  read(request: SessionRequest): readonly string[];
  /**
   * Makes the header that gives a client its token.
   *
   * @param request The request that is answered.
   * @param token The token.
   * @param maxAge How long the client keeps it, in milliseconds; `undefined`
   * for until the browser closes.
   */
  issue(
    request: SessionRequest,
    token: string,
    maxAge: number | undefined,
  ): Header;
  /** Makes the header with which a client forgets its token. */
  revoke(request: SessionRequest): Header;
  /** The cookie; missing where a header carries the token. */
  readonly cookie?: Cookie;
  /** Tells whether a request came over https, where a cookie carries the token. */
  isHttps?(request: SessionRequest): boolean;
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

const UNTRUSTED_PROXY =
  "a request came with X-Forwarded-Proto: https, and trustProxy is off: behind a proxy that always sets it, set trustProxy: true";
const SECURE_OVER_HTTP =
  "a Secure cookie was given to a request over plain http, where browsers drop it: serve over https, or let the proxy send X-Forwarded-Proto and set trustProxy: true";
const LOCAL_HOST = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/;
const BEARER = /^Bearer +([^ ]+) *$/i;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const RESERVED = ["cookie", "set-cookie", "authorization", "vary"];

/**
 * Makes a transport.
 *
 * @param option How tokens come and go.
 * @param cookie What the cookie looks like.
 * @param trustProxy Whether `X-Forwarded-Proto` is to be believed.
 * @param misconfigured Called with what seems wrong with these, as a request
 * shows it; as often as that happens.
 * @throws {TypeError} If browsers would refuse such a cookie, or the header
 * cannot be one of its own.
 */
export function resolveTransport(
  option: TransportOption,
  cookie: CookieOptions | undefined,
  trustProxy: boolean,
  misconfigured: (problem: string) => void,
): Transport {
  if (option === "cookie") {
    return cookieTransport(cookie, trustProxy, misconfigured);
  }
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
  misconfigured: (problem: string) => void,
): Transport {
  const cookie = resolveCookie(options);
  // The headers of a request that was upgraded cannot be read any more.
  const forwarded = new WeakMap<SessionRequest, string>();
  const isHttps = (request: SessionRequest): boolean => {
    const { url = "" } = request;
    if (url.startsWith("https:")) return true;
    const protocol = forwarded.get(request);
    return url.startsWith("http:") ? protocol === "https" : protocol !== "http";
  };
  return {
    vary: "Cookie",
    cookie,
    isHttps,
    read: (request) => {
      const { headers } = request;
      if (trustProxy) forwarded.set(request, forwardedProtocol(headers) ?? "");
      return readCookie(headers.get("cookie"), cookie.name);
    },
    issue: (request, token, maxAge) => {
      const isSecure = isHttps(request);
      if (!isSecure) {
        const problem = findProblem(request, trustProxy, cookie.secure);
        if (problem !== undefined) misconfigured(problem);
      }
      return ["set-cookie", writeCookie(cookie, token, isSecure, maxAge)];
    },
    revoke: (request) => {
      return ["set-cookie", clearCookie(cookie, isHttps(request))];
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

function forwardedProtocol(
  headers: SessionRequest["headers"],
): string | undefined {
  // Of several proxies the first spoke to the browser.
  const protocol = headers.get("x-forwarded-proto")?.split(",", 1)[0];
  return protocol?.trim().toLowerCase();
}

/** Finds what is wrong where a cookie goes to a request over plain http. */
function findProblem(
  request: SessionRequest,
  trustProxy: boolean,
  secure: Cookie["secure"],
): string | undefined {
  if (!trustProxy && isForwardedHttps(request)) return UNTRUSTED_PROXY;
  // To these browsers give a `Secure` cookie over plain http too.
  const isLocal = LOCAL_HOST.test(URL.parse(request.url ?? "")?.hostname ?? "");
  return secure === true && !isLocal ? SECURE_OVER_HTTP : undefined;
}

function isForwardedHttps({ headers }: SessionRequest): boolean {
  try {
    return forwardedProtocol(headers) === "https";
  } catch (error) {
    // The request was upgraded; the next one tells.
    if (error instanceof TypeError) return false;
    throw error;
  }
}
