/**
 * Every order of the steps of two requests of one browser, and of one and an
 * administrator's: which cookie the browser ends with, and what that opens.
 *
 * A server cannot take back an answer. One that is overtaken on its way by the
 * answer of a later commit may bring a cookie that this commit has ended; it was
 * valid when it was sent, and that is what is checked.
 */

import { assert, assertEquals, AssertionError } from "@std/assert";
import {
  SessionGoneError,
  SessionRevokedError,
} from "../../src/core/errors.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { takeShare } from "../share.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  type ActionName,
  ACTIONS,
  ADMINISTRATION,
  type Ending,
  type Medium,
  type OpeningName,
  OPENINGS,
  playOrder,
  stepsOf,
  type Visit,
} from "./browser_orders.ts";
import { BEGIN, idOf } from "./set_up.ts";

/** One order, to be played. */
interface Order {
  readonly opening: OpeningName;
  readonly actions: readonly [ActionName, ActionName];
  readonly steps: readonly number[];
}

const NAMES: readonly ActionName[] = [
  ...Object.keys(ACTIONS) as ActionName[],
  ...ADMINISTRATION,
];

/** What ends a session, or its secret, for requests that came before. */
const ENDING: readonly ActionName[] = [
  "login",
  "other login",
  "logout",
  "destroy",
  "regenerate",
  "revoke",
  "expire",
];

/** Every order of the steps of two requests. */
function* interleave(first: number, second: number): Iterable<number[]> {
  if (first + second === 0) yield [];
  if (first > 0) {
    for (const rest of interleave(first - 1, second)) yield [0, ...rest];
  }
  if (second > 0) {
    for (const rest of interleave(first, second - 1)) yield [1, ...rest];
  }
}

function listOrders(): Order[] {
  const orders: Order[] = [];
  for (const opening of Object.keys(OPENINGS) as OpeningName[]) {
    for (const [at, first] of NAMES.entries()) {
      for (const second of NAMES.slice(at)) {
        for (const steps of interleave(stepsOf(first), stepsOf(second))) {
          orders.push({ opening, actions: [first, second], steps });
        }
      }
    }
  }
  return orders;
}

/** Throws if what the contract says of every order does not hold for one. */
function check(ending: Ending): void {
  checkCookie(ending);
  checkUser(ending);
  checkLogins(ending);
  checkLogouts(ending);
  checkRefusals(ending);
  checkContents(ending);
  checkRevocation(ending);
  checkKept(ending);
}

function isLogin({ action }: Visit): boolean {
  return action === "login" || action === "other login";
}

function isLogout({ action }: Visit): boolean {
  return action === "logout" || action === "destroy";
}

function isLater(one: Visit, other: Visit | undefined): boolean {
  return other !== undefined && one.committedAt > other.committedAt;
}

/** The request whose `Set-Cookie` arrived last. */
function lastAnswer({ visits }: Ending): Visit | undefined {
  return visits.filter(({ answer }) => answer !== undefined)
    .sort((one, other) => other.arrivedAt - one.arrivedAt)[0];
}

function checkCookie({ cookie, issued, found, visits }: Ending): void {
  for (const { by, at, endedAt } of issued.values()) {
    assert(
      by === undefined || endedAt === undefined || endedAt > at,
      "a cookie was sent of a session that had ended",
    );
  }
  const first = issued.entries().find(([, { by }]) => by === undefined);
  for (const visit of visits) {
    if (visit.answer !== "cleared") continue;
    assert(isLogout(visit), `${visit.action} cleared the cookie`);
    assert(
      issued.values().some(({ endedBy }) => endedBy === visit),
      "a cookie was cleared by a request that has ended nothing",
    );
  }
  if (cookie === undefined) {
    const isCleared = visits.some(({ answer }) => answer === "cleared");
    assert(isCleared || first === undefined && issued.size === 0);
    return;
  }
  if (found.get(cookie) !== undefined) return;
  const { endedBy } = issued.get(cookie)!;
  assert(
    ENDING.includes(endedBy!.action),
    `${endedBy!.action} has ended a session`,
  );
  const isInTurn = visits.every((visit) =>
    visit.answer === undefined || visit.answer === cookie ||
    visit.committedAt < issued.get(cookie)!.at
  );
  const isOver = stepsOf(endedBy!.action) === 1 || !isInTurn ||
    endedBy!.answer === undefined && endedBy!.error !== undefined;
  assert(isOver, "the browser was not told that its session has ended");
}

/** The browser is signed in as a user whom a request signed in, or not. */
function checkUser({ cookie, found, visits, opening, users }: Ending): void {
  const opened = cookie === undefined ? undefined : found.get(cookie);
  const user = opened?.user ?? null;
  const signedIn = visits.filter((visit) => isLogin(visit) && !visit.error)
    .map(({ user }) => user);
  const before = opening.isSignedIn ? users.ann : null;
  assert(user === null || user === before || signedIn.includes(user));
  const issuers = visits.filter(({ answer }) => answer === cookie);
  for (const issuer of opened === undefined ? [] : issuers) {
    assert(user === issuer.user, "an answer carries another user's cookie");
  }
}

/** A login whose answer arrived last has signed the browser in. */
function checkLogins(ending: Ending): void {
  const { cookie, found, issued, users } = ending;
  const last = lastAnswer(ending);
  if (last === undefined || !isLogin(last)) return;
  const user = last.action === "login" ? users.ann : users.ben;
  assert(last.user === user);
  const opened = found.get(cookie!);
  if (opened !== undefined) {
    assert(opened.user === user, "a login signed in another user");
    return;
  }
  const by = issued.get(cookie!)!.endedBy!;
  const isOther = isLogin(by) && by.action !== last.action;
  const isAllowed = stepsOf(by.action) === 1 || isLater(by, last) &&
      (isLogout(by) || isOther) && by.openedUser === user;
  assert(isAllowed, `${by.action} has ended a login`);
}

/** A request is refused when its session has ended meanwhile, and only then. */
function checkRefusals({ visits, issued, users }: Ending): void {
  for (const visit of visits) {
    const { action, sent, openedUser, openedAt, committedAt, error } = visit;
    const { endedAt = -1, endedBy: by } = issued.get(sent!) ?? {};
    const isLost = endedAt > openedAt && endedAt < committedAt;
    const isReplaced = isLost && (by!.action === "regenerate" ||
      isLogin(by!) && (openedUser ?? by!.user) === by!.user);
    let isRefused = isLost;
    if (isLogin(visit)) {
      const isAgain =
        openedUser === (action === "login" ? users.ann : users.ben);
      isRefused = isLost && isAgain && !isReplaced && by!.action !== "revoke";
    } else if (action === "destroy") {
      isRefused = isReplaced && openedUser === null;
    } else if (!["cart", "flash", "regenerate"].includes(action)) {
      continue;
    }
    assertEquals(error instanceof SessionGoneError, isRefused, "refused");
  }
}

/** A logout ends the session; if its answer arrived last, the user is signed out. */
function checkLogouts({ cookie, found, visits }: Ending): void {
  for (const visit of visits) {
    if (!isLogout(visit) || visit.openedUser === null) continue;
    assert(visit.error === undefined, "a logout was refused");
    const id = idOf(visit.sent!);
    const isOpen = found.values().some((one) => one?.id === id);
    assert(!isOpen, "a session has survived its logout");
  }
  const last = visits.toSorted((one, other) =>
    other.arrivedAt - one.arrivedAt
  )[0]!;
  if (!isLogout(last) || last.error || last.openedUser === null) return;
  const opened = cookie === undefined ? undefined : found.get(cookie);
  assert(opened?.user !== last.openedUser, "a logout did not sign out");
}

/**
 * A user's session holds nothing of another user; and nothing of a visitor's if
 * that visitor had become another user.
 */
function checkContents({ found, issued, users }: Ending): void {
  for (const [cookie, opened] of found) {
    if (opened === undefined) continue;
    const { user, items, flash, label } = opened;
    const { openedUser = null } = issued.get(cookie)!.by ?? {};
    const isOther = openedUser !== null && openedUser !== user;
    const own = isOther ? [user] : [user, "visitor"];
    for (const owner of [...items, ...flash, label ?? user ?? "visitor"]) {
      assert(own.includes(owner), `${user}'s session has what is ${owner}'s`);
    }
    assert(user === null || Object.values(users).includes(user));
  }
}

/** No session of the user from before a revocation opens, and none begins. */
function checkRevocation({ found, issued, visits, users }: Ending): void {
  for (const revocation of visits) {
    if (revocation.action !== "revoke") continue;
    const at = revocation.committedAt;
    for (const [cookie, { by }] of issued) {
      const openedAt = by?.openedAt ?? -1;
      const isEarlier = openedAt < at;
      const isOpen = found.get(cookie)?.user === users.ann;
      assert(!isEarlier || !isOpen, "a session has survived a revocation");
    }
    for (const visit of visits) {
      if (visit.action !== "login") continue;
      if (visit.openedAt > at || visit.committedAt < at) continue;
      assert(
        visit.error instanceof SessionRevokedError,
        "a login has survived a revocation",
      );
    }
  }
}

/** Nothing is lost of what requests do that neither sign in nor out. */
function checkKept(ending: Ending): void {
  const { cookie, found, visits, opening } = ending;
  if (!opening.isStored) return;
  const opened = found.get(cookie!);
  const has = (...actions: readonly ActionName[]): boolean =>
    visits.some(({ action }) => actions.includes(action));
  const last = lastAnswer(ending);
  // A cookie whose secret a login has just replaced opens nothing, so a second
  // login may find no cart.
  const isSignIn = last !== undefined && isLogin(last) &&
    last.openedUser === null;
  if (isSignIn && opened !== undefined && !has("destroy", "expire")) {
    const isKept = last.openedItems.every((item) =>
      opened.items.includes(item)
    );
    assert(isKept, "a login has lost the cart");
  }
  if (has(...ENDING)) return;
  const carts = visits.filter(({ action }) => action === "cart");
  assert(visits.every(({ error }) => error === undefined));
  assertEquals(opened?.items.length, 1 + carts.length);
  const flashes = Number(!has("read flash")) + Number(has("flash"));
  assertEquals(opened?.flash.length, flashes);
}

async function searchOrders(
  what: string,
  orders: readonly Order[],
  medium: () => Medium,
): Promise<void> {
  for (const { opening, actions, steps } of orders) {
    try {
      check(await playOrder(medium(), opening, actions, steps));
    } catch (error) {
      const order = `${opening}: ${actions.join(" and ")}, ${steps.join("")}`;
      throw new AssertionError(`${order}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
  console.log(`${what}: ${orders.length} orders`);
}

/** A new memory store, whose clock is the test's. */
function inMemory(): Medium {
  const clock = { now: BEGIN };
  return { clock, store: new MemorySessionStore({ now: () => clock.now }) };
}

Deno.test("a request that looks gets a cookie in the openings in which a rotation or renewal is due, and in no other", async () => {
  for (const opening of Object.keys(OPENINGS) as OpeningName[]) {
    const actions = ["look", "revoke"] as const;
    const order = [0, 0, 0, 0, 1];
    const { visits } = await playOrder(inMemory(), opening, actions, order);
    const isSent = visits[0]!.answer !== undefined;
    assertEquals(isSent, opening.endsWith(" due"), opening);
  }
});

Deno.test("in every order of two requests of one browser it ends with a cookie of its own user, and no ended session replaces a later one (memory)", async () => {
  await searchOrders("two requests, memory", listOrders(), inMemory);
});

Deno.test("in every order of two requests of one browser it ends with a cookie of its own user, and no ended session replaces a later one (directory)", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  const orders = takeShare(listOrders());
  await searchOrders("two requests, directory", orders, () => ({
    clock: { now: Date.now() },
    store,
  }));
});
