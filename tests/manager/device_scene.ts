/** A manager whose sessions are bound to devices, and browsers to try it with. */

import { assert, assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import type { SessionEvent } from "../../src/manager/events.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import { MINUTE } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { DeviceBrowser } from "./device_browser.ts";
import { type Data, idOf } from "./set_up.ts";

/** Where the sessions of these tests are kept. */
export const MEDIA = ["memory", "directory", "sqlite"] as const;

/** How long a cookie is good, and the secret before after a proof. */
export const EVERY: number = 10 * MINUTE;
export const GRACE = 30_000;

const DAY = 24 * 60 * MINUTE;

/** What a page does with the session; the answer shows who is signed in. */
type Page = (
  session: Session<Data>,
  query: URLSearchParams,
  manager: SessionManager<Data>,
) => unknown;

const PAGES: Readonly<Record<string, Page>> = {
  "/": () => {},
  "/login": (session, query) => session.setUser(query.get("user") ?? "ann"),
  "/forget": (session) => {
    session.setUser("ann");
    session.setLifetime({ idleTimeout: DAY, untilBrowserCloses: true });
  },
  "/until closed": (session) =>
    session.setLifetime({ untilBrowserCloses: true }),
  "/logout": (session) => session.setUser(null),
  "/destroy": (session) => session.destroy(),
  "/write": (session) => session.update("n", (n = 0) => n + 1),
  "/regenerate": (session) => session.regenerate(),
  "/lifetime": (session) => session.setLifetime({ idleTimeout: 2 * DAY }),
  "/revoke": (_session, query, manager) =>
    manager.revokeUser(query.get("user") ?? "ann"),
};

/** The scene, until it is disposed. */
export interface DeviceScene extends AsyncDisposable {
  readonly clock: { now: number };
  readonly store: SessionStore;
  readonly manager: SessionManager<Data>;
  readonly events: SessionEvent[];
  readonly handle: (request: Request) => Promise<Response>;
  browser(alg?: "ES256" | "RS256"): DeviceBrowser;
  /** A browser in which a user has signed in, and whose session is bound. */
  bound(user?: string): Promise<DeviceBrowser>;
  record(browser: DeviceBrowser): Promise<SessionRecord>;
  records(): Promise<ReadonlyMap<string, SessionRecord>>;
}

/** Makes a scene. */
export function deviceScene(
  medium: typeof MEDIA[number],
  options: Partial<SessionManagerOptions> = {},
): DeviceScene {
  // A directory has no other clock.
  const clock = { now: Date.now() };
  const now = () => clock.now;
  const directory = new TemporaryDirectory();
  const store = medium === "memory"
    ? new MemorySessionStore({ now })
    : medium === "directory"
    ? new DirectorySessionStore(directory.path)
    : new SqliteSessionStore(`${directory.path}/sessions.db`, { now });
  const events: SessionEvent[] = [];
  const manager = new SessionManager<Data>({
    store,
    now,
    idleTimeout: DAY,
    rotateGrace: GRACE,
    deviceBound: { refreshEvery: EVERY },
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const handle = manager.handler<void>(async (request, session) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/image") return new Response("an image");
    const page = PAGES[decodeURI(pathname)]!;
    const result = await page(session, searchParams, manager);
    const { user } = session;
    return Response.json({ user, n: session.get("n") ?? null, result });
  });
  const browser = (alg?: "ES256" | "RS256") =>
    new DeviceBrowser((request) => handle(request), now, alg);
  return {
    clock,
    store,
    manager,
    events,
    handle: (request) => handle(request),
    browser,
    bound: async (user = "ann") => {
      const one = browser();
      await one.visit(`/login?user=${user}`);
      assert(one.session !== undefined);
      return one;
    },
    record: async ({ pair }) => {
      const record = await store.load(idOf(pair!));
      assert(record !== undefined);
      return record;
    },
    records: async () =>
      new Map(
        await Array.fromAsync(store.entries(), ([id, record]) => [id, record]),
      ),
    [Symbol.asyncDispose]: () => {
      if (Symbol.dispose in store) store[Symbol.dispose]();
      directory[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

/** Tells as whom a page was answered. */
export async function userOf(
  response: Response | Promise<Response>,
): Promise<string | null> {
  const { status } = await response;
  assertEquals(status, 200);
  return (await (await response).json()).user;
}

/** The attributes of the one cookie of an answer. */
export function ageOf({ headers }: Response): number | undefined {
  const [cookie, ...others] = headers.getSetCookie();
  assertEquals(others, []);
  const age = /; Max-Age=(\d+)/.exec(cookie ?? "")?.[1];
  return age === undefined ? undefined : Number(age);
}
