/** A real server, a browser that keeps one cookie, and stores to run them on. */

import type {
  LoadOptions,
  RecordChange,
  SessionStore,
} from "../../src/core/store.ts";
import { assert } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type {
  SessionEvent,
  SessionManagerOptions,
} from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";

/** What the sessions of these tests hold. */
export type Data = Record<string, unknown> & { n?: number; cart?: string[] };

/** Answers a path with the session of the request. */
export type Route = (
  session: Session<Data>,
  request: Request,
) => Response | Promise<Response>;

/** The stores that the manager is tested on. */
export const STORES = ["memory", "directory"] as const;

/** A server of one manager, until it is disposed. */
export interface SessionServer extends AsyncDisposable {
  readonly store: SessionStore;
  readonly manager: SessionManager<Data>;
  readonly events: readonly SessionEvent[];
  readonly port: number;
  /** Asks for a path; the cookie is a whole `Cookie` header. */
  get(path: string, cookie?: string): Promise<Response>;
  /** The records that the store holds. */
  records(): Promise<Map<string, SessionRecord>>;
}

/** Serves routes by their path, with a query or without. */
export async function serve(
  medium: typeof STORES[number],
  routes: Readonly<Record<string, Route>>,
  options: Partial<SessionManagerOptions> = {},
): Promise<SessionServer> {
  const directory = medium === "directory"
    ? await Deno.makeTempDir({ prefix: "latchkey-http-" })
    : undefined;
  const store = options.store ??
    (directory === undefined
      ? new MemorySessionStore()
      : new DirectorySessionStore(directory));
  const events: SessionEvent[] = [];
  const manager = new SessionManager<Data>({
    ...options,
    store,
    onEvent: (event) => events.push(event),
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError },
    manager.handler((request, session) =>
      routes[new URL(request.url).pathname]!(session, request)
    ),
  );
  const { port } = server.addr;
  return {
    store,
    manager,
    events,
    port,
    get: (path, cookie) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        redirect: "manual",
        headers: cookie === undefined ? {} : { cookie },
      }),
    records: async () =>
      new Map(
        await Array.fromAsync(store.entries(), ([id, record]) => [id, record]),
      ),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      if (directory !== undefined) {
        await Deno.remove(directory, { recursive: true });
      }
    },
  };
}

/** What the tests look for is the status, not a report in their output. */
function onError(): Response {
  return new Response("failed", { status: 500 });
}

/** Sends back the cookie that it was given last, and forgets it when told to. */
export class Browser {
  /** The whole `Cookie` header. */
  cookie: string | undefined;
  readonly #server: SessionServer;

  constructor(server: SessionServer, cookie?: string) {
    this.#server = server;
    this.cookie = cookie;
  }

  /** Asks for a path, and answers with the text. */
  async get(path: string): Promise<string> {
    const response = await this.#server.get(path, this.cookie);
    this.take(response);
    return await response.text();
  }

  /** Takes the cookies of a response. */
  take(response: Response): void {
    for (const cookie of response.headers.getSetCookie()) {
      const isCleared = cookie.includes("; Max-Age=0");
      this.cookie = isCleared ? undefined : cookie.split(";", 1)[0];
    }
  }
}

/** Holds up those who arrive until all of them have. */
export class Meeting {
  readonly #all = Promise.withResolvers<void>();
  #missing: number;

  constructor(participants: number) {
    this.#missing = participants;
  }

  arrive(): Promise<void> {
    this.#missing--;
    if (this.#missing === 0) this.#all.resolve();
    return this.#all.promise;
  }
}

/** Notes what is asked of it, and fails when it is told to. */
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
  return cookies[0]!.split(";", 1)[0]!;
}

/** The kinds of cookie that are no session. */
export const BAD_COOKIES: readonly string[] = [
  "",
  ";",
  "=",
  "a=b;",
  "session",
  "session=",
  "session=;",
  'session=""',
  'session="',
  "session==",
  "session=../../etc/passwd",
  "session=..\\..\\windows",
  "session=/etc/passwd",
  "session=C:\\windows",
  "session=\0",
  `session=${"0".repeat(53)}`,
  `session=${"0".repeat(55)}`,
  `session=${"0".repeat(53)}\0`,
  `session=${"0".repeat(31)}/${"0".repeat(22)}`,
  `session=${"0".repeat(53)}ä`,
  `session=${"𝟘".repeat(27)}`,
  `session=${"A".repeat(54)}`,
  `session=${"0".repeat(54)}; session=${"1".repeat(54)}`,
  `session=${"%00".repeat(18)}`,
  `xsession=${"0".repeat(54)}`,
  `a=session=${"0".repeat(54)}`,
  `session=${"x".repeat(65_536)}`,
  "x".repeat(65_536),
  ";".repeat(65_536),
  " ".repeat(65_536),
  "session=".repeat(8_192),
  "session=;".repeat(8_192),
  " session".repeat(8_192),
  '"'.repeat(65_536),
];
