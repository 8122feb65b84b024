/*
 * The one place that knows the syntax of cookies, and the only one that counts
 * in seconds: `Max-Age` is in seconds (RFC 6265), everything else here is in ms.
 */

/**
 * What a session's cookie looks like.
 *
 * A browser may send several cookies of this name: other applications and
 * neighbouring hosts can set one, and a change of `domain`, `path` or
 * `partitioned` leaves the old one behind. The one that opens a session counts.
 * Where two open different ones, neither does, and the next login or logout ends
 * both; with five or more of ours the request has a new session, too. The event
 * `"ambiguous"` tells of it.
 */
export interface CookieOptions {
  /**
   * The cookie's name. `__Host-latchkey` keeps other hosts of the same site
   * from planting one; it takes `Secure`, the path `/` and no domain, and
   * `__Secure-` takes `Secure`. Such a name turns `secure: "auto"` into `true`.
   *
   * @default {"latchkey"}
   */
  readonly name?: string | undefined;
  /**
   * The path from which on the browser sends it.
   *
   * @default {"/"}
   */
  readonly path?: string | undefined;
  /**
   * The domain whose hosts all get it.
   *
   * @default {undefined} the host that set it, and no other
   */
  readonly domain?: string | undefined;
  /**
   * Whether requests from other sites carry it: `"Lax"`, when they lead here;
   * `"Strict"`, never; `"None"`, always, which browsers take with `Secure`
   * only: it turns `secure: "auto"` into `true`.
   *
   * @default {"Lax"}
   */
  readonly sameSite?: "Lax" | "Strict" | "None" | undefined;
  /**
   * Whether the browser sends it over https only. `"auto"` says so in answers
   * to requests that came over https.
   *
   * @default {"auto"}
   */
  readonly secure?: boolean | "auto" | undefined;
  /**
   * Whether each site that embeds this one gets a cookie of its own (CHIPS);
   * with `sameSite: "None"`, and `secure` is then `true`.
   *
   * @default {false}
   */
  readonly partitioned?: boolean | undefined;
}

/** A cookie whose options were checked and completed. */
export interface Cookie {
  /** Its name. */
  readonly name: string;
  /** The path from which on the browser sends it. */
  readonly path: string;
  /** The domain whose hosts all get it, if it has one. */
  readonly domain: string | undefined;
  /** Whether it gets `Secure`; `"auto"`, when the request came over https. */
  readonly secure: boolean | "auto";
  /** The attributes that every `Set-Cookie` repeats. */
  readonly attributes: string;
}

const AGE =
  "is not an option of it: set idleTimeout, absoluteTimeout or untilBrowserCloses";
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[!#-+\--:<-[\]-~]*$/;
const PATH = /^\/[ -:<-~]*$/;
const DOMAIN = /^\.?[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i;
const OPTIONS = ["name", "path", "domain", "sameSite", "secure", "partitioned"];
/** What other libraries have, and what to say here. */
const FOREIGN_OPTIONS: Readonly<Record<string, string>> = {
  maxAge: AGE,
  expires: AGE,
  httpOnly: "is always on",
};
const SAME_SITE: readonly unknown[] = ["Lax", "Strict", "None"];
const MOST_OCCURRENCES = 128;
const MOST_BLANKS = 32;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * Checks a cookie's options and completes them.
 *
 * @param options The options.
 * @returns The cookie, for {@linkcode writeCookie} and {@linkcode clearCookie}.
 * @throws {TypeError} If browsers would refuse or misread it.
 */
export function resolveCookie(options: CookieOptions = {}): Cookie {
  const { name = "latchkey", path = "/", domain, sameSite = "Lax" } = options;
  // Browsers compare the prefixes without regard to case, and so does this.
  const isHost = /^__host-/i.test(name);
  const isPrefixed = isHost || /^__secure-/i.test(name);
  const { secure: asked = "auto", partitioned = false } = options;
  // Browsers drop a cookie that lacks `Secure` and needs it.
  const mustBeSecure = isPrefixed || partitioned || sameSite === "None";
  const secure = mustBeSecure && asked === "auto" ? true : asked;

  checkNames(options);
  check(NAME.test(name), "its name is not a token of RFC 6265");
  check(PATH.test(path), 'its path does not begin with "/" or holds ";"');
  check(
    domain === undefined || DOMAIN.test(domain),
    "its domain is not a host name",
  );
  check(SAME_SITE.includes(sameSite), "sameSite is not Lax, Strict or None");
  check(
    typeof secure === "boolean" || secure === "auto",
    'secure is not true, false or "auto"',
  );
  check(!isPrefixed || secure === true, `${name} needs secure: true`);
  check(typeof partitioned === "boolean", "partitioned is not true or false");
  check(!partitioned || secure === true, "partitioned needs secure: true");
  check(!isHost || path === "/", `${name} needs the path "/"`);
  check(!isHost || domain === undefined, `${name} allows no domain`);
  check(
    sameSite !== "None" || secure === true,
    'sameSite: "None" needs secure: true',
  );

  const scope = domain === undefined ? "" : `; Domain=${domain}`;
  return {
    name,
    path,
    domain,
    secure,
    attributes: `; Path=${path}${scope}; HttpOnly; SameSite=${sameSite}${
      partitioned ? "; Partitioned" : ""
    }`,
  };
}

/**
 * Lists the values of one cookie in a request, in one pass over the header. A
 * malformed pair is ignored; no header makes this throw.
 *
 * There are several where an application on another path, another port or a
 * neighbouring host has set a cookie of the same name, or Domain, Path or
 * Partitioned have changed: browsers tell cookies apart by these, and do not send
 * them. The order does not tell which one is ours.
 *
 * There are none in a header in which the name and its `=` occur more than 128
 * times: no browser sends that, and a client must not make the server look at
 * each. A pair behind more than 32 blanks is not found.
 *
 * @param header The `Cookie` header, or `null` when there is none.
 * @param name The cookie's name.
 * @returns Its values in their order, without the quotes around them if any; the
 * same one as often as it occurs.
 */
export function readCookie(
  header: string | null,
  name: string,
): readonly string[] {
  const values: string[] = [];
  if (header === null) return values;
  const start = `${name}=`;
  let occurrences = 0;
  for (
    let at = header.indexOf(start);
    at !== -1;
    at = header.indexOf(start, at + start.length)
  ) {
    if (++occurrences > MOST_OCCURRENCES) return [];
    if (!beginsPair(header, at)) continue;
    const semicolon = header.indexOf(";", at);
    const end = semicolon === -1 ? header.length : semicolon;
    values.push(unquote(header.slice(at + start.length, end).trim()));
  }
  return values;
}

/**
 * Writes a `Set-Cookie` header that gives the browser a value.
 *
 * @param cookie The cookie.
 * @param value Its value.
 * @param isHttps Whether the request came over https.
 * @param maxAge How long the browser keeps it, in milliseconds; `undefined` for
 * until it closes.
 * @returns The header's value.
 * @throws {TypeError} If the value holds a character that a cookie cannot.
 */
export function writeCookie(
  cookie: Cookie,
  value: string,
  isHttps: boolean,
  maxAge?: number,
): string {
  check(VALUE.test(value), "its value holds an invalid character");
  const age = maxAge === undefined
    ? ""
    : `; Max-Age=${Math.max(0, Math.ceil(maxAge / 1000))}`;
  return format(cookie, value, isHttps, age);
}

/**
 * Writes a `Set-Cookie` header that makes the browser forget the cookie. It
 * repeats the attributes, since browsers tell cookies apart by them.
 *
 * @param cookie The cookie.
 * @param isHttps Whether the request came over https.
 * @returns The header's value.
 */
export function clearCookie(cookie: Cookie, isHttps: boolean): string {
  const age = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
  return format(cookie, "", isHttps, age);
}

function format(
  cookie: Cookie,
  value: string,
  isHttps: boolean,
  age: string,
): string {
  const isSecure = cookie.secure === "auto" ? isHttps : cookie.secure;
  const secure = isSecure ? "; Secure" : "";
  return `${cookie.name}=${value}${cookie.attributes}${secure}${age}`;
}

/** Tells whether at most a few blanks separate this place from the pair before. */
function beginsPair(header: string, at: number): boolean {
  const first = Math.max(0, at - 1 - MOST_BLANKS);
  for (let before = at - 1; before >= first; before--) {
    const code = header.charCodeAt(before);
    if (code === SEMICOLON) return true;
    if (code !== SPACE && code !== TAB) return false;
  }
  return first === 0;
}

function unquote(value: string): string {
  const isQuoted = value.length > 1 && value.startsWith('"') &&
    value.endsWith('"');
  return isQuoted ? value.slice(1, -1) : value;
}

/** A caller without types could believe that they have an effect. */
function checkNames(options: CookieOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (OPTIONS.includes(name) || value === undefined) continue;
    const problem = Object.hasOwn(FOREIGN_OPTIONS, name)
      ? FOREIGN_OPTIONS[name]
      : `is not one of ${OPTIONS.join(", ")}`;
    check(false, `${name} ${problem}`);
  }
}

function check(isValid: boolean, problem: string): void {
  if (!isValid) throw new TypeError(`Cannot use the cookie: ${problem}`);
}
