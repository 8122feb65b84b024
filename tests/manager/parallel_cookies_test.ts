/**
 * Two requests of one browser at once that each change which cookie is valid,
 * over a real socket: either commits first, and either's response arrives first.
 * The browser keeps what arrived last. However that goes, each login leaves one
 * cookie at most that opens a session, for its own user, and anything else one;
 * the browser holds such a cookie, or one that opens nothing, and is signed out.
 */

import { assert, assertEquals } from "@std/assert";
import type { Session } from "../../src/session/session.ts";
import {
  Browser,
  type Route,
  serve,
  type SessionServer,
  STORES,
} from "./session_server.ts";
import { cookieOf, type Data } from "./set_up.ts";

const ROTATE_EVERY = 60_000;

type Action = (session: Session<Data>) => void;

/** What a request may do to the cookie. */
const ACTIONS: Readonly<Record<string, Action>> = {
  regenerate: (session) => session.regenerate(),
  login: (session) => session.setUser("ann"),
  "other login": (session) => session.setUser("ben"),
  logout: (session) => session.setUser(null),
  destroy: (session) => session.destroy(),
  // Its secret is old: to look is enough.
  rotate: (session) => void session.get("n"),
};

/** The user of the session, or `null`; `undefined` without a session. */
const shows: Route = (session) =>
  Response.json(session.isNew ? {} : { user: session.user });

const begins: Route = (session) => {
  session.set("n", 1);
  session.setUser("eve");
  return new Response();
};

/** A request that waits in its handler, and its answer. */
interface Waiting {
  readonly opened: PromiseWithResolvers<void>;
  readonly released: PromiseWithResolvers<void>;
}

/** How two requests went. */
interface Outcome {
  /** The `Set-Cookie` of each, if any. */
  readonly answers: readonly Response[];
  /** Every cookie that was ever handed out. */
  readonly cookies: ReadonlySet<string>;
}

async function perform(
  server: SessionServer,
  waiting: ReadonlyMap<string, Waiting>,
  old: string,
  order: readonly string[],
): Promise<Outcome> {
  const pending = new Map<string, Promise<Response>>();
  for (const path of order) {
    pending.set(path, server.get(path, old));
    await waiting.get(path)!.opened.promise;
  }
  const answers = [];
  for (const path of order) {
    waiting.get(path)!.released.resolve();
    const response = await pending.get(path)!;
    await response.body?.cancel();
    answers.push(response);
  }
  const cookies = answers.flatMap(({ headers }) => headers.getSetCookie())
    .map((text) => text.split(";", 1)[0]!);
  return { answers, cookies: new Set([old, ...cookies]) };
}

/** Serves two routes that wait, and one that shows. */
async function serveTwo(
  medium: typeof STORES[number],
  actions: readonly [Action, Action],
): Promise<{
  server: SessionServer;
  waiting: ReadonlyMap<string, Waiting>;
  old: string;
}> {
  let now = Date.now();
  const waiting = new Map(
    ["/one", "/other"].map((path): [string, Waiting] => [path, {
      opened: Promise.withResolvers(),
      released: Promise.withResolvers(),
    }]),
  );
  const waits = (path: string, action: Action): Route => async (session) => {
    action(session);
    waiting.get(path)!.opened.resolve();
    await waiting.get(path)!.released.promise;
    return new Response();
  };
  const server = await serve(medium, {
    "/begin": begins,
    "/show": shows,
    "/one": waits("/one", actions[0]),
    "/other": waits("/other", actions[1]),
  }, { rotateEvery: ROTATE_EVERY, now: () => now });
  const begun = await server.get("/begin");
  await begun.body?.cancel();
  now += ROTATE_EVERY;
  return { server, waiting, old: cookieOf(begun.headers) };
}

/** The cookies that are the session's own, and not just of its grace. */
async function validCookies(
  server: SessionServer,
  cookies: Iterable<string>,
): Promise<string[]> {
  const valid = [];
  for (const cookie of cookies) {
    const response = await server.get("/show", cookie);
    const isOpen = "user" in await response.json();
    // A request within the grace gets the current cookie.
    if (isOpen && response.headers.getSetCookie().length === 0) {
      valid.push(cookie);
    }
  }
  return valid;
}

const PAIRS = Object.keys(ACTIONS).flatMap((one, i, names) =>
  names.slice(i).map((other) => [one, other] as const)
);

for (const medium of STORES) {
  for (const [one, other] of PAIRS) {
    Deno.test(`${one} and ${other} at once: one cookie a login is valid at most, and the browser holds one or is signed out (${medium})`, async () => {
      const actions = [ACTIONS[one]!, ACTIONS[other]!] as const;
      for (const order of [["/one", "/other"], ["/other", "/one"]]) {
        for (const isReversed of [false, true]) {
          const { server, waiting, old } = await serveTwo(medium, actions);
          await using _server = server;
          const { answers, cookies } = await perform(
            server,
            waiting,
            old,
            order,
          );
          const browser = new Browser(server, old);
          for (const answer of isReversed ? answers.toReversed() : answers) {
            browser.take(answer);
          }
          const valid = await validCookies(server, cookies);
          const logins = [one, other].filter((name) => name.includes("login"));
          const most = Math.max(1, logins.length);
          assert(valid.length <= most, `${valid.length} cookies are valid`);
          const held = browser.cookie;
          const { user } = JSON.parse(await browser.get("/show"));
          const how = `${order}, ${isReversed}: ${user}`;
          if (user === undefined) {
            assert(held === undefined || !valid.includes(held), how);
          } else {
            assert(valid.includes(held!), how);
            assertEquals((await server.records()).size, valid.length);
          }
        }
      }
    });
  }

  Deno.test(`of two regenerate() at once the browser holds the one valid cookie, in whatever order the answers arrive (${medium})`, async () => {
    const { regenerate } = ACTIONS;
    for (const isReversed of [false, true]) {
      const { server, waiting, old } = await serveTwo(medium, [
        regenerate!,
        regenerate!,
      ]);
      await using _server = server;
      const { answers, cookies } = await perform(server, waiting, old, [
        "/one",
        "/other",
      ]);
      const browser = new Browser(server, old);
      for (const answer of isReversed ? answers.toReversed() : answers) {
        browser.take(answer);
      }
      assertEquals(cookies.size, 2);
      const valid = await validCookies(server, cookies);
      assertEquals(valid, [browser.cookie]);
      assert(browser.cookie !== old);
      assertEquals(JSON.parse(await browser.get("/show")), { user: "eve" });
      assertEquals(server.events.map(({ type }) => type), ["refused"]);
    }
  });
}
