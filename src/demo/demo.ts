import { SessionGoneError } from "../core/errors.ts";
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

/** What the demo keeps in a session. */
interface VisitorData {
  /** How often the counter was pressed. */
  counter: number;
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

const ACCESS_TIME_RESOLUTION = 1000;

/** What every handler of the demo works with. */
export class Demo {
  /** Where the sessions are kept. */
  readonly storage: DemoStore;
  /** Opens and commits the session of a request. */
  readonly manager: SessionManager<VisitorData>;

  /** @param storage Where the sessions are kept. */
  constructor(storage: DemoStore) {
    this.storage = storage;
    // Without timeouts, so that "delete old sessions" decides.
    this.manager = new SessionManager({
      store: storage.store,
      touchAfter: ACCESS_TIME_RESOLUTION,
    });
  }

  /**
   * Like `manager.run`, but if the commit is refused, because the session ended
   * or got another secret in the meantime, the response says so.
   *
   * @param request The request.
   * @param answer Returns a new response.
   */
  async visit(
    request: Request,
    answer: (session: VisitorSession) => Response | Promise<Response>,
  ): Promise<Response> {
    const session = await this.manager.open(request);
    const response = await answer(session);
    try {
      await this.manager.commit(session, response.headers);
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
