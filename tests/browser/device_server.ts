/** A server over https with sessions that are bound to devices, for a browser. */

import { createHash, X509Certificate } from "node:crypto";
import { isCrossOrigin } from "../../src/http/cross_origin.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import type { SessionEvent } from "../../src/manager/events.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly hadCookie: boolean;
  readonly skipped: string | null;
}

const CERTIFICATE = readText("localhost.crt");
const KEY = readText("localhost.key");
const DAY = 24 * 60 * 60_000;

function readText(name: string): string {
  return Deno.readTextFileSync(new URL(name, import.meta.url));
}

/**
 * The certificate's key, as Chromium is told which one to trust: a browser binds
 * no session over a connection whose certificate it does not trust.
 */
export function hashOfKey(): string {
  const { publicKey } = new X509Certificate(CERTIFICATE);
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
}

/** The server, until it is disposed. */
export class DeviceServer implements AsyncDisposable {
  /** How far its clock is ahead of the browser's, in milliseconds. */
  ahead = 0;
  /** Answers the endpoint in place of the manager, with this status. */
  failure: number | undefined;
  readonly seen: Seen[] = [];
  readonly events: SessionEvent[] = [];
  readonly store: MemorySessionStore;
  readonly manager: SessionManager;
  #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(options: Partial<SessionManagerOptions> = {}) {
    const now = () => Date.now() + this.ahead;
    this.store = new MemorySessionStore({ now });
    this.manager = new SessionManager({
      store: this.store,
      now,
      idleTimeout: 30 * DAY,
      deviceBound: {},
      cookie: { name: "__Host-latchkey" },
      onEvent: (event) => void this.events.push(event),
      ...options,
    });
    this.#server = this.#serve(0);
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /** What came to the endpoint since the last time: the status of each. */
  takeProofs(): number[] {
    return this.seen.splice(0)
      .filter(({ path }) => path.startsWith("/device-session"))
      .map(({ status }) => status);
  }

  async stop(): Promise<void> {
    await this.#server.shutdown();
  }

  start(): void {
    this.#server = this.#serve(this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #serve(port: number): Deno.HttpServer<Deno.NetAddr> {
    return Deno.serve({
      hostname: "127.0.0.1",
      port,
      cert: CERTIFICATE,
      key: KEY,
      onListen() {},
    }, async (request) => {
      const path = new URL(request.url).pathname;
      const response = await this.#answer(request, path);
      this.seen.push({
        method: request.method,
        path,
        status: response.status,
        hadCookie: request.headers.has("cookie"),
        skipped: request.headers.get("secure-session-skipped"),
      });
      return response;
    });
  }

  async #answer(request: Request, path: string): Promise<Response> {
    const isProof = path.startsWith("/device-session");
    if (isProof && this.failure !== undefined) {
      return new Response(null, { status: this.failure });
    }
    // A login from another site is what one of the tests is about.
    if (path !== "/login" && isCrossOrigin(request)) {
      return new Response("cross-origin", { status: 403 });
    }
    return await this.manager.run(request, async (session) => {
      const user = new URL(request.url).searchParams.get("user") ?? "ann";
      if (path === "/login") session.setUser(user);
      if (path === "/logout") session.setUser(null);
      if (path === "/revoke") await this.manager.revokeUser(user);
      if (path === "/count") session.set(crypto.randomUUID(), true);
      // A browser asks for the icon of a page when it likes, which may be in the
      // next step of a test; it does not ask for this one.
      const icon = `<link rel="icon" href="data:,">`;
      const text =
        `<!doctype html><title>a page</title>${icon}<h1>${session.user}`;
      return new Response(path.startsWith("/api") ? session.user : text, {
        headers: { "content-type": "text/html", "cache-control": "no-store" },
      });
    });
  }
}
