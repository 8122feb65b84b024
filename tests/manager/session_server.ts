/** A real server, and a browser that keeps one cookie. */

import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import type { SessionEvent } from "../../src/manager/events.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import type { Data } from "./set_up.ts";

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
  /** What `run` threw. */
  readonly errors: readonly Error[];
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
    onEvent: (event) => {
      events.push(event);
      return options.onEvent?.(event);
    },
  });
  const errors: Error[] = [];
  const onError = (error: unknown) => {
    errors.push(error as Error);
    return new Response("failed", { status: 500 });
  };
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
    errors,
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

/** Sends the cookie that it got last, until a response clears it. */
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

/** Lets its participants go on when all of them have arrived. */
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
