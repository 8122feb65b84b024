/**
 * A commit without headers, as in the middle of a WebSocket, or with immutable
 * ones, over a real socket.
 */

import {
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { MINUTE } from "../constants.ts";
import { serveActs } from "./acting_server.ts";
import { Browser, serve, STORES } from "./session_server.ts";
import type { Data } from "./set_up.ts";
import type { Session } from "../../src/session/session.ts";

const NEEDS_COOKIE: Readonly<Record<string, (session: Session<Data>) => void>> =
  {
    "a login": (session) => session.setUser("ann"),
    "a login as another": (session) => session.setUser("ben"),
    "a regenerate": (session) => session.regenerate(),
    "a new session": (session) => {
      session.destroy();
      session.set("n", 9);
    },
  };

for (const medium of STORES) {
  const name = (title: string) => `${title} (${medium})`;

  for (const untilBrowserCloses of [false, true]) {
    Deno.test(
      name(
        `a lifetime that was set without headers reaches the browser with the next request, untilBrowserCloses: ${untilBrowserCloses}`,
      ),
      async () => {
        await using server = await serve(medium, {
          "/begin": (session) => {
            session.set("n", 1);
            return new Response();
          },
          "/": (session) => new Response(`${session.get("n")}`),
          "/upgrade": async (session) => {
            const idleTimeout = 9 * MINUTE;
            session.setLifetime({ idleTimeout, untilBrowserCloses });
            await server.manager.commit(session);
            // As one whose answer never arrives.
            throw new Error("the connection is lost");
          },
        }, { idleTimeout: MINUTE });
        const browser = new Browser(server);
        await browser.get("/begin");
        const ask = async (path: string) => {
          const answer = await server.get(path, browser.cookie);
          await answer.body?.cancel();
          return answer.headers.getSetCookie()[0];
        };
        assertEquals(await ask("/upgrade"), undefined);
        const sent = await ask("/");
        assertNotEquals(sent, undefined);
        const maxAge = untilBrowserCloses ? undefined : "Max-Age=540";
        assertEquals(sent!.match(/Max-Age=\d+/)?.[0], maxAge);
        assertEquals(await ask("/"), undefined, "once");
      },
    );
  }

  Deno.test(
    name(
      "without headers a commit neither rotates nor renews, and a later one does",
    ),
    async () => {
      let now = Date.now();
      await using scene = await serveActs(medium, {
        rotateEvery: 10 * MINUTE,
        idleTimeout: 60 * MINUTE,
        now: () => now,
      });
      const cookie = await scene.begin((session) => session.set("n", 1));
      const [id] = (await scene.records()).keys();
      const { secretHash, cookieSentAt } = (await scene.records()).get(id!)!;
      now += 30 * MINUTE;
      const { result, cookie: after } = await scene.ask(
        cookie,
        async (session, manager) => {
          session.set("n", 2);
          session.setLifetime({ idleTimeout: 90 * MINUTE });
          await manager.commit(session);
          await manager.commit(session);
          const record = (await scene.records()).get(id!)!;
          return [record.data, record.secretHash, record.cookieSentAt];
        },
      );
      assertNotEquals(cookieSentAt, undefined);
      assertEquals(result, [{ n: 2 }, secretHash, 0]);
      assertNotEquals(after, undefined);
      assertNotEquals(after, cookie);
      const { cookieSentAt: sentAt } = (await scene.records()).get(id!)!;
      assertEquals(sentAt, now);
    },
  );

  Deno.test(
    name("without headers a logout is committed, and its cookie opens nothing"),
    async () => {
      await using scene = await serveActs(medium);
      const cookie = await scene.begin((session) => session.setUser("ann"));
      await scene.ask(cookie, async (session, manager) => {
        session.destroy();
        await manager.commit(session);
      });
      assertEquals((await scene.records()).size, 0);
      assertEquals(await scene.show(cookie), undefined);
    },
  );

  for (const [what, act] of Object.entries(NEEDS_COOKIE)) {
    Deno.test(
      name(`without headers ${what} is refused, before anything is written`),
      async () => {
        await using scene = await serveActs(medium);
        const cookie = await scene.begin((session) => session.setUser("ann"));
        const before = await scene.records();
        const { result } = await scene.ask(cookie, async (session, manager) => {
          act(session);
          try {
            await manager.commit(session);
          } catch (error) {
            // What it did is still to be done.
            session.discard();
            return String(error);
          }
          return "committed";
        });
        assertEquals(
          result,
          "TypeError: Cannot commit the session: its new cookie needs headers to go into",
        );
        assertEquals(await scene.records(), before);
      },
    );
  }

  for (const vary of ["Cookie", "*", "Accept", undefined]) {
    Deno.test(
      name(
        `with immutable headers a commit fails before anything is written, Vary: ${vary}`,
      ),
      async () => {
        await using scene = await serveActs(medium);
        const cookie = await scene.begin((session) => session.setUser("ann"));
        const before = await scene.records();
        await using upstream = await serve(medium, {
          "/": () => new Response(null, { headers: vary ? { vary } : {} }),
        });
        const { headers } = await upstream.get("/");
        const { status } = await scene.ask(cookie, (session, manager) => {
          session.setUser("ann");
          return manager.commit(session, headers);
        });
        assertEquals(status, 500);
        assertStringIncludes(scene.server.errors[0]!.message, "immutable");
        assertEquals(await scene.records(), before);
        assertEquals((await scene.show(cookie))!.user, "ann");
      },
    );
  }
}
