import { SessionManager } from "../../src/manager/manager.ts";
import type {
  SessionEvent,
  SessionManagerOptions,
} from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import {
  cookieOf,
  type Data,
  requestWith,
  WatchedStore,
} from "./session_server.ts";

/** In milliseconds. */
export const MINUTE = 60_000;
/** When each test begins, in ms since the epoch. */
export const BEGIN = 1_000_000_000_000;

/** A manager on a store and a clock of its own, and what is done with it often. */
export interface SetUp {
  readonly clock: { now: number };
  readonly store: WatchedStore;
  readonly events: SessionEvent[];
  readonly manager: SessionManager<Data>;
  /** Another manager of the same store, as after a restart. */
  restart(options?: Partial<SessionManagerOptions>): SessionManager<Data>;
  open(cookie?: string): Promise<Session<Data>>;
  /** Commits, and answers with the cookie of the headers. */
  commit(session: Session<Data>): Promise<string>;
  /** Begins a stored session, and answers with its ID and cookie. */
  begin(data?: Data): Promise<{ id: string; cookie: string }>;
}

/** Makes one. */
export function setUp(options: Partial<SessionManagerOptions> = {}): SetUp {
  const clock = { now: BEGIN };
  const now = () => clock.now;
  const store = new WatchedStore({ now });
  const events: SessionEvent[] = [];
  const onEvent = (event: SessionEvent) => void events.push(event);
  const manager = new SessionManager<Data>({ store, now, onEvent, ...options });
  return {
    clock,
    store,
    events,
    manager,
    restart: (options = {}) =>
      new SessionManager<Data>({ store, now, onEvent, ...options }),
    open: (cookie) => manager.open(requestWith(cookie)),
    commit: async (session) => {
      const headers = new Headers();
      await manager.commit(session, headers);
      return headers.get("set-cookie") ?? "";
    },
    begin: async (data = { n: 1 }) => {
      const session = await manager.open(requestWith(null));
      for (const [key, value] of Object.entries(data)) session.set(key, value);
      const headers = new Headers();
      await manager.commit(session, headers);
      store.takeCalls();
      return { id: session.id, cookie: cookieOf(headers) };
    },
  };
}
