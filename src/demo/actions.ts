/*
 * What the forms of the page do. Each redirects to the page, so that a reload
 * does not repeat the action, and leaves a message that the page shows once. A
 * visitor without a session gets the message as the response: a message alone
 * is no reason to create a session.
 */
import { createSessionId } from "../core/token.ts";
import {
  type CartItem,
  type Handler,
  MAX_ITEM_LENGTH,
  MAX_ITEMS,
  MAX_NAME_LENGTH,
  NOTICE,
  readLine,
  readMinutes,
  type VisitorSession,
} from "./demo.ts";
import { messagePage, seeOther } from "./html.ts";

const HOME = "/";
/** How long the slow button takes, in ms. */
const SLOWLY = 3_000;

function tell(session: VisitorSession, message: string): Response {
  session.flash(NOTICE, message);
  return seeOther(HOME);
}

/** Logs in; data from before the login, such as the cart, stays. */
export const logIn: Handler = async (demo, request, form) => {
  const name = readLine(form.get("name"), MAX_NAME_LENGTH);
  if (name === undefined) {
    return messagePage(`A name has 1 to ${MAX_NAME_LENGTH} characters.`, 400);
  }
  return await demo.visit(request, (session) => {
    session.setUser(name);
    return tell(session, `Welcome! ${name}`);
  });
};

/** Ends the session and deletes its file and its cookie. */
export const logOut: Handler = async (demo, request) =>
  await demo.visit(request, (session) => {
    session.destroy();
    return seeOther(`${HOME}#goodbye`);
  });

/** Counts; no count is lost, however many requests count at once. */
export const count: Handler = async (demo, request) =>
  await demo.visit(request, (session) => {
    const counter = session.update("counter", (n = 0) => n + 1);
    return tell(session, `Counter: ${counter}`);
  });

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
      return tell(session, `The cart is full: it holds ${MAX_ITEMS} items`);
    }
    if (form.get("pace") !== "slow") return tell(session, `Added: ${name}`);
    await new Promise((resolve) => setTimeout(resolve, SLOWLY));
    return tell(session, `Added slowly: ${name}`);
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
    return tell(session, `Removed: ${item.name}`);
  });

/** Orders what is in the cart, once for each form that was sent out. */
export const order: Handler = async (demo, request, form) =>
  await demo.visit(request, async (session) => {
    const token = form.get("token") ?? "";
    if (!await demo.manager.consumeFormToken(session, token)) {
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
    );
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
    );
  });

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
    (session) => session.isNew ? messagePage(message) : tell(session, message),
  );
};
