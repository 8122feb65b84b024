import { isCrossOrigin } from "../http/cross_origin.ts";
import { untilAborted } from "../system/waiting.ts";
import { CARDS } from "./cards.ts";
import { Demo, type Handler } from "./demo.ts";
import { type DemoStoreKind, openDemoStore } from "./demo_store.ts";
import { messagePage, respond } from "./html.ts";
import { showHome, showOrder } from "./pages.ts";
import * as session3 from "./session3_endpoints.ts";
import { ICON, STYLE } from "./style.ts";

/** What {@linkcode serveDemo} takes. */
interface DemoOptions {
  /** The address to listen at. */
  readonly hostname: string;
  /** The port to listen at; 0 for any free one. */
  readonly port: number;
  /** The kind of store. */
  readonly kind: DemoStoreKind;
  /** Where the sessions are kept: a path, or the URL of a server. */
  readonly where: string;
  /** The certificate for https and its key, as PEM; without them it is http. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Ends the server. */
  readonly signal: AbortSignal;
}

/**
 * Serves the demo until the signal is aborted, and prints one line when it is
 * ready. Requests that are under way at the end are answered.
 *
 * @throws The signal's reason, when it is aborted before that.
 * @throws {SessionDirectoryError} If the directory cannot keep sessions.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 */
export async function serveDemo(options: DemoOptions): Promise<void> {
  const { hostname, port, kind, tls, signal } = options;
  await using storage = await untilAborted(
    openDemoStore(kind, options.where),
    signal,
  );
  await untilAborted(storage.store.setup(), signal);
  const demo = new Demo(storage, tls !== undefined);

  const underWay = new Set<Promise<Response>>();
  const server = listen({
    hostname,
    port,
    ...tls,
    onListen: (address) => {
      const host = hostname.includes(":") ? `[${hostname}]` : hostname;
      demo.origin = `${
        tls === undefined ? "http" : "https"
      }://${host}:${address.port}`;
      console.log(
        `Demo: ${demo.origin}/ (sessions in ${storage.where}, Ctrl-C ends)`,
      );
    },
    onError: (error) => {
      console.error(error);
      return messagePage("Something went wrong; the terminal says what.", 500);
    },
  }, (request) => {
    if (signal.aborted) return messagePage("The demo is about to end.", 503);
    const answered = answer(demo, request, hostname);
    underWay.add(answered);
    // The server handles a rejection.
    const forget = () => void underWay.delete(answered);
    answered.then(forget, forget);
    return answered;
  });
  const end = async () => {
    // A shutdown would cut off request bodies that are not read yet.
    await Promise.allSettled(underWay);
    await server.shutdown();
  };
  signal.addEventListener("abort", () => void end(), { once: true });
  if (signal.aborted) void end();
  await server.finished;
}

function listen(
  options: Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve(options, handler);
  } catch (error) {
    if (error instanceof Deno.errors.InvalidData) {
      throw new Deno.errors.InvalidData(
        `Cannot listen over https: ${error.message} (--cert and --key name files in PEM)`,
      );
    }
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new Deno.errors.AddrInUse(
      `Cannot listen at ${options.hostname}:${options.port}: the port is taken (--port 0 finds a free one)`,
    );
  }
}

/** The methods of a path. `HEAD` is answered like `GET`. */
interface Route {
  readonly GET?: Handler;
  readonly POST?: Handler;
  /** Whether `GET` changes something too, as with session3's endpoints. */
  readonly changesByGet?: boolean;
}

const ROUTES: Readonly<Record<string, Route>> = {
  "/": { GET: showHome },
  "/order": { GET: showOrder, changesByGet: true },
  ...Object.fromEntries(
    CARDS.flatMap(({ actions }) => Object.entries(actions)).map((
      [name, handler],
    ) => [`/actions/${name}`, { POST: handler }]),
  ),
  "/style.css": {
    GET: () => Promise.resolve(respond(STYLE, "text/css; charset=utf-8")),
  },
  "/icon.svg": { GET: showIcon },
  // What browsers ask for beside a page of plain text.
  "/favicon.ico": { GET: showIcon },

  "/login": { GET: session3.showLogin, POST: session3.login },
  "/logout": {
    GET: session3.logout,
    POST: session3.logout,
    changesByGet: true,
  },
  "/counter": { GET: session3.counter, changesByGet: true },
  "/check": { GET: session3.check },
  "/create_token": { GET: session3.createToken, changesByGet: true },
  "/check_token": { GET: session3.checkToken },
  "/delete_old": {
    GET: session3.deleteOldSessions,
    POST: session3.deleteOldSessions,
    changesByGet: true,
  },
};

const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  // Not "no-referrer", with which browsers send the origin `null`.
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

function showIcon(): Promise<Response> {
  return Promise.resolve(respond(ICON, "image/svg+xml"));
}

/** Answers a request of the demo. */
async function answer(
  demo: Demo,
  request: Request,
  hostname: string,
): Promise<Response> {
  const response = isForUs(request, hostname)
    ? await route(demo, request)
    : messagePage(
      `Refused: this server answers at ${hostname}, localhost and IP addresses only. Another name is for --hostname to say.`,
      421,
    );
  for (const [name, value] of Object.entries(HEADERS)) {
    if (!response.headers.has(name)) response.headers.set(name, value);
  }
  return response;
}

async function route(demo: Demo, request: Request): Promise<Response> {
  const answered = await demo.sessions(request).answerDevice(request);
  if (answered !== undefined) return answered;
  const { pathname } = new URL(request.url);
  if (!Object.hasOwn(ROUTES, pathname)) {
    return messagePage("There is no such page.", 404);
  }
  const target = ROUTES[pathname]!;
  const method = request.method === "HEAD" ? "GET" : request.method;
  const handler = method === "GET" || method === "POST"
    ? target[method]
    : undefined;
  if (handler === undefined) {
    const response = messagePage("That is not how this page is used.", 405);
    const allowed = [target.GET && "GET, HEAD", target.POST && "POST"];
    response.headers.set("allow", allowed.filter(Boolean).join(", "));
    return response;
  }
  const mayChange = method === "POST" || target.changesByGet;
  const { headers, url } = request;
  // As a POST, since ours by GET may change something too.
  if (mayChange && isCrossOrigin({ method: "POST", headers, url })) {
    return messagePage("Refused: this request comes from another site.", 403);
  }
  const fields = method === "POST"
    ? await readForm(request)
    : new URLSearchParams();
  return fields instanceof Response
    ? fields
    : await handler(demo, request, fields);
}

const LONGEST_FORM = 16 * 1024;

/**
 * Tells whether a request asks for a host that is this server's. A site may let
 * its own name lead here (DNS rebinding): then its pages have the same origin as
 * ours, and to the browser nothing about their requests is foreign but the host.
 * It cannot do so with `localhost` or an address.
 */
function isForUs({ headers, url }: Request, hostname: string): boolean {
  const host = headers.get("host") ?? new URL(url).host;
  const name = URL.parse(`http://${host}`)?.hostname ?? "";
  return name === "localhost" || name === hostname.toLowerCase() ||
    /^(?:[\d.]+|\[.+\])$/.test(name);
}

/**
 * Reads a submitted form of limited size.
 *
 * @returns Its fields, or the response that refuses it.
 */
async function readForm(
  request: Request,
): Promise<URLSearchParams | Response> {
  const type = request.headers.get("content-type") ??
    "application/x-www-form-urlencoded";
  if (!type.toLowerCase().startsWith("application/x-www-form-urlencoded")) {
    return messagePage("Only plain forms are read here.", 415);
  }
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of request.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > LONGEST_FORM) {
      return messagePage("That is more than any form of this page sends.", 413);
    }
  }
  return new URLSearchParams(text + decoder.decode());
}
