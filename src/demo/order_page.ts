import type { Demo } from "./demo.ts";
import { messagePage, page } from "./layout.ts";
import { markup } from "./markup.ts";

/**
 * Shows what would be ordered, with a form that works once: the form token in
 * it is used up by the first submission, so a second click, a reload or a way
 * back orders nothing twice.
 *
 * @param demo The store and the manager.
 * @param request The request.
 */
export async function showOrder(
  demo: Demo,
  request: Request,
): Promise<Response> {
  return await demo.visit(request, (session) => {
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
    // So that the way back leads to this very form, not to a new one. For the
    // same reason the form goes elsewhere: a POST makes a browser forget what
    // it keeps of that address.
    response.headers.set("cache-control", "private, no-cache");
    return response;
  });
}
