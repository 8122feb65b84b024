import * as actions from "./actions.ts";
import type { Demo } from "./demo.ts";
import { showHome } from "./home_page.ts";
import { fail, respond } from "./layout.ts";
import { showOrder } from "./order_page.ts";
import { isFromElsewhere, readForm } from "./request_checks.ts";
import * as session3 from "./session3_endpoints.ts";
import { ICON, STYLE } from "./style.ts";

/** Answers a request; the fields are those of a submitted form. */
type Handler = (
  demo: Demo,
  request: Request,
  fields: URLSearchParams,
) => Promise<Response>;

/** What a path answers to. `HEAD` is answered like `GET`. */
interface Route {
  readonly GET?: Handler;
  readonly POST?: Handler;
  /** Whether `GET` changes something too, as session3's endpoints do. */
  readonly changesByGet?: boolean;
}

const ROUTES: Readonly<Record<string, Route>> = {
  "/": { GET: showHome },
  "/order": { GET: showOrder, changesByGet: true },
  "/actions/login": { POST: actions.logIn },
  "/actions/logout": { POST: actions.logOut },
  "/actions/count": { POST: actions.count },
  "/actions/add": { POST: actions.addItem },
  "/actions/remove": { POST: actions.removeItem },
  "/actions/order": { POST: actions.order },
  "/actions/regenerate": { POST: actions.regenerate },
  "/actions/delete_old": { POST: actions.deleteOld },
  "/style.css": {
    GET: () => Promise.resolve(respond(STYLE, "text/css; charset=utf-8")),
  },
  "/icon.svg": { GET: () => Promise.resolve(respond(ICON, "image/svg+xml")) },

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

/**
 * Answers a request of the demo.
 *
 * @param demo What every route works with.
 * @param request The request.
 */
export async function answer(demo: Demo, request: Request): Promise<Response> {
  const response = await route(demo, request);
  for (const [name, value] of Object.entries(HEADERS)) {
    if (!response.headers.has(name)) response.headers.set(name, value);
  }
  return response;
}

async function route(demo: Demo, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (!Object.hasOwn(ROUTES, pathname)) {
    return fail(404, "There is no such page.");
  }
  const target = ROUTES[pathname]!;
  const method = request.method === "HEAD" ? "GET" : request.method;
  const handler = method === "GET" || method === "POST"
    ? target[method]
    : undefined;
  if (handler === undefined) {
    const response = fail(405, "That is not how this page is used.");
    const allowed = [target.GET && "GET, HEAD", target.POST && "POST"];
    response.headers.set("allow", allowed.filter(Boolean).join(", "));
    return response;
  }
  const mayChange = method === "POST" || target.changesByGet;
  if (mayChange && isFromElsewhere(request)) {
    return fail(403, "Refused: this request comes from another site.");
  }
  const fields = method === "POST"
    ? await readForm(request)
    : new URLSearchParams();
  return fields instanceof Response
    ? fields
    : await handler(demo, request, fields);
}
