/*
 * The cards of the page. Another one is an entry of the list: what it shows, and
 * its actions, and of what it shows the source.
 */
import * as actions from "./actions.ts";
import actionsSource from "./actions.ts" with { type: "text" };
import {
  type CartItem,
  type Demo,
  type Flood,
  type Handler,
  manage,
  manageBound,
  MAX_ITEM_LENGTH,
  MAX_ITEMS,
  MAX_NAME_LENGTH,
} from "./demo.ts";
import demoSource from "./demo.ts" with { type: "text" };
import type { StoredView } from "./demo_store.ts";
import { type Markup, markup } from "./html.ts";

/** What the page shows. */
export interface View {
  /** The session ID, if there is a session. */
  readonly id: string | undefined;
  /** The user who is logged in. */
  readonly user: string | null;
  /** How often the counter was pressed. */
  readonly counter: number;
  /** What came of many requests at once. */
  readonly flood: Flood | undefined;
  /** What is in the cart. */
  readonly cart: readonly CartItem[];
  /** When the session began, in ms since the epoch. */
  readonly createdAt: number;
  /** When the session was accessed before this request, in ms since the epoch. */
  readonly lastAccess: number;
  /** When it expires, in ms since the epoch, if ever. */
  readonly expiresAt: number | null;
  /** All data, as the cookie opens it. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The session as it is stored after this request, if it is the visitor's. */
  readonly stored: StoredView | undefined;
  /** Whether the visitor wants it sealed. */
  readonly isSealing: boolean;
  /** Whether a thief has a copy of the session's cookie. */
  readonly isCopied: boolean;
}

/** A part of the page. */
export interface Card {
  /** Its anchor, to which its actions return. */
  readonly id: string;
  /** Its heading. */
  readonly title: string;
  /** Whether it takes the whole width. */
  readonly isWide?: boolean;
  /** What its forms do, by the address below `/actions/`. */
  readonly actions: Readonly<Record<string, Handler>>;
  /** Of what to show the source. */
  readonly code: readonly { readonly name: string }[];
  /** Its content. */
  readonly show: (view: View, demo: Demo) => Markup | Promise<Markup>;
}

/** The cards, in their order. */
export const CARDS: readonly Card[] = [
  {
    id: "visitor",
    title: "Visitor",
    isWide: true,
    actions: { login: actions.logIn, logout: actions.logOut },
    code: [actions.logIn, actions.logOut],
    show: showVisitor,
  },
  {
    id: "counter",
    title: "50 requests at once",
    actions: { count: actions.count, count_many: actions.countMany },
    code: [actions.count],
    show: showCounter,
  },
  {
    id: "cart",
    title: "Two tabs, one cart",
    actions: {
      add: actions.addItem,
      remove: actions.removeItem,
      order: actions.order,
    },
    code: [actions.addItem, actions.order],
    show: showCart,
  },
  {
    id: "devices",
    title: "Your devices",
    actions: {
      sign_out: actions.signOut,
      sign_out_others: actions.signOutOthers,
    },
    code: [actions.signOut, actions.signOutOthers],
    show: showDevices,
  },
  {
    id: "theft",
    title: "A stolen cookie",
    actions: {
      copy: actions.copyCookie,
      rotate: actions.rotate,
      use_copy: actions.useCopy,
    },
    code: [actions.rotate, actions.useCopy, manage],
    show: showTheft,
  },
  {
    id: "bound",
    title: "Bound to this device",
    isWide: true,
    actions: { steal: actions.stealCookie },
    code: [manageBound, actions.stealCookie],
    show: showBound,
  },
  {
    id: "cookie",
    title: "The cookie",
    isWide: true,
    actions: { regenerate: actions.regenerate },
    code: [actions.regenerate],
    show: showCookie,
  },
  {
    id: "stored",
    title: "What is stored",
    isWide: true,
    actions: { seal: actions.setSealing },
    code: [actions.setSealing, manage],
    show: showStored,
  },
  {
    id: "old",
    title: "Old sessions",
    isWide: true,
    actions: { delete_old: actions.deleteOld },
    code: [actions.deleteOld],
    show: showOld,
  },
];

/** Shows a card, with the code behind it. */
export async function showCard(
  card: Card,
  view: View,
  demo: Demo,
): Promise<Markup> {
  const { id, title, isWide } = card;
  const content = await card.show(view, demo);
  const code = card.code.map(({ name }) => sourceOf(name)).join("\n\n");
  return markup`<section id="${id}" class="card${isWide ? " wide" : ""}">
<h2>${title}</h2>
${content}
<details>
<summary aria-label="The code: ${title}">The code</summary>
<pre class="code"><code>${markCalls(code)}</code></pre>
</details>
</section>`;
}

/**
 * Finds the source of what a module of the demo exports.
 *
 * @param name Its name.
 * @returns The declaration with its comment, as it is in the file.
 * @throws {Error} If there is none.
 */
export function sourceOf(name: string): string {
  const begins = new RegExp(`^export (?:const|function) ${name}\\b`, "m");
  for (const source of [actionsSource, demoSource]) {
    const at = source.search(begins);
    if (at < 0) continue;
    const start = source.lastIndexOf("\n/**", at) + 1;
    const length = source.slice(at).search(/\n\n(?=\S)/);
    return source.slice(start, length < 0 ? undefined : at + length).trim();
  }
  throw new Error(`Cannot show the source of ${name}: not an export`);
}

/** Marks what the code does with its session. */
function markCalls(code: string): (Markup | string)[] {
  return code.split(/(\b(?:sessions?(?:\(request\))?|store)\.\w+)/)
    .map((part, at) => at % 2 === 1 ? markup`<b>${part}</b>` : part);
}

/** The user, with a form to log in or out. */
function showVisitor(
  { user, id, expiresAt }: View,
  { isBound }: Demo,
): Markup {
  if (user !== null) {
    const how = expiresAt === null
      ? "This browser forgets you when it closes."
      : markup`Remembered until ${
        showTime(expiresAt)
      }, if you do not come back.`;
    return markup`<div class="hero">
<div>
<h1>Hello, ${user}!</h1>
<p class="quiet">${how}</p>
</div>
<form method="post" action="/actions/logout"><button>Log out</button></form>
</div>`;
  }
  const why = id === undefined
    ? "Looking at this page leaves nothing behind. Do something worth keeping, and there is a session."
    : "There is a session all the same, because there is something to keep.";
  const end = id && markup`<form method="post" action="/actions/logout">
<button class="plain">End the session</button>
</form>`;
  const choice = isBound
    ? undefined
    : markup`<label class="check"><input type="checkbox" name="remember"> Remember me for 30 days</label>`;
  return markup`<div class="hero">
<div>
<h1>Not logged in</h1>
<p class="quiet">${why}</p>
${end}
</div>
<form class="row" method="post" action="/actions/login">
<label>Your name
<input name="name" required maxlength="${MAX_NAME_LENGTH}" autocomplete="username"></label>
<button class="strong">Log in</button>
${choice}
</form>
</div>`;
}

/** A number that many requests may raise at once. */
function showCounter({ counter, flood }: View): Markup {
  const result = flood && markup`<table>
<thead><tr><td></td><th scope="col">Before</th><th scope="col">After</th><th scope="col">Lost</th></tr></thead>
<tbody>
<tr><th scope="row"><code>update</code></th>${
    showCells(flood, flood.after)
  }</tr>
<tr><th scope="row"><code>get</code> and <code>set</code></th>${
    showCells(flood, flood.careless)
  }</tr>
</tbody>
</table>`;
  return markup`<p class="number">${counter}</p>
<div class="buttons">
<form method="post" action="/actions/count_many"><button class="strong">Count ${actions.MANY} at once</button></form>
<form method="post" action="/actions/count"><button>Count</button></form>
</div>
${result}
<p class="quiet">Each request reads the number, works for 20 ms, and writes. With <code>update</code> all are
counted, and none waits for another. With <code>get</code> and <code>set</code>, the last one to write wins.</p>`;
}

function showCells({ before }: Flood, after: number): Markup {
  const lost = Math.max(0, before + actions.MANY - after);
  return markup`<td>${before}</td><td>${after}</td><td>${lost}</td>`;
}

/** A list that two tabs may change at once. */
function showCart({ cart }: View): Markup {
  const order = cart.length === 0 ? undefined : markup`<p>
<a class="button" href="/order">Order…</a>
<span class="quiet">${cart.length} of ${MAX_ITEMS} at most</span>
</p>`;
  return markup`<form class="row" method="post" action="/actions/add">
<label>Item
<input name="item" required maxlength="${MAX_ITEM_LENGTH}" autocomplete="off"></label>
<span class="buttons">
<button class="strong">Add</button>
<button name="pace" value="slow">Add in 3 seconds</button>
</span>
</form>
<ul class="list">${cart.map(showItem)}</ul>
${order}
<p class="quiet">Open this page in a second tab. Add slowly in one, and something else in the other
meanwhile: neither waits, and nothing is lost.</p>`;
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

/** The sessions of the user, each of which can be ended. */
async function showDevices(
  { id, user, isSealing }: View,
  demo: Demo,
): Promise<Markup> {
  if (user === null) {
    return markup`<p class="quiet">Log in, here and with the same name in another browser or a private window: each
is listed here, and can be signed out from here.</p>`;
  }
  const devices = await demo.sessions(isSealing).sessionsOf(user);
  const items = devices.map((device) => {
    const end = device.id === id
      ? markup`<span class="quiet">this one</span>`
      : markup`<form method="post" action="/actions/sign_out">
<input type="hidden" name="id" value="${device.id}">
<button class="plain" aria-label="Sign out ${
        device.label ?? ""
      }">Sign out</button>
</form>`;
    return markup`<li>
<span>${device.label ?? "Without a name"}<br><small class="quiet">${
      showTime(device.lastAccess)
    }</small></span>
${end}
</li>`;
  });
  return markup`<ul class="list">${items}</ul>
<form method="post" action="/actions/sign_out_others"><button>Sign out all others</button></form>
<p class="quiet">Log in with the same name in another browser or a private window, and reload this page. What is
signed out here is out at its next request; one that is under way saves nothing any more.</p>`;
}

/** A copy of the cookie, before and after the secret is replaced. */
function showTheft({ id, isCopied }: View, { isBound }: Demo): Markup {
  if (isBound) {
    return markup`<p class="quiet">Over https, what protects the cookie is that it is bound to this device; see below.
This card is for the demo over http.</p>`;
  }
  const isThere = id !== undefined;
  const steps = [
    {
      path: "copy",
      name: "Copy the cookie",
      note: isCopied
        ? "A thief has a copy."
        : "As malware does, or a stranger.",
      isReady: isThere,
    },
    {
      path: "rotate",
      name: "Rotate the secret",
      note: markup`As <code>rotateEvery</code> does by itself.`,
      isReady: isThere,
    },
    {
      path: "use_copy",
      name: "Use the copy",
      note: "As the thief does.",
      isReady: isCopied,
    },
  ];
  const items = steps.map(({ path, name, note, isReady }) =>
    markup`<li>
<form method="post" action="/actions/${path}"><button${
      isReady ? "" : " disabled"
    }>${name}</button></form>
<span class="quiet">${note}</span>
</li>`
  );
  return markup`<ol class="steps">${items}</ol>
<p class="quiet">Before a rotation the copy opens your session. After it, the old secret shows that there is
a copy, and with <code>endOnReuse</code> the session ends, for both.</p>`;
}

/** Whether the session is bound to the device, and a form to steal its cookie. */
function showBound({ id, stored }: View, { isBound }: Demo): Markup {
  if (!isBound) {
    return markup`<p class="quiet">To see how a stolen cookie stops working, start
<code>deno task demo --cert FILE --key FILE</code> with a certificate that your browser trusts, and log in over https
with Chromium 145 or later.</p>`;
  }
  const device = stored?.device;
  if (device === undefined) {
    const why = id === undefined
      ? "Log in: a browser that can do it binds the session right after."
      : "A browser that can do it, and trusts the certificate, binds the session right after a login: reload this page.";
    return markup`<p id="binding">Not bound.</p>
<p class="quiet">${why}</p>`;
  }
  return markup`<p id="binding">Bound: the browser has a key that does not leave this device.</p>
<dl>
<dt>Last proof of the key</dt><dd id="proven">${showTime(device.provenAt)}</dd>
<dt>Cookie good until</dt><dd>${showTime(device.until)}</dd>
</dl>
<form class="row centred" method="post" action="/actions/steal">
<button>Steal this cookie</button>
<span class="quiet">Shows it in a <code>curl</code> line, which stops working after the browser's next refresh.</span>
</form>`;
}

/** What the browser has of the session, and a form to change it. */
function showCookie(view: View): Markup {
  const { id, stored, createdAt, lastAccess, expiresAt } = view;
  if (id === undefined) {
    return markup`<p>None. It comes with the first thing worth keeping: an ID, which is public, and a secret.</p>`;
  }
  const kept = stored?.device !== undefined
    ? markup`until ${showTime(stored.device.until)}, and longer with each proof`
    : expiresAt === null
    ? "until it closes"
    : markup`until ${showTime(expiresAt)}, and again 30 days at each visit`;
  return markup`<dl>
<dt>Session ID</dt><dd><code id="session-id">${id}</code></dd>
<dt>Hash of its secret</dt><dd><code id="secret-hash">${stored?.secretHash}</code></dd>
<dt>The browser keeps it</dt><dd>${kept}</dd>
<dt>Session begun</dt><dd>${showTime(createdAt)}</dd>
<dt>Accessed before</dt><dd>${showTime(lastAccess)}</dd>
</dl>
<form class="row centred" method="post" action="/actions/regenerate">
<button>Regenerate</button>
<span class="quiet">Another secret, as every login gives one: the ID stays, the old cookie stops working at once.</span>
</form>`;
}

/** The session as it is stored, and as its cookie opens it. */
function showStored({ stored, data, isSealing }: View, demo: Demo): Markup {
  if (stored === undefined) {
    return markup`<p>Nothing in <code>${demo.storage.where}</code> is yours.</p>`;
  }
  const { what, where, note, content } = stored;
  const explanation = isSealing
    ? "Sealed with a key that comes from your cookie: without it, what is stored shows nothing of your data. User, label and times stay in clear."
    : "The secret is not in it, only its SHA-256: a copy of the file, a backup or a log is no use to sign in.";
  const seal =
    markup`<form class="row centred" method="post" action="/actions/seal">
<button name="seal" value="${isSealing ? "off" : "on"}">${
      isSealing ? "Store it in clear" : "Seal it"
    }</button>
<span class="quiet">${explanation}</span>
</form>`;
  return markup`<p>${what} <code id="file-path">${where}</code> <span class="quiet">${note}</span></p>
<div class="pair">
<div>
<h3>As it is stored</h3>
<pre id="file">${content}</pre>
</div>
<div>
<h3>The data, as your cookie opens it</h3>
<pre id="data">${JSON.stringify(data, null, 2)}</pre>
</div>
</div>
${demo.isBound ? markup`<p class="quiet">${explanation}</p>` : seal}`;
}

/** A form to clean up. */
function showOld(_view: View, { storage }: Demo): Markup {
  return markup`<form class="row" method="post" action="/actions/delete_old">
<label>Minutes unused
<input name="minutes" type="number" min="0" max="999999999" value="30" required></label>
<button>Delete old sessions</button>
</form>
<p class="quiet">Of all visitors in <code>${storage.where}</code>; with 0 minutes, yours too. A session with a lifetime
of its own, as "remember me" gives it, is deleted when that has passed.</p>`;
}

function showTime(at: number): Markup {
  const iso = new Date(at).toISOString();
  const text = iso.slice(0, 19).replace("T", " ");
  return markup`<time datetime="${iso}">${text} UTC</time>`;
}
