import type { SessionRecord } from "../core/record.ts";
import {
  type CartItem,
  type Handler,
  MAX_ITEM_LENGTH,
  MAX_ITEMS,
  MAX_NAME_LENGTH,
  NOTICE,
  type VisitorSession,
} from "./demo.ts";
import type { StoredView } from "./demo_store.ts";
import { type Markup, markup, messagePage, page } from "./html.ts";

/** What the page shows. */
interface HomeView {
  /** The session ID, if there is a session. */
  readonly id: string | undefined;
  /** The user who is logged in. */
  readonly user: string | undefined;
  /** How often the counter was pressed. */
  readonly counter: number;
  /** What is in the cart. */
  readonly cart: readonly CartItem[];
  /** When the session was accessed before this request, in ms since the epoch. */
  readonly lastAccess: number;
  /** The message that the last action left. */
  readonly notice: string | undefined;
  /** Where all sessions are kept. */
  readonly where: string;
  /** The record of the session after this request. */
  readonly record: SessionRecord | undefined;
  /** The same, as it is stored. */
  readonly stored: StoredView | undefined;
}

/** What the session of the request tells. */
type Seen = Omit<HomeView, "where" | "record" | "stored">;

const NO_SESSION: Seen = {
  id: undefined,
  user: undefined,
  counter: 0,
  cart: [],
  lastAccess: 0,
  notice: undefined,
};

/**
 * Shows the page. Looking at it creates neither a file nor a cookie.
 *
 * Reading the message changes the session, so the session is committed before
 * the page is made: the page then shows the file as it is after this request.
 */
export const showHome: Handler = async (demo, request) => {
  let seen = NO_SESSION;
  const { headers } = await demo.manager.run(request, (session) => {
    seen = lookAt(session);
    return new Response();
  });
  const { id } = seen;
  const { store, where, view } = demo.storage;
  const record = id === undefined ? undefined : await store.load(id);
  const stored = record && await view(id!);

  const response = page(
    "Sessions on disk",
    showAll({ ...seen, where, record, stored }),
  );
  for (const [name, value] of headers) response.headers.append(name, value);
  return response;
};

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
<p class="notice" id="goodbye">Goodbye! Your session has ended, its file and its cookie are deleted.</p>
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

/** The user, with a form to log in or out. */
function showOwner({ user, record }: HomeView): Markup {
  if (user !== undefined) {
    return markup`<section class="wide owner">
<h1>Hello, ${user}!</h1>
<form method="post" action="/actions/logout"><button>Log out</button></form>
</section>`;
  }
  const why = record === undefined
    ? "Looking at this page leaves nothing behind. Do something worth keeping, and there is a session."
    : "There is a session all the same, because there is something to keep.";
  const end = record && markup`<form method="post" action="/actions/logout">
<button>End the session</button>
</form>`;
  return markup`<section class="wide owner">
<div>
<h1>Not logged in</h1>
<p class="quiet">${why}</p>
</div>
<form class="row" method="post" action="/actions/login">
<label>Your name
<input name="name" required maxlength="${MAX_NAME_LENGTH}" autocomplete="username"></label>
<button class="strong">Log in</button>
</form>
${end}
</section>`;
}

/** A number that many requests may raise at once. */
function showCounter({ counter }: HomeView): Markup {
  return markup`<section>
<h2>Counter</h2>
<p class="number">${counter}</p>
<form method="post" action="/actions/count"><button class="strong">Count</button></form>
<p class="quiet">However many requests count at once, each is counted.</p>
</section>`;
}

/** A list that two tabs may change at once. */
function showCart({ cart }: HomeView): Markup {
  const order = cart.length === 0 ? undefined : markup`<p>
<a class="button" href="/order">Order…</a>
<span class="quiet">${cart.length} of ${MAX_ITEMS} at most</span>
</p>`;
  return markup`<section>
<h2>Cart</h2>
<form class="row" method="post" action="/actions/add">
<label>Item
<input name="item" required maxlength="${MAX_ITEM_LENGTH}" autocomplete="off"></label>
<span class="buttons">
<button class="strong">Add</button>
<button name="pace" value="slow">Add in 3 seconds</button>
</span>
</form>
<ul class="cart">${cart.map(showItem)}</ul>
${order}
<p class="quiet">Open this page in a second tab. Add slowly in one and something else in the other
meanwhile: neither waits, and nothing is lost.</p>
</section>`;
}

function showItem({ id, name }: CartItem): Markup {
  return markup`<li>
<span>${name}</span>
<form method="post" action="/actions/remove">
<input type="hidden" name="id" value="${id}">
<button class="plain" aria-label="Remove ${name}">Remove</button>
</form>
</li>`;
}

/** What the browser has of the session, and a form to change it. */
function showCookie({ id, record, lastAccess }: HomeView): Markup {
  if (record === undefined) {
    return markup`<section class="wide">
<h2>Cookie</h2>
<p>None. It comes with the first thing worth keeping: an ID, which is public, and a secret.</p>
</section>`;
  }
  return markup`<section class="wide">
<h2>Cookie</h2>
<dl>
<dt>Session ID</dt><dd><code id="session-id">${id}</code></dd>
<dt>Hash of its secret</dt><dd><code id="secret-hash">${record.secretHash}</code></dd>
<dt>Session begun</dt><dd>${showTime(record.createdAt)}</dd>
<dt>Accessed before</dt><dd>${showTime(lastAccess)}</dd>
</dl>
<form class="row centred" method="post" action="/actions/regenerate">
<button>Regenerate</button>
<span class="quiet">Another secret, as every login gives one: the ID stays, the old cookie stops working at once.</span>
</form>
</section>`;
}

/** The session as it is stored. */
function showStored({ stored, where }: HomeView): Markup {
  if (stored === undefined) {
    return markup`<section class="wide">
<h2>Stored</h2>
<p>Nothing in <code>${where}</code> is yours.</p>
</section>`;
  }
  const { what, note, content } = stored;
  return markup`<section class="wide">
<h2>${what}</h2>
<p><code id="file-path">${stored.where}</code> <span class="quiet">${note}</span></p>
<pre id="file">${content}</pre>
<p class="quiet">This is all that is stored. The secret is not in it, only its SHA-256: nobody who
reads this, a backup or a log can sign in with it.</p>
</section>`;
}

/** A form to clean up. */
function showOld({ where }: HomeView): Markup {
  return markup`<section>
<h2>Old sessions</h2>
<form class="row" method="post" action="/actions/delete_old">
<label>Minutes unused
<input name="minutes" type="number" min="0" max="999999999" value="30" required></label>
<button>Delete old sessions</button>
</form>
<p class="quiet">Everybody's in <code>${where}</code>; with 0 minutes, yours too.</p>
</section>`;
}

function showTime(at: number): Markup {
  const iso = new Date(at).toISOString();
  const text = iso.slice(0, 19).replace("T", " ");
  return markup`<time datetime="${iso}">${text} UTC</time>`;
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
<ul class="cart">${items}</ul>
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
