/** A manager on a watched store and a clock of its own, and cookies to try. */

import { assert } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type {
  LoadOptions,
  RecordChange,
  SessionStore,
} from "../../src/core/store.ts";
import { parseToken } from "../../src/core/token.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import type { SessionEvent } from "../../src/manager/events.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";

/** What the sessions of these tests hold. */
export type Data = Record<string, unknown> & { n?: number; cart?: string[] };

/** When each test begins, in ms since the epoch. */
export const BEGIN = 1_000_000_000_000;

/** A manager, its store and clock, and short forms of its methods. */
export interface SetUp {
  readonly clock: { now: number };
  readonly store: WatchedStore;
  readonly events: SessionEvent[];
  readonly manager: SessionManager<Data>;
  /** Another manager of the same store, as after a restart. */
  restart(options?: Partial<SessionManagerOptions>): SessionManager<Data>;
  open(cookie?: string): Promise<Session<Data>>;
  /** Opens a session as a request does that looks at it. */
  look(cookie: string): Promise<Session<Data>>;
  /** Looks at a session and commits it; answers with the cookie. */
  commit(session: Session<Data>): Promise<string>;
  /** Begins a stored session, and answers with its ID and cookie. */
  begin(data?: Data): Promise<{ id: string; cookie: string }>;
}

/** Makes a manager and what goes with it. */
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
    look: async (cookie) => {
      const session = await manager.open(requestWith(cookie));
      session.has("n");
      return session;
    },
    commit: async (session) => {
      const headers = new Headers();
      assert(session.id !== "");
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

/** Notes its calls, and fails when `failure` is set. */
export class WatchedStore extends MemorySessionStore {
  readonly calls: string[] = [];
  failure: Error | undefined;

  override load(
    id: string,
    options?: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    return this.#note("load") ?? super.load(id, options);
  }

  override create(id: string, record: SessionRecord): Promise<boolean> {
    return this.#note("create") ?? super.create(id, record);
  }

  override update(
    id: string,
    change: RecordChange,
  ): Promise<SessionRecord | null | undefined> {
    return this.#note("update") ?? super.update(id, change);
  }

  override save(id: string, record: SessionRecord): Promise<void> {
    return this.#note("save") ?? super.save(id, record);
  }

  override delete(id: string): Promise<boolean> {
    return this.#note("delete") ?? super.delete(id);
  }

  /** Names what was called since the last time. */
  takeCalls(): string[] {
    return this.calls.splice(0);
  }

  #note(call: string): Promise<never> | undefined {
    this.calls.push(call);
    return this.failure && Promise.reject(this.failure);
  }
}

/** Tells when a session was last accessed, and marks nothing. */
export async function lastAccessOf(
  store: SessionStore,
  id: string,
): Promise<number> {
  let lastAccess: number | undefined;
  await store.load(id, {
    touch: (_record, accessedAt) => {
      lastAccess = accessedAt;
      return false;
    },
  });
  assert(lastAccess !== undefined);
  return lastAccess;
}

/** Makes a request with any text at all as its `Cookie` header. */
export function requestWith(
  cookie: string | null | undefined,
  url = "http://localhost/",
): Request {
  const request = new Request(url);
  // `Headers` refuses what no server would pass on; the manager must not care.
  const headers = {
    get: (name: string) => name === "cookie" ? cookie ?? null : null,
  };
  return Object.defineProperty(request, "headers", { value: headers });
}

/** Reads the one cookie of the headers as a `Cookie` header. */
export function cookieOf(headers: Headers): string {
  const cookies = headers.getSetCookie();
  assert(cookies.length === 1, `${cookies.length} cookies`);
  return cookieIn(cookies[0]!);
}

/** Makes a `Cookie` header of a `Set-Cookie` header with one cookie. */
export function cookieIn(header: string): string {
  return header.split(";", 1)[0]!;
}

/** The session ID in a `Cookie` header. */
export function idOf(cookie: string): string {
  return parseToken(cookie.slice("latchkey=".length))!.id;
}

/** The kinds of cookie that are not a session. */
export const BAD_COOKIES: readonly string[] = [
  "",
  ";",
  "=",
  "a=b;",
  "latchkey",
  "latchkey=",
  "latchkey=;",
  'latchkey=""',
  'latchkey="',
  "latchkey==",
  "latchkey=../../etc/passwd",
  "latchkey=..\\..\\windows",
  "latchkey=/etc/passwd",
  "latchkey=C:\\windows",
  "latchkey=\0",
  `latchkey=${"0".repeat(53)}`,
  `latchkey=${"0".repeat(55)}`,
  `latchkey=${"0".repeat(53)}\0`,
  `latchkey=${"0".repeat(31)}/${"0".repeat(22)}`,
  `latchkey=${"0".repeat(53)}ä`,
  `latchkey=${"𝟘".repeat(27)}`,
  `latchkey=${"A".repeat(54)}`,
  `latchkey=${"0".repeat(53)}; latchkey=${"1".repeat(55)}`,
  `latchkey=${"%00".repeat(18)}`,
  `xlatchkey=${"0".repeat(54)}`,
  `a=latchkey=${"0".repeat(54)}`,
  `latchkey=${"x".repeat(65_536)}`,
  "x".repeat(65_536),
  ";".repeat(65_536),
  " ".repeat(65_536),
  "latchkey=".repeat(8_192),
  "latchkey=;".repeat(8_192),
  " latchkey".repeat(8_192),
  '"'.repeat(65_536),
];
