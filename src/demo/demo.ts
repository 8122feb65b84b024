import { SessionGoneError } from "../core/errors.ts";
import { SessionManager } from "../manager/manager.ts";
import type { Session } from "../session/session.ts";
import type { DemoStore } from "./demo_store.ts";
import { fail } from "./html.ts";

/** A thing in the cart. */
export interface CartItem {
  /** Tells it from another of the same name. */
  readonly id: string;
  /** What the visitor typed. */
  readonly name: string;
}

/** What the demo keeps of a visitor. */
export interface VisitorData {
  /** How often the counter was pressed. */
  counter: number;
  /** What is in the cart, oldest first. */
  cart: readonly CartItem[];
}

/** A visitor's session. */
export type VisitorSession = Session<VisitorData>;

/** The key of the message that one request leaves for the next page. */
export const NOTICE = "notice";

/** How many characters a user's name may have. */
export const MAX_NAME_LENGTH = 60;
/** How many characters an item may have. */
export const MAX_ITEM_LENGTH = 60;
/** How many items a cart may hold. */
export const MAX_ITEMS = 20;

/**
 * Reads a line of text that a visitor typed: without control characters and
 * line breaks, which would forge lines of `/check`, and without outer blanks.
 *
 * @param text What came, if anything did.
 * @param maxLength How many characters it may have.
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
 * @param text What came; nothing stands for 0, as in session3.
 * @returns The minutes, or `undefined` when it is no such number.
 */
export function readMinutes(text: string | null): number | undefined {
  const digits = text?.trim() || "0";
  return /^\d{1,9}$/.test(digits) ? Number(digits) : undefined;
}

const ACCESS_TIME_RESOLUTION = 1000;

/** What every route of the demo works with. */
export class Demo {
  /** Where the sessions are. */
  readonly place: DemoStore;
  /** Gives each request its session. */
  readonly manager: SessionManager<VisitorData>;

  /** @param place Where the sessions are. */
  constructor(place: DemoStore) {
    this.place = place;
    // Without timeouts, so that "delete old sessions" decides.
    this.manager = new SessionManager({
      store: place.store,
      touchAfter: ACCESS_TIME_RESOLUTION,
    });
  }

  /**
   * Does what `manager.run` does, but tells the visitor when nothing was kept,
   * because the session ended, or got another secret, in the meantime.
   *
   * @param request The request.
   * @param act Answers it, by a response of its own making.
   */
  async visit(
    request: Request,
    act: (session: VisitorSession) => Response | Promise<Response>,
  ): Promise<Response> {
    const session = await this.manager.open(request);
    const response = await act(session);
    try {
      await this.manager.commit(session, response.headers);
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error;
      return fail(
        409,
        "Nothing was saved: while this request was under way, another one ended your session or changed its cookie.",
      );
    }
    return response;
  }
}
