/** A small application of a manager, whose every answer tells what it saw. */

import {
  SessionGoneError,
  SessionRevokedError,
} from "../../src/core/errors.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";

/** The data of a session. */
export interface Data {
  /** The visitor that began it. */
  readonly owner: string;
  readonly visits: number;
}

/** What a request saw of its session, after what it did to it. */
export interface Answer {
  readonly owner: string | null;
  readonly visits: number;
  readonly user: string | null;
  /** The flash message that the request has read, if it was to read one. */
  readonly note: string | null;
}

/** Of a request whose session is gone, and of a login of a revoked user: nothing of it was kept. */
export const REFUSED = 409;

/** What a request does to its session, by its path. */
const ACTIONS: Readonly<
  Record<string, (session: Session<Data>, word: string) => string | void>
> = {
  "/look": () => {},
  "/visit": (session) => void session.update("visits", (n = 0) => n + 1),
  "/leave-note": (session, word) => session.flash("note", word),
  "/read-note": (session) => session.flash("note") as string | undefined,
  "/login": (session, word) => session.setUser(word),
  "/logout": (session) => session.destroy(),
  "/regenerate": (session) => session.regenerate(),
  // The visitor does not come back.
  "/leave": (session, word) =>
    session.setLifetime({ idleTimeout: Number(word) }),
};

/** Answers the requests of visitors. */
export class Application {
  /** The sessions. */
  readonly sessions: SessionManager<Data>;

  /** @param options The manager's. */
  constructor(options: SessionManagerOptions) {
    this.sessions = new SessionManager<Data>(options);
  }

  /**
   * Answers a request: the path says what it does, `word` with what, `owner`
   * whose it is. `exclusive` isolates it.
   */
  async answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const word = searchParams.get("word") ?? "";
    if (pathname === "/revoke") {
      return Response.json(await this.sessions.revokeUser(word));
    }
    const session = await this.sessions.open(request, {
      isolation: searchParams.has("exclusive") ? "exclusive" : "merge",
    });
    try {
      const act = ACTIONS[pathname];
      if (act === undefined) return new Response(null, { status: 404 });
      const note = act(session, word) ?? null;
      const owner = searchParams.get("owner");
      if (pathname === "/visit" && !session.has("owner") && owner !== null) {
        session.set("owner", owner);
      }
      const answer: Answer = {
        owner: session.get("owner") ?? null,
        visits: session.get("visits") ?? 0,
        user: session.user,
        note,
      };
      const headers = new Headers();
      await this.sessions.commit(session, headers);
      return Response.json(answer, { headers });
    } catch (error) {
      if (
        error instanceof SessionGoneError ||
        error instanceof SessionRevokedError
      ) {
        return new Response(error.message, { status: REFUSED });
      }
      throw error;
    } finally {
      await this.sessions.close(session);
    }
  }
}
