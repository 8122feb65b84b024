/*
 * What the forms of the page do. Each ends in another page, so that loading
 * that again repeats nothing, with a message that waits there to be read once.
 * Who has no session is told at once: a message alone is no reason for one.
 */
import { createSessionId } from "../core/token.ts";
import {
  type CartItem,
  type Demo,
  MAX_ITEM_LENGTH,
  MAX_ITEMS,
  MAX_NAME_LENGTH,
  NOTICE,
  readLine,
  readMinutes,
  type VisitorSession,
} from "./demo.ts";
import { fail, messagePage, seeOther } from "./html.ts";

/** Does what a form of the page asks for. */
export type Action = (
  demo: Demo,
  request: Request,
  form: URLSearchParams,
) => Promise<Response>;

const HOME = "/";
const SLOWLY = 3_000;

function tell(session: VisitorSession, message: string): Response {
  session.flash(NOTICE, message);
  return seeOther(HOME);
}

/** Logs in; what was done before, such as the cart, stays. */
export const logIn: Action = async (demo, request, form) => {
  const name = readLine(form.get("name"), MAX_NAME_LENGTH);
  if (name === undefined) {
    return fail(400, `A name has 1 to ${MAX_NAME_LENGTH} characters.`);
  }
  return await demo.visit(request, (session) => {
    session.setUser(name);
    return tell(session, `Welcome! ${name}`);
  });
};

/** Ends the session: its file and its cookie go. */
export const logOut: Action = async (demo, request) =>
  await demo.visit(request, (session) => {
    session.destroy();
    return seeOther(`${HOME}#goodbye`);
  });

/** Counts, however many requests do so at once. */
export const count: Action = async (demo, request) =>
  await demo.visit(request, (session) => {
    const counter = session.update("counter", (n = 0) => n + 1);
    return tell(session, `Counter: ${counter}`);
  });

/**
 * Adds to the cart; slowly, when asked, so that a person can do something else
 * in another tab while this request is between opening its session and
 * committing it. Nobody waits for it: no lock is held.
 */
export const addItem: Action = async (demo, request, form) => {
  const name = readLine(form.get("item"), MAX_ITEM_LENGTH);
  if (name === undefined) {
    return fail(400, `An item has 1 to ${MAX_ITEM_LENGTH} characters.`);
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

/** Takes something out of the cart. */
export const removeItem: Action = async (demo, request, form) =>
  await demo.visit(request, (session) => {
    const id = form.get("id");
    const item = session.get("cart")?.find((item) => item.id === id);
    if (item === undefined) return fail(409, "That is not in the cart.");
    session.update(
      "cart",
      (cart = []) => cart.filter((item) => item.id !== id),
    );
    return tell(session, `Removed: ${item.name}`);
  });

/** Orders what is in the cart: once for each form that was handed out. */
export const order: Action = async (demo, request, form) =>
  await demo.visit(request, async (session) => {
    const token = form.get("token") ?? "";
    if (!await demo.manager.consumeFormToken(session, token)) {
      return fail(
        409,
        "This form was used before, or is too old. Nothing was ordered a second time.",
      );
    }
    const cart = session.get("cart") ?? [];
    if (cart.length === 0) return fail(409, "The cart is empty.");
    const ordered = new Set(cart.map(({ id }) => id));
    // Not an empty cart: what another tab has just added was not ordered.
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

/** Gives the session another secret, and with it the browser another cookie. */
export const regenerate: Action = async (demo, request) =>
  await demo.visit(request, async (session) => {
    if (session.isNew) return fail(409, "There is no session yet.");
    const record = await demo.place.store.load(session.id);
    session.regenerate();
    return tell(
      session,
      `The cookie has another secret, the session still its ID. The secret with the hash ${record?.secretHash} opens nothing any more.`,
    );
  });

/** Deletes old sessions, perhaps the visitor's own. */
export const deleteOld: Action = async (demo, request, form) => {
  const minutes = readMinutes(form.get("minutes"));
  if (minutes === undefined) {
    return fail(400, "The minutes are a whole number from 0 up.");
  }
  const { deleted, remaining } = await demo.place.store.deleteOldSessions(
    minutes,
  );
  const message = `Deleted: ${deleted}, Remaining: ${remaining}`;
  return await demo.visit(
    request,
    (session) => session.isNew ? messagePage(message) : tell(session, message),
  );
};
