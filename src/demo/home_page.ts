import type { Demo } from "./demo.ts";
import {
  type HomeView,
  showCart,
  showCookie,
  showCounter,
  showOld,
  showOwner,
  showStored,
} from "./home_cards.ts";
import { page } from "./layout.ts";
import { type Markup, markup } from "./markup.ts";
import { NOTICE, type VisitorSession } from "./visitor.ts";

/** What a session alone tells. */
type Seen = Omit<HomeView, "where" | "record" | "stored">;

const NOBODY: Seen = {
  id: undefined,
  user: undefined,
  counter: 0,
  cart: [],
  lastAccess: 0,
  notice: undefined,
};

/**
 * Shows the page. Who only looks gets neither a file nor a cookie.
 *
 * The session is committed before the page is made, because reading the
 * message changes it: the page then shows the file as it is by now.
 *
 * @param demo The store and the manager.
 * @param request The request.
 */
export async function showHome(
  demo: Demo,
  request: Request,
): Promise<Response> {
  let seen = NOBODY;
  const { headers } = await demo.manager.run(request, (session) => {
    seen = lookAt(session);
    return new Response();
  });
  const { id } = seen;
  const { store, where, view } = demo.place;
  const record = id === undefined ? undefined : await store.load(id);
  const stored = record && await view(id!);

  const response = page(
    "Sessions on disk",
    showAll({ ...seen, where, record, stored }),
  );
  for (const [name, value] of headers) response.headers.append(name, value);
  return response;
}

function lookAt(session: VisitorSession): Seen {
  const notice = session.flash(NOTICE);
  return {
    id: session.isNew ? undefined : session.id,
    user: session.user ?? undefined,
    counter: session.get("counter") ?? 0,
    cart: session.get("cart") ?? [],
    lastAccess: session.lastAccess,
    notice: typeof notice === "string" ? notice : undefined,
  };
}

function showAll(view: HomeView): Markup {
  const { record, notice } = view;
  const state = record === undefined
    ? "no session, no cookie, no file"
    : "a session, a cookie, a file";
  return markup`<header>
<a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28">@latchkey/session</a>
<span class="state">${state}</span>
</header>
<main class="cards">
<p class="notice" id="goodbye">Goodbye! Your session is over, its file and its cookie are gone.</p>
${notice && markup`<p class="notice" role="status">${notice}</p>`}
${showOwner(view)}
${showCart(view)}
<div class="column">
${showCounter(view)}
${showOld(view)}
</div>
${showCookie(view)}
${showStored(view)}
</main>
<footer>
<p>All of this works without scripts, because there are none. In the words of session3, for curl:
<a href="/check">/check</a>, <a href="/counter">/counter</a>, <a href="/create_token">/create_token</a>,
<a href="/check_token">/check_token</a>, <a href="/login">/login</a>, /logout, /delete_old?minutes=30.</p>
</footer>`;
}
