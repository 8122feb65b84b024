/**
 * Two requests of one browser at once, in an order of their steps. A request
 * opens its session with the cookie that the browser has then, acts, commits,
 * and its answer arrives: the browser keeps the cookie that arrived last. An
 * administrator's request is one step.
 */

import { assert } from "@std/assert";
import {
  SessionGoneError,
  SessionRevokedError,
} from "../../src/core/errors.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import { cookieIn, cookieOf, idOf, requestWith } from "./set_up.ts";

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

/** The users of one order; each order has its own. */
export interface Users {
  readonly ann: string;
  readonly ben: string;
}

/** What the sessions hold: each item names the user for whom it was put in. */
interface Basket extends Record<string, unknown> {
  readonly cart?: string[];
}

type Act = (session: Session<Basket>, users: Users) => void;

/** Names the user who is signed in, for what is put into the session. */
function ownerOf({ user }: Session<Basket>): string {
  return user ?? "visitor";
}

/** The name of what a request of the browser does. */
type BrowserAction =
  | "look"
  | "login"
  | "other login"
  | "logout"
  | "destroy"
  | "regenerate"
  | "cart"
  | "flash"
  | "read flash";

/** What a request of the browser does to its session. */
export const ACTIONS: Readonly<Record<BrowserAction, Act>> = {
  // Renews and rotates what is due.
  look: (session) => void session.get("cart"),
  login: (session, { ann }) => session.setUser(ann),
  "other login": (session, { ben }) => session.setUser(ben),
  logout: (session) => session.setUser(null),
  destroy: (session) => session.destroy(),
  regenerate: (session) => session.regenerate(),
  cart: (session) => {
    const item = ownerOf(session);
    session.update("cart", (items = []) => [...items, item]);
  },
  flash: (session) => session.flash("bye", ownerOf(session)),
  "read flash": (session) => void session.flash("hi"),
};

/** What a request of an administrator does. */
export const ADMINISTRATION = ["revoke", "expire"] as const;

/** What one of the two requests does. */
export type ActionName =
  | BrowserAction
  | typeof ADMINISTRATION[number];

/** How a session is before the two requests begin. */
interface Opening {
  readonly isSignedIn: boolean;
  readonly isStored: boolean;
  readonly options: Partial<SessionManagerOptions>;
  /** How long ago the session began. */
  readonly age: number;
}

const LIVING = { idleTimeout: 10 * DAY };
const ANN: Opening = {
  isSignedIn: true,
  isStored: true,
  options: LIVING,
  age: 0,
};

/** The name of an opening. */
export type OpeningName =
  | "no session"
  | "anonymous with a cart"
  | "signed in"
  | "rotation due"
  | "renewal due";

/** What the browser has before the two requests begin. */
export const OPENINGS: Readonly<Record<OpeningName, Opening>> = {
  "no session": { ...ANN, isSignedIn: false, isStored: false },
  "anonymous with a cart": { ...ANN, isSignedIn: false },
  "signed in": ANN,
  "rotation due": {
    ...ANN,
    options: { ...LIVING, rotateEvery: MINUTE },
    age: MINUTE,
  },
  "renewal due": { ...ANN, age: 2 * DAY },
};

/** One of the two requests. */
export interface Visit {
  readonly action: ActionName;
  /** The cookie that the browser sent, if any. */
  sent: string | undefined;
  /** What the browser was signed in as when it was opened. */
  openedUser: string | null;
  /** The cart as it was then. */
  openedItems: readonly string[];
  session: Session<Basket> | undefined;
  /** When it was opened and committed: the number of the step. */
  openedAt: number;
  committedAt: number;
  arrivedAt: number;
  error: Error | undefined;
  /** What its answer does to the cookie, if anything. */
  answer: string | "cleared" | undefined;
  /** As whom the session is signed in after the commit. */
  user: string | null;
}

/** A cookie that an answer carried, or the browser had at the beginning. */
interface Issued {
  readonly by: Visit | undefined;
  readonly at: number;
  /** The first step after which it opened nothing, and the step's request. */
  endedAt?: number;
  endedBy?: Visit;
}

/** What a cookie opens. */
export interface Found {
  readonly id: string;
  readonly user: string | null;
  readonly items: readonly string[];
  readonly flash: readonly string[];
  readonly label: string | null;
}

/** The end of an order. */
export interface Ending {
  readonly users: Users;
  readonly opening: Opening;
  readonly visits: readonly Visit[];
  /** The `Cookie` header of the browser. */
  readonly cookie: string | undefined;
  /** Every cookie there ever was, in the order of the commits. */
  readonly issued: ReadonlyMap<string, Issued>;
  /** What each of them opens now. */
  readonly found: ReadonlyMap<string, Found | undefined>;
}

/** A store, and a clock for its manager. */
export interface Medium {
  readonly store: SessionStore;
  readonly clock: { now: number };
}

let worlds = 0;

/** How many steps the request of an action has. */
export function stepsOf(action: ActionName): number {
  return isAdministration(action) ? 1 : 4;
}

function isAdministration(
  action: ActionName,
): action is typeof ADMINISTRATION[number] {
  return ADMINISTRATION.some((name) => name === action);
}

/**
 * Plays one order to its end.
 *
 * @param actions What the two requests do.
 * @param order Which of them, 0 or 1, takes the next step.
 */
export async function playOrder(
  { store, clock }: Medium,
  name: OpeningName,
  actions: readonly [ActionName, ActionName],
  order: readonly number[],
): Promise<Ending> {
  const number = worlds++;
  const users = { ann: `ann${number}`, ben: `ben${number}` };
  const opening: Opening = OPENINGS[name];
  const manager = new SessionManager<Basket>({
    ...opening.options,
    store,
    now: () => clock.now,
    onEvent() {},
  });
  const issued = new Map<string, Issued>();
  let cookie = opening.isStored
    ? await begin(manager, opening.isSignedIn ? users.ann : null)
    : undefined;
  if (cookie !== undefined) issued.set(cookie, { by: undefined, at: -1 });
  clock.now += opening.age;

  const visits = actions.map((action): Visit => ({
    action,
    sent: undefined,
    openedUser: null,
    openedItems: [],
    session: undefined,
    openedAt: -1,
    committedAt: -1,
    arrivedAt: -1,
    error: undefined,
    answer: undefined,
    user: null,
  }));
  const taken = visits.map(() => 0);
  for (const [at, which] of order.entries()) {
    const visit = visits[which]!;
    const { action } = visit;
    const step = taken[which]!++;
    if (isAdministration(action)) {
      if (action === "revoke") await manager.revokeUser(users.ann);
      else if (cookie !== undefined) await manager.expire(idOf(cookie));
      visit.committedAt = at;
      await noteEnded(manager, issued, visit);
    } else if (step === 0) {
      visit.session = await manager.open(requestWith(cookie));
      visit.openedUser = visit.session.user;
      visit.sent = cookie;
      visit.openedItems = visit.session.get("cart") ?? [];
      visit.openedAt = at;
    } else if (step === 1) {
      ACTIONS[action](visit.session!, users);
    } else if (step === 2) {
      await commit(manager, visit);
      visit.committedAt = at;
      const { answer } = visit;
      if (answer !== undefined && answer !== "cleared") {
        // A cookie that is sent again is as new as one that is sent first.
        issued.delete(answer);
        issued.set(answer, { by: visit, at });
      }
      await noteEnded(manager, issued, visit);
    } else {
      visit.arrivedAt = at;
      const { answer } = visit;
      if (answer !== undefined) {
        cookie = answer === "cleared" ? undefined : answer;
      }
    }
  }
  const found = new Map<string, Found | undefined>();
  for (const one of issued.keys()) found.set(one, await find(manager, one));
  return { users, opening, visits, cookie, issued, found };
}

async function begin(
  manager: SessionManager<Basket>,
  user: string | null,
): Promise<string> {
  const session = await manager.open(requestWith(null));
  if (user !== null) {
    session.setUser(user);
    session.setLabel(user);
  }
  session.set("cart", [ownerOf(session)]);
  session.flash("hi", ownerOf(session));
  const headers = new Headers();
  await manager.commit(session, headers);
  await manager.close(session);
  return cookieOf(headers);
}

async function commit(
  manager: SessionManager<Basket>,
  visit: Visit,
): Promise<void> {
  const session = visit.session!;
  const headers = new Headers();
  try {
    await manager.commit(session, headers);
    visit.user = session.user;
  } catch (error) {
    const isExpected = error instanceof SessionGoneError ||
      error instanceof SessionRevokedError;
    if (!isExpected) throw error;
    visit.error = error;
  }
  await manager.close(session);
  const [header] = headers.getSetCookie();
  if (header === undefined) return;
  assert(visit.error === undefined, "a refused commit sends a cookie");
  visit.answer = header.includes("; Max-Age=0") ? "cleared" : cookieIn(header);
}

/** Notes which cookies have ended by the step of a request. */
async function noteEnded(
  manager: SessionManager<Basket>,
  issued: ReadonlyMap<string, Issued>,
  visit: Visit,
): Promise<void> {
  for (const [cookie, one] of issued) {
    if (one.endedAt !== undefined) continue;
    if (await find(manager, cookie) !== undefined) continue;
    one.endedAt = visit.committedAt;
    one.endedBy = visit;
  }
}

/** Opens a session as a request that leaves it as it is. */
async function find(
  manager: SessionManager<Basket>,
  cookie: string,
): Promise<Found | undefined> {
  const session = await manager.open(requestWith(cookie));
  const { id, user, label, isNew } = session;
  const items = session.get("cart") ?? [];
  const flash = ["hi", "bye"].map((key) => session.flash(key))
    .filter((text) => typeof text === "string");
  await manager.close(session);
  return isNew ? undefined : { id, user, label, items, flash };
}
