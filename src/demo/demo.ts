import { SessionGoneError } from "../core/errors.ts";
import { SessionManager } from "../manager/manager.ts";
import type { DemoStore } from "./demo_store.ts";
import { fail } from "./layout.ts";
import type { VisitorData, VisitorSession } from "./visitor.ts";

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
