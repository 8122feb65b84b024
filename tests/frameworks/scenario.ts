/**
 * What a session has to do in every framework: one scenario, over real sockets,
 * that knows nothing of an application but its URL. An application has the routes
 * below, made of `parts.ts`, with the session of the framework:
 *
 * | route | what it does | what it answers |
 * | --- | --- | --- |
 * | in front of all | `isCrossOrigin(request)` | 403 where it is `true` |
 * | `GET /`, and `HEAD` | | `describe(session)` |
 * | `GET /public` | does not look at the session | `public` |
 * | `GET /visit`, and `HEAD` | `visit(session)` | `Visit 1` |
 * | `POST /login` | `setUser("ann")`, a cookie of its own: `theme=dark; Path=/` | redirects to `/`, 303 |
 * | `POST /redirect` | `visit(session)` | `Response.redirect(…, 303)` to `/`, whose headers are immutable |
 * | `POST /note` | `flash("notice", "Saved")` | redirects to `/`, 303 |
 * | `POST /logout` | `destroy()` | redirects to `/`, 303 |
 * | `POST /throw` | `visit(session)`, throws an `Error` | 500, by the framework |
 * | `POST /fail` | `visit(session)` | 500, from the handler |
 * | `POST /refuse` | `visit(session)`, throws a `RefusedError` | 400, by the application's own error handler |
 * | `POST /forbid` | `flash("notice", "Forbidden")`, throws what the framework has for that | 403 |
 * | `POST /revoke` | `beginRevokedLogin(session)`, a cookie of its own | redirects to `/`, 303; the commit fails with `SessionRevokedError`, and the framework answers like to any error |
 * | `GET /stream?NAME` | `visit(session)` | `makeStream(NAME)` |
 * | `POST /release?NAME` | `releaseStream(NAME)` | `released` |
 * | `GET /twice` | `visit(session)`, below the same middleware registered once more | `Visit 1` |
 * | `GET /socket` | `visit(session)`, upgrades | sends `describe(session)` |
 * | any other | | 404, by the framework |
 *
 * Statuses and texts as above; other headers and the bodies of errors are the
 * framework's.
 */

import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
} from "@std/assert";

/** A server under way; disposed, it is no more. */
export interface Application extends AsyncDisposable {
  /** Where it answers, such as `http://127.0.0.1:40000`. */
  readonly url: string;
}

/** A part of the scenario that not every framework can play. */
export type Part =
  /** It answers with objects of its own. */
  | "immutable redirect"
  /** Middleware does not learn that an error was handled. */
  | "handled error"
  /** It has no exception that stands for an answer. */
  | "thrown answer"
  /** An upgrade does not pass its middleware. */
  | "socket";

/** What is tested. */
export interface Framework {
  /** What the framework does not have; no test is made of it. */
  readonly lacks?: readonly Part[];
  /** Starts the application on a port of loopback; each test does so once. */
  start(): Application | Promise<Application>;
}

/** Starts a handler of requests as an application. */
export function serveHandler(
  handler: (request: Request) => Response | Promise<Response>,
): Application {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    handler,
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Defines the tests of one framework. */
export function testFramework(name: string, framework: Framework): void {
  const { lacks = [] } = framework;
  const test = (
    title: string,
    act: (visitor: Visitor) => Promise<void>,
    part?: Part,
  ): void => {
    if (part !== undefined && lacks.includes(part)) return;
    Deno.test(`${name}: ${title}`, async () => {
      await using application = await framework.start();
      await act(new Visitor(application.url));
    });
  };

  test("a first visit that only looks gets no cookie", async (visitor) => {
    const { text, headers, cookies } = await visitor.get("/");
    assertEquals(text, "nobody, 0 visits, no notice");
    assertEquals(cookies, []);
    assertEquals(valuesOf(headers, "vary").filter(isCookie).length, 1);
  });

  test("a page that does not look stays public", async (visitor) => {
    await visitor.get("/visit");
    const { text, headers, cookies } = await visitor.get("/public");
    assertEquals(text, "public");
    assertEquals(cookies, []);
    assertFalse(valuesOf(headers, "vary").some(isCookie));
    assertFalse(valuesOf(headers, "cache-control").includes("no-store"));
  });

  test("a login redirects with its cookie and the application's own", async (visitor) => {
    await visitor.get("/visit");
    const before = visitor.token;
    const { status, headers, cookies } = await visitor.post("/login");
    assertEquals(status, 303);
    assertMatch(headers.get("location")!, /^(?:http:\/\/[^/]+)?\/$/);
    assertEquals(
      cookies.map((cookie) => cookie.split("=", 1)[0]).sort(),
      ["latchkey", "theme"],
    );
    assertMatch(cookies.join("\n"), /^theme=dark; path=\/$/im);
    assert(valuesOf(headers, "cache-control").includes("no-store"));
    assertEquals(valuesOf(headers, "vary").filter(isCookie).length, 1);
    assertNotEquals(visitor.token, before);
    assertEquals(await visitor.see(), "ann, 1 visits, no notice");
    visitor.token = before;
    assertEquals(await visitor.see(), "nobody, 0 visits, no notice");
  });

  test(
    "a redirect with immutable headers carries the cookie",
    async (visitor) => {
      const { status, headers, cookies } = await visitor.post("/redirect");
      assertEquals([status, cookies.length], [303, 1]);
      assertEquals(headers.get("location"), `${visitor.url}/`);
      assertEquals(await visitor.see(), "nobody, 1 visits, no notice");
    },
    "immutable redirect",
  );

  test("20 requests at once count 20 visits", async (visitor) => {
    await visitor.post("/login");
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => visitor.get("/visit")),
    );
    for (const { status, text, cookies } of answers) {
      assertEquals([status, cookies], [200, []]);
      assertMatch(text, /^Visit \d+$/);
    }
    assertEquals(await visitor.see(), "ann, 20 visits, no notice");
  });

  test("a flash is shown once, after the redirect", async (visitor) => {
    assertEquals((await visitor.post("/note")).status, 303);
    assertEquals(await visitor.see(), "nobody, 0 visits, Saved");
    assertEquals(await visitor.see(), "nobody, 0 visits, no notice");
  });

  for (
    const [path, title, status, part] of [
      ["/throw", "an error that is thrown", 500, undefined],
      ["/fail", "an answer with 500", 500, undefined],
      ["/refuse", "an error that has an answer", 400, "handled error"],
    ] as const
  ) {
    test(`${title} saves nothing`, async (visitor) => {
      const first = await visitor.post(path);
      assertEquals([first.status, first.cookies], [status, []]);
      await visitor.get("/visit");
      await visitor.post("/note");
      const second = await visitor.post(path);
      assertEquals([second.status, second.cookies], [status, []]);
      assertEquals(await visitor.see(), "nobody, 1 visits, Saved");
    }, part);
  }

  test("an answer of 403 that is thrown keeps its flash", async (visitor) => {
    for (const token of ["new", "old"]) {
      assertEquals((await visitor.post("/forbid")).status, 403, token);
      assertEquals(await visitor.see(), "nobody, 0 visits, Forbidden", token);
    }
  }, "thrown answer");

  test("a commit that fails is an error, and sends no cookie of a session", async (visitor) => {
    await visitor.get("/visit");
    const { status, cookies } = await visitor.post("/revoke");
    assert([401, 500].includes(status), String(status));
    assertFalse(cookies.some((cookie) => cookie.startsWith("latchkey=")));
    assertEquals(await visitor.see(), "nobody, 1 visits, no notice");
  });

  test("404 falls through, and gets no cookie", async (visitor) => {
    const first = await visitor.get("/nowhere");
    assertEquals([first.status, first.cookies], [404, []]);
    await visitor.post("/note");
    const second = await visitor.get("/nowhere");
    assertEquals([second.status, second.cookies], [404, []]);
    assertEquals(await visitor.see(), "nobody, 0 visits, Saved");
  });

  test("a streamed body is sent as it comes, its session is saved before", async (visitor) => {
    const name = crypto.randomUUID();
    const response = await visitor.fetch(`/stream?${name}`);
    assertEquals(response.status, 200);
    const reader = response.body!.pipeThrough(new TextDecoderStream())
      .getReader();
    assertEquals((await reader.read()).value, "first ");
    assertEquals(await visitor.see(), "nobody, 1 visits, no notice");
    await visitor.post(`/release?${name}`);
    assertEquals((await reader.read()).value, "last");
    assert((await reader.read()).done);
  });

  test("the middleware may be registered twice", async (visitor) => {
    const first = await visitor.get("/twice");
    assertEquals([first.status, first.text], [200, "Visit 1"]);
    assertEquals(first.cookies.length, 1);
    assertEquals(valuesOf(first.headers, "vary").filter(isCookie).length, 1);
    const second = await visitor.get("/twice");
    assertEquals([second.text, second.cookies], ["Visit 2", []]);
    assertEquals(await visitor.see(), "nobody, 2 visits, no notice");
  });

  test("a logout ends the session and clears its cookie", async (visitor) => {
    await visitor.post("/login");
    const { token } = visitor;
    const { status, cookies } = await visitor.post("/logout");
    assertEquals([status, cookies.length], [303, 1]);
    assertMatch(cookies[0]!, /^latchkey=;.*; Max-Age=0/);
    assertEquals(visitor.token, undefined);
    visitor.token = token;
    assertEquals(await visitor.see(), "nobody, 0 visits, no notice");
  });

  test("HEAD is answered like GET, without a body", async (visitor) => {
    const { status, text, cookies } = await visitor.ask("HEAD", "/visit");
    assertEquals([status, text, cookies.length], [200, "", 1]);
    const { headers } = await visitor.ask("HEAD", "/");
    assertEquals(valuesOf(headers, "vary").filter(isCookie).length, 1);
    assertEquals(await visitor.see(), "nobody, 1 visits, no notice");
  });

  test("a WebSocket has the session", async (visitor) => {
    await visitor.post("/login");
    const { url, cookie } = visitor;
    const socket = new WebSocket(`${url.replace("http", "ws")}/socket`, {
      headers: { cookie },
    });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const closed = Promise.withResolvers<void>();
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = () => reject(new Error("Cannot open the WebSocket"));
    socket.onclose = () => {
      reject(new Error("The WebSocket was closed"));
      closed.resolve();
    };
    assertEquals(await promise, "ann, 1 visits, no notice");
    socket.close();
    await closed.promise;
    assertEquals(await visitor.see(), "ann, 1 visits, no notice");
  }, "socket");

  test("a request from another origin is refused in front", async (visitor) => {
    await visitor.post("/login");
    const headers = { "sec-fetch-site": "cross-site" };
    const { status, cookies } = await visitor.ask("POST", "/note", headers);
    assertEquals([status, cookies], [403, []]);
    assertEquals(await visitor.see(), "ann, 0 visits, no notice");
  });
}

/** An answer that has come whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly cookies: readonly string[];
  readonly text: string;
}

/** A browser that follows no redirects and keeps its cookies. */
export class Visitor {
  readonly url: string;
  readonly #jar = new Map<string, string>();

  constructor(url: string) {
    this.url = url;
  }

  /** The whole `Cookie` header. */
  get cookie(): string {
    return [...this.#jar].map((pair) => pair.join("=")).join("; ");
  }

  /** The value of the session's cookie. */
  get token(): string | undefined {
    return this.#jar.get("latchkey");
  }

  set token(value: string | undefined) {
    this.#keep("latchkey", value);
  }

  get(path: string): Promise<Answer> {
    return this.ask("GET", path);
  }

  post(path: string): Promise<Answer> {
    return this.ask("POST", path);
  }

  /** What the application says of the session. */
  async see(): Promise<string> {
    return (await this.get("/")).text;
  }

  async ask(
    method: string,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await this.fetch(path, { method, headers });
    return {
      status: response.status,
      headers: response.headers,
      cookies: response.headers.getSetCookie(),
      text: await response.text(),
    };
  }

  /** Sends the cookies, and takes those of the response. */
  async fetch(
    path: string,
    { method = "GET", headers = {} }: {
      readonly method?: string;
      readonly headers?: Record<string, string>;
    } = {},
  ): Promise<Response> {
    const { cookie } = this;
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: "manual",
      headers: cookie === "" ? headers : { ...headers, cookie },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#keep(name, line.includes("; Max-Age=0") ? undefined : value);
    }
    return response;
  }

  #keep(name: string, value: string | undefined): void {
    if (value === undefined) this.#jar.delete(name);
    else this.#jar.set(name, value);
  }
}

function valuesOf(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "").split(",")
    .map((value) => value.trim().toLowerCase());
}

function isCookie(value: string): boolean {
  return value === "cookie";
}
