/*
 * What the forms of the page do, and the code that its cards show. Each
 * redirects to its card, so that a reload does not repeat the action, and leaves
 * a message that the page shows once. A visitor without a session gets the
 * message as the response: a message alone is no reason to create a session.
 */
import { createSessionId } from "../core/token.ts";
import { readCookie } from "../http/cookie.ts";
import {
  BOUND_COOKIE,
  type CartItem,
  COOKIE,
  COPY_COOKIE,
  demoCookie,
  type Handler,
  isSealing,
  manage,
  MAX_ITEM_LENGTH,
  MAX_ITEMS,
  MAX_NAME_LENGTH,
  MONTH,
  NOTICE,
  readLine,
  readMinutes,
  SEAL_COOKIE,
  type VisitorSession,
} from "./demo.ts";
import { markup, messagePage, page, seeOther } from "./html.ts";

/** How many requests the counter sends at once. */
export const MANY = 50;
/** How long a request to count takes, as if it asked a database, in ms. */
const QUERY = 20;
/** How long the slow button takes, in ms. */
const SLOWLY = 3_000;

/** Logs in; data from before the login, such as the cart, stays. */
export const logIn: Handler = async (demo, request, form) => {
  const name = readLine(form.get("name"), MAX_NAME_LENGTH);
  if (name === undefined) {
    return messagePage(`A name has 1 to ${MAX_NAME_LENGTH} characters.`, 400);
  }
  // A cookie that ends with the browser is not bound to the device.
  const isRemembered = demo.isBound || form.get("remember") === "on";
  return await demo.visit(request, (session) => {
    session.setUser(name);
    session.setLabel(nameBrowser(request));
    session.setLifetime(isRemembered ? { idleTimeout: MONTH } : {});
    return tell(session, `Welcome! ${name}`, "visitor");
  });
};

/** Ends the session and deletes its file and its cookie. */
export const logOut: Handler = async (demo, request) =>
  await demo.visit(request, (session) => {
    session.destroy();
    return seeOther("/#goodbye");
  });

/** Counts, right with `update` and wrong with `get` and `set`. */
export const count: Handler = async (demo, request) =>
  await demo.visit(request, async (session) => {
    const counter = session.update("counter", (n = 0) => n + 1);
    session.set("careless", (session.get("careless") ?? 0) + 1);
    await wait(QUERY);
    return tell(session, `Counter: ${counter}`, "counter");
  });

/**
 * Counts by many requests of this visitor at once: over sockets, but where the
 * demo might not trust its own certificate.
 */
export const countMany: Handler = async (demo, request) => {
  let before = 0;
  const first = await demo.visit(request, (session) => {
    before = session.update("counter", (n = 0) => n);
    session.set("careless", before);
    return new Response();
  });
  if (!first.ok) return first;
  const [given] = first.headers.getSetCookie();
  const cookies = request.headers.get("cookie") ?? "";
  const cookie = given ? `${given.split(";", 1)}; ${cookies}` : cookies;

  const start = performance.now();
  const url = `${demo.origin}/actions/count`;
  const answers = await Promise.all(Array.from({ length: MANY }, async () => {
    const init = { method: "POST", headers: { cookie } };
    const answer = demo.isBound
      ? await count(demo, new Request(url, init), new URLSearchParams())
      : await fetch(url, { ...init, redirect: "manual" });
    await answer.body?.cancel();
    return answer.status === 303;
  }));
  const took = Math.round(performance.now() - start);

  const last = new Request(request.url, { headers: { cookie } });
  const response = await demo.visit(last, (session) => {
    const after = session.get("counter") ?? 0;
    const careless = session.get("careless") ?? 0;
    session.set("flood", { before, after, careless, took });
    const counted = answers.filter((isCounted) => isCounted).length;
    return tell(
      session,
      `${counted} requests at once were answered`,
      "counter",
    );
  });
  if (given) response.headers.append("set-cookie", given);
  return response;
};

/**
 * Adds an item to the cart. With the slow button, the request takes a while
 * between opening its session and committing it, so that another tab can change
 * the same session meanwhile. No request waits for it: no lock is held.
 */
export const addItem: Handler = async (demo, request, form) => {
  const name = readLine(form.get("item"), MAX_ITEM_LENGTH);
  if (name === undefined) {
    return messagePage(`An item has 1 to ${MAX_ITEM_LENGTH} characters.`, 400);
  }
  const item: CartItem = { id: createSessionId(), name };
  return await demo.visit(request, async (session) => {
    const cart = session.update(
      "cart",
      (cart = []) => cart.length < MAX_ITEMS ? [...cart, item] : cart,
    );
    if (!cart.some(({ id }) => id === item.id)) {
      return tell(session, `The cart is full: ${MAX_ITEMS} items`, "cart");
    }
    if (form.get("pace") !== "slow") {
      return tell(session, `Added: ${name}`, "cart");
    }
    await wait(SLOWLY);
    return tell(session, `Added slowly: ${name}`, "cart");
  });
};

/** Removes an item from the cart. */
export const removeItem: Handler = async (demo, request, form) =>
  await demo.visit(request, (session) => {
    const id = form.get("id");
    const item = session.get("cart")?.find((item) => item.id === id);
    if (item === undefined) return messagePage("That is not in the cart.", 409);
    session.update(
      "cart",
      (cart = []) => cart.filter((item) => item.id !== id),
    );
    return tell(session, `Removed: ${item.name}`, "cart");
  });

/** Orders what is in the cart, once for each form that was sent out. */
export const order: Handler = async (demo, request, form) =>
  await demo.visit(request, async (session) => {
    const token = form.get("token") ?? "";
    const sessions = demo.sessions(request);
    if (!await sessions.consumeFormToken(session, token)) {
      return messagePage(
        "This form was used before, or is too old. Nothing was ordered a second time.",
        409,
      );
    }
    const cart = session.get("cart") ?? [];
    if (cart.length === 0) return messagePage("The cart is empty.", 409);
    const ordered = new Set(cart.map(({ id }) => id));
    // An item that another tab has just added was not ordered, and stays.
    session.update(
      "cart",
      (cart = []) => cart.filter(({ id }) => !ordered.has(id)),
    );
    const names = cart.map(({ name }) => name).join(", ");
    return tell(
      session,
      `Ordered: ${names}. Now go back and submit that form again.`,
      "cart",
    );
  });

/** Ends the session of another device of the same user. */
export const signOut: Handler = async (demo, request, form) =>
  await demo.visit(request, async (session) => {
    const sessions = demo.sessions(request);
    const { user, id } = session;
    const devices = user === null ? [] : await sessions.sessionsOf(user);
    const others = devices.filter((device) => device.id !== id);
    const device = others.find((device) => device.id === form.get("id"));
    if (device === undefined) {
      return messagePage("That is not another device of yours.", 409);
    }
    await sessions.expire(device.id);
    return tell(session, `Signed out: ${device.label}`, "devices");
  });

/** Ends the sessions of the user on all other devices. */
export const signOutOthers: Handler = async (demo, request) =>
  await demo.visit(request, async (session) => {
    const { user } = session;
    if (user === null) return messagePage("You are not logged in.", 409);
    const sessions = demo.sessions(request);
    const ended = await sessions.revokeUser(user, { except: session });
    return tell(session, `Other devices signed out: ${ended}`, "devices");
  });

/** Copies the cookie, as malware does, or a stranger at an open laptop. */
export const copyCookie: Handler = async (demo, request) =>
  await demo.visit(request, (session) => {
    if (session.isNew) return messagePage("There is no cookie to copy.", 409);
    const response = tell(
      session,
      "A thief has a copy of your cookie",
      "theft",
    );
    const token = readCookie(request.headers.get("cookie"), COOKIE)
      .find((token) => token.startsWith(session.id)) ?? "";
    response.headers.append("set-cookie", demoCookie(COPY_COOKIE, token));
    return response;
  });

/** Gives the session its next secret, as `rotateEvery` does when it is due. */
export const rotate: Handler = async (demo, request) => {
  const seal = isSealing(request.headers);
  const rotating = manage(demo.storage.store, { seal, rotateEvery: 1 });
  return await demo.visit(request, (session) => {
    if (session.isNew) return messagePage("There is no session yet.", 409);
    return tell(session, "Same session, another secret", "theft");
  }, rotating);
};

/** Sends a request with the copied cookie, and no other. */
export const useCopy: Handler = async (demo, request) => {
  const [copy] = readCookie(request.headers.get("cookie"), COPY_COOKIE);
  if (copy === undefined) return messagePage("There is no copy yet.", 409);
  const opens = async (cookie: string): Promise<boolean> => {
    let isOpen = false;
    const other = new Request(request.url, { headers: { cookie } });
    await demo.sessions(request).run(other, (session) => {
      isOpen = !session.isNew;
      return new Response();
    });
    return isOpen;
  };
  if (!await opens(request.headers.get("cookie")!)) {
    return messagePage("There is no session to steal any more.", 409);
  }
  const isIn = await opens(`${COOKIE}=${copy}`);
  return await demo.visit(request, (session) => {
    if (!session.isNew) {
      const outcome = isIn
        ? "The thief is in: until the secret is replaced, the copy is as good as the cookie"
        : "The copy opens nothing any more";
      return tell(session, outcome, "theft");
    }
    const response = messagePage(
      "The secret of the copy had been replaced, so there are two copies of the cookie. The session has ended, for the thief and for you; the terminal shows the event.",
    );
    response.headers.append("set-cookie", demoCookie(COPY_COOKIE, ""));
    return response;
  });
};

/** Shows the cookie of a bound session, as malware reads it, and how to use it. */
export const stealCookie: Handler = async (demo, request) =>
  await demo.visit(request, (session) => {
    const token = readCookie(request.headers.get("cookie"), BOUND_COOKIE)
      .find((token) => token.startsWith(session.id));
    if (token === undefined) {
      return messagePage("There is no bound session to steal.", 409);
    }
    const main = markup`<main class="message">
<h1>The cookie, stolen</h1>
<pre id="stolen">curl -k -b '${BOUND_COOKIE}=${token}' ${demo.origin}/check</pre>
<p>Run it: it names you. It stops working 30 seconds after this browser's next
refresh, and at once after two.</p>
<p class="quiet">The browser refreshes when the cookie is missing or has less
than two minutes left: to see it now, delete the cookie in the developer tools,
and open the page.</p>
<p><a href="/">Back to the page</a></p>
</main>`;
    return page("The cookie, stolen", main);
  });

/** Gives the session another secret, and so the browser another cookie. */
export const regenerate: Handler = async (demo, request) =>
  await demo.visit(request, async (session) => {
    if (session.isNew) return messagePage("There is no session yet.", 409);
    const record = await demo.storage.store.load(session.id);
    session.regenerate();
    return tell(
      session,
      `The cookie has another secret, the session still its ID. The secret with the hash ${record?.secretHash} opens nothing any more.`,
      "cookie",
    );
  });

/** Stores the session sealed from now on, or no longer. */
export const setSealing: Handler = async (demo, request, form) => {
  if (demo.isBound) return messagePage("What is bound is never sealed.", 409);
  const seal = form.get("seal") === "on";
  const sessions = demo.sessions(seal);
  return await demo.visit(request, (session) => {
    if (session.isNew) return messagePage("There is no session yet.", 409);
    const outcome = seal
      ? "Sealed: only your cookie opens it"
      : "Stored in clear";
    const response = tell(session, outcome, "stored");
    const cookie = demoCookie(SEAL_COOKIE, seal ? "on" : "");
    response.headers.append("set-cookie", cookie);
    return response;
  }, sessions);
};

/** Deletes old sessions, possibly the visitor's own. */
export const deleteOld: Handler = async (demo, request, form) => {
  const minutes = readMinutes(form.get("minutes"));
  if (minutes === undefined) {
    return messagePage("The minutes are a whole number from 0 up.", 400);
  }
  const { deleted, remaining } = await demo.storage.store.deleteOldSessions(
    minutes,
  );
  const message = `Deleted: ${deleted}, Remaining: ${remaining}`;
  return await demo.visit(
    request,
    (session) =>
      session.isNew ? messagePage(message) : tell(session, message, "old"),
  );
};

/** Leaves a message, and shows the page at a card. */
function tell(
  session: VisitorSession,
  message: string,
  card: string,
): Response {
  session.flash(NOTICE, message);
  return seeOther(`/#${card}`);
}

// Each browser and system also says the names that follow its own.
const BROWSERS = [
  ["Firefox", "Firefox"],
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Chrome", "Chrome"],
  ["Safari", "Safari"],
  ["curl", "curl"],
] as const;
const SYSTEMS = [
  "Android",
  "iPhone",
  "iPad",
  "Windows",
  "Mac",
  "CrOS",
  "Linux",
];

/** Names the browser of a request, such as "Firefox on Linux". */
function nameBrowser({ headers }: Request): string {
  const agent = headers.get("user-agent") ?? "";
  const browser = BROWSERS.find(([mark]) => agent.includes(mark))?.[1];
  const system = SYSTEMS.find((mark) => agent.includes(mark));
  return `${browser ?? "A browser"} on ${system ?? "an unknown system"}`;
}

async function wait(time: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, time));
}
