import { readCookie } from "../http/cookie.ts";
import { isSameHash, parseToken } from "../core/token.ts";
import { CARDS, showCard, type View } from "./cards.ts";
import {
  COPY_COOKIE,
  type Demo,
  type Handler,
  isSealing,
  NOTICE,
  secretHashes,
  type VisitorSession,
} from "./demo.ts";
import type { StoredView } from "./demo_store.ts";
import { type Markup, markup, messagePage, page } from "./html.ts";

/** What the session of the request tells. */
type Seen =
  & Omit<View, "stored" | "isSealing" | "isCopied">
  & { readonly notice: string | undefined };

/**
 * Shows the page. Looking at it creates neither a file nor a cookie.
 *
 * Reading the message changes the session, so the session is committed before
 * the page is made: the page then shows the file as it is after this request.
 */
export const showHome: Handler = async (demo, request) => {
  let seen: Seen;
  const { headers } = await demo.sessions(request).run(request, (session) => {
    seen = lookAt(session);
    return new Response();
  });
  const { notice, ...facts } = seen!;
  const cookies = request.headers.get("cookie");
  const view: View = {
    ...facts,
    stored: facts.id === undefined
      ? undefined
      : await findStored(demo, facts.id, [cookies, ...headers.getSetCookie()]),
    isSealing: !demo.isBound && isSealing(request.headers),
    isCopied: readCookie(cookies, COPY_COOKIE)
      .some((copy) => parseToken(copy)?.id === facts.id),
  };
  const response = page("Sessions on disk", await showAll(view, notice, demo));
  for (const [name, value] of headers) response.headers.append(name, value);
  return response;
};

function lookAt(session: VisitorSession): Seen {
  const notice = session.flash(NOTICE);
  return {
    id: session.isNew ? undefined : session.id,
    user: session.user,
    counter: session.get("counter") ?? 0,
    flood: session.get("flood"),
    cart: session.get("cart") ?? [],
    createdAt: session.createdAt,
    lastAccess: session.lastAccess,
    expiresAt: session.expiresAt,
    data: Object.fromEntries(session.entries()),
    notice: typeof notice === "string" ? notice : undefined,
  };
}

/**
 * Finds a session as it is stored, if a cookie opens it as it is now: since the
 * request opened it, a login may have made it another visitor's.
 */
async function findStored(
  { storage }: Demo,
  id: string,
  cookies: readonly (string | null)[],
): Promise<StoredView | undefined> {
  const stored = await storage.view(id);
  const isOpened = secretHashes(id, cookies)
    .some((hash) => isSameHash(hash, stored?.secretHash));
  return isOpened ? stored : undefined;
}

async function showAll(
  view: View,
  notice: string | undefined,
  demo: Demo,
): Promise<Markup> {
  const state = view.id === undefined
    ? "no session, no file"
    : "a session, a cookie, a file";
  const cards: Markup[] = [];
  for (const card of CARDS) cards.push(await showCard(card, view, demo));
  return markup`<header>
<a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28">@latchkey/session</a>
<span class="state">${state}</span>
</header>
<main class="cards">
${cards}
</main>
${notice && markup`<p class="notice" role="status">${notice}</p>`}
<p class="notice" id="goodbye">Goodbye! Your session has ended, its file and its cookie are deleted.</p>
${showFooter(demo)}`;
}

/** The addresses of session3's test server, and what each is for. */
const SESSION3 = [
  ["/login", "a form to log in; the counter begins at 0"],
  ["/counter", "counts; creates the session if there is none"],
  ["/check", "what the session holds: its ID, user, counter, last access"],
  ["/create_token", "creates a form token, of which a session has up to 32"],
  ["/check_token", "tells whether form tokens are outstanding"],
  ["/logout", "ends the session, and deletes its file"],
  ["/delete_old?minutes=30", "deletes sessions unused for so long"],
] as const;

function showFooter({ origin, isBound }: Demo): Markup {
  return markup`<footer>
<section class="card">
<h2>In the words of session3</h2>
<p>The directory of sessions is the idea of session3, a Python package. Its test server has these addresses,
which answer here with its texts: to compare both, and for curl, such as
<code>curl${isBound ? " -k" : ""} -b jar -c jar ${
    origin.replace("http://", "")
  }/counter</code>.</p>
<dl>${
    SESSION3.map(([path, what]) =>
      markup`<dt>${
        // These end sessions, which a click by mistake should not.
        /^.(?:logout|delete)/.test(path)
          ? markup`<code>${path}</code>`
          : markup`<a href="${path}"><code>${path}</code></a>`}</dt><dd>${what}</dd>`
    )
  }</dl>
</section>
<p>All of this works without scripts, because there are none.</p>
</footer>`;
}

/**
 * Shows what would be ordered, with a form that works once: the first
 * submission uses up the form token in it, so that a second click, a reload or
 * the back button orders nothing twice.
 */
export const showOrder: Handler = async (demo, request) =>
  await demo.visit(request, (session) => {
    const cart = session.get("cart") ?? [];
    if (cart.length === 0) return messagePage("The cart is empty.");
    const token = session.createFormToken();
    const items = cart.map(({ name }) => markup`<li>${name}</li>`);
    const main = markup`<main class="message">
<h1>Order this?</h1>
<ul class="list">${items}</ul>
<form method="post" action="/actions/order">
<input type="hidden" name="token" value="${token}">
<button class="strong">Order</button>
</form>
<p class="quiet">This form carries a token that works once. Order, then go
back and order again: the second time is refused.</p>
<p><a href="/">Back to the page</a></p>
</main>`;
    const response = page("Order", main);
    // With this header, the back button leads to this very form, not to a new
    // one. For the same reason the form is sent to another address: after a
    // POST a browser forgets what it has cached for the address.
    response.headers.set("cache-control", "private, no-cache");
    return response;
  });
