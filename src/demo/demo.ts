import { SessionGoneError } from "../core/errors.ts";
import type { SessionStore } from "../core/store.ts";
import { hashSecret, parseToken } from "../core/token.ts";
import { readCookie } from "../http/cookie.ts";
import { SessionManager } from "../manager/manager.ts";
import type { Session } from "../session/session.ts";
import type { DemoStore } from "./demo_store.ts";
import { messagePage } from "./html.ts";

/** An item in the cart. */
export interface CartItem {
  /** Tells items of the same name apart. */
  readonly id: string;
  /** What the visitor typed. */
  readonly name: string;
}

/** What came of many requests at once. */
export interface Flood {
  /** The counter before them. */
  readonly before: number;
  /** The counter after them. */
  readonly after: number;
  /** The same, counted as it should not be. */
  readonly careless: number;
  /** How long all of them took, in ms. */
  readonly took: number;
}

/** What the demo keeps in a session. */
interface VisitorData {
  /** How often the counter was pressed. */
  counter: number;
  /** The same, counted as it should not be: with `get` and `set`. */
  careless: number;
  /** Many requests at once, if they were tried. */
  flood: Flood;
  /** What is in the cart, oldest first. */
  cart: readonly CartItem[];
}

/** A visitor's session. */
export type VisitorSession = Session<VisitorData>;

/** Answers a request; the fields are those of a submitted form. */
export type Handler = (
  demo: Demo,
  request: Request,
  fields: URLSearchParams,
) => Promise<Response>;

/** The key of the message that one request leaves for the next page. */
export const NOTICE = "notice";

/** How many characters a user's name may have. */
export const MAX_NAME_LENGTH = 60;
/** How many characters an item may have. */
export const MAX_ITEM_LENGTH = 60;
/** How many items a cart may hold. */
export const MAX_ITEMS = 20;

/** How long a session lasts that remembers its user, in ms. */
export const MONTH: number = 30 * 24 * 60 * 60 * 1000;

/** The cookie of the session. */
export const COOKIE = "latchkey";
/** The same over https: over http, browsers would not replace its cookie. */
export const BOUND_COOKIE = "__Host-latchkey";
/** The cookie of a visitor who wants a sealed session. */
export const SEAL_COOKIE = "demo-seal";
/** The cookie that plays the thief's copy of the session's. */
export const COPY_COOKIE = "demo-copy";

/** The manager of the demo; without timeouts, so that "delete old" decides. */
export function manage(
  store: SessionStore,
  options: { readonly seal: boolean; readonly rotateEvery?: number },
): SessionManager<VisitorData> {
  return new SessionManager<VisitorData>({
    store,
    ...options,
    cookie: { name: COOKIE },
    touchAfter: 1_000,
    rotateGrace: 0, // an application leaves it at 30 seconds
    endOnReuse: true,
    onEvent: (event) => console.warn("Session event:", event),
  });
}

/** The manager of the demo over https, which binds sessions to the device. */
export function manageBound(store: SessionStore): SessionManager<VisitorData> {
  return new SessionManager<VisitorData>({
    store,
    idleTimeout: MONTH,
    cookie: { name: BOUND_COOKIE },
    touchAfter: 1_000,
    deviceBound: { refreshEvery: 300_000 }, // by default every 10 minutes
    onEvent: (event) => console.warn("Session event:", event),
  });
}

/** What every handler of the demo works with. */
export class Demo {
  /** Where the sessions are kept. */
  readonly storage: DemoStore;
  /** Where the demo listens; empty until it does. */
  origin = "";
  /** Whether it is over https, and binds sessions to devices. */
  readonly isBound: boolean;

  readonly #plain: SessionManager<VisitorData>;
  readonly #sealing: SessionManager<VisitorData>;

  /**
   * @param storage Where the sessions are kept.
   * @param isBound Whether it is over https, and binds sessions to devices. It
   * seals none then.
   */
  constructor(storage: DemoStore, isBound: boolean) {
    const { store } = storage;
    this.storage = storage;
    this.isBound = isBound;
    this.#plain = isBound ? manageBound(store) : manage(store, { seal: false });
    this.#sealing = isBound ? this.#plain : manage(store, { seal: true });
  }

  /**
   * Finds the manager for a visitor, who chooses whether the session is sealed.
   *
   * @param by The choice, or a request that carries it.
   */
  sessions(by: Request | boolean): SessionManager<VisitorData> {
    const seal = typeof by === "boolean" ? by : isSealing(by.headers);
    return seal ? this.#sealing : this.#plain;
  }

  /**
   * Like `manager.run`, but if the commit is refused, because the session ended
   * or got another secret in the meantime, the response says so.
   *
   * @param request The request.
   * @param answer Returns a new response.
   * @param sessions The manager.
   */
  async visit(
    request: Request,
    answer: (session: VisitorSession) => Response | Promise<Response>,
    sessions: SessionManager<VisitorData> = this.sessions(request),
  ): Promise<Response> {
    const session = await sessions.open(request);
    const response = await answer(session);
    try {
      await sessions.commit(session, response.headers);
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error;
      return messagePage(
        "Nothing was saved: while this request was under way, another one ended your session or changed its cookie.",
        409,
      );
    }
    return response;
  }
}

/** Tells whether a visitor wants a sealed session. */
export function isSealing(headers: Headers): boolean {
  return readCookie(headers.get("cookie"), SEAL_COOKIE).includes("on");
}

/** Finds the hashes of the secrets with which a client opens a session. */
export function secretHashes(
  id: string,
  cookies: readonly (string | null)[],
): string[] {
  return [COOKIE, BOUND_COOKIE]
    .flatMap((name) => cookies.flatMap((header) => readCookie(header, name)))
    .map(parseToken)
    .filter((token) => token?.id === id)
    .map((token) => hashSecret(token!.secret));
}

/** Writes a cookie of the demo's own; `""` deletes it. */
export function demoCookie(name: string, value: string): string {
  const age = value === "" ? "; Max-Age=0" : "";
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${age}`;
}

/**
 * Reads a line of text that a visitor typed. Control characters and line
 * breaks, which could forge lines of `/check`, become spaces, and outer spaces
 * are removed.
 *
 * @param text The value of the field, or `null` when it is missing.
 * @param maxLength How many characters the line may have.
 * @returns The line, or `undefined` when it is empty or too long.
 */
export function readLine(
  text: string | null,
  maxLength: number,
): string | undefined {
  const line = (text ?? "").replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
  const { length } = [...line];
  return length > 0 && length <= maxLength ? line : undefined;
}

/**
 * Reads the minutes of "delete old sessions", such as 30.
 *
 * @param text The value of the field; if it is missing or empty, 0, as in
 * session3.
 * @returns The minutes, or `undefined` when the value is not a whole number.
 */
export function readMinutes(text: string | null): number | undefined {
  const digits = text?.trim() || "0";
  return /^\d{1,9}$/.test(digits) ? Number(digits) : undefined;
}
