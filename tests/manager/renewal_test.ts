/**
 * The cookie is sent again before the browser forgets it, and never when the
 * browser may have a newer one.
 */

import { assert, assertEquals } from "@std/assert";
import { HOUR, MINUTE } from "../constants.ts";
import type { SessionEvent } from "../../src/manager/events.ts";
import { type Act, type ActingServer, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { BEGIN, cookieIn, requestWith, setUp } from "./set_up.ts";

const DAY = 24 * HOUR;
const IDLE = 10 * MINUTE;
const looks: Act = (session) => session.get("n");
const begins: Act = (session) => session.set("n", 1);

for (const medium of STORES) {
  const test = (
    title: string,
    run: (scene: ActingServer, clock: { now: number }) => Promise<void>,
  ) =>
    Deno.test(`renewal: ${title} (${medium})`, async () => {
      const clock = { now: Date.now() };
      await using scene = await serveActs(medium, {
        idleTimeout: IDLE,
        rotateEvery: 3 * MINUTE,
        now: () => clock.now,
      });
      await run(scene, clock);
    });

  test(
    "a request that looks gets the cookie again after a tenth of its age, whichever touched",
    async (scene, clock) => {
      const cookie = await scene.begin(begins);
      clock.now += MINUTE - 1;
      assertEquals((await scene.ask(cookie, looks)).cookie, undefined);
      clock.now += 1;
      // An image: it touches, and does not look.
      assertEquals((await scene.ask(cookie, () => 1)).cookie, undefined);
      assertEquals((await scene.ask(cookie, looks)).cookie, cookie);
      assertEquals((await scene.ask(cookie, looks)).cookie, undefined);
      const [record] = (await scene.records()).values();
      assertEquals(record!.cookieSentAt, clock.now);
      assertEquals(scene.server.manager.counters.commits, 1);
    },
  );

  for (
    const [how, change] of Object.entries<Act>({
      login: (session) => session.setUser("ann"),
      regenerate: (session) => session.regenerate(),
      logout: (session) => session.destroy(),
    })
  ) {
    test(
      `a slow page that only reads does not send its old cookie after a ${how}`,
      async (scene, clock) => {
        const cookie = await scene.begin(begins);
        clock.now += MINUTE;
        const page = await scene.hold(cookie, looks);
        await scene.ask(cookie, change);
        const { status, cookie: sent } = await page();
        assertEquals([status, sent], [200, undefined]);
        assertEquals(scene.server.events, []);
      },
    );

    test(
      `a rotated secret is not handed on after a ${how}`,
      async (scene, clock) => {
        const old = await scene.begin(begins);
        clock.now += 3 * MINUTE;
        const { cookie } = await scene.ask(old, looks);
        const page = await scene.hold(old, looks);
        await scene.ask(cookie, change);
        assertEquals((await page()).cookie, undefined);
      },
    );
  }

  test("a revoked session gets no cookie", async (scene, clock) => {
    const cookie = await scene.begin((session) => session.setUser("ann"));
    clock.now += MINUTE;
    const page = await scene.hold(cookie, looks);
    await scene.server.manager.revokeUser("ann");
    assertEquals((await page()).cookie, undefined);
  });
}

for (
  const error of [new Error("disk full"), new TypeError("a fault of ours")]
) {
  Deno.test(`renewal: ${error} then sends nothing, is an event, and the request goes on`, async () => {
    const events: SessionEvent[] = [];
    const { manager, store, clock, begin } = setUp({
      idleTimeout: IDLE,
      onEvent: (event) => events.push(event),
    });
    const { cookie, id: sessionId } = await begin();
    clock.now += MINUTE;
    const ask = (failure?: Error) =>
      manager.run(requestWith(cookie), (session) => {
        store.failure = failure;
        return new Response(`${session.get("n")}`);
      });
    const response = await ask(error);
    assertEquals(await response.text(), "1");
    assertEquals(response.headers.getSetCookie(), []);
    assertEquals(events, [{ type: "unrotated", sessionId, error }]);
    store.failure = undefined;
    assertEquals((await ask()).headers.getSetCookie().length, 1);
    assertEquals(events.length, 1);
  });
}

Deno.test("renewal: it is no commit, neither for strict requests nor under readOnly", async () => {
  const { manager, clock, begin } = setUp({ idleTimeout: IDLE });
  const { cookie } = await begin();
  clock.now += MINUTE;
  const strict = await manager.open(requestWith(cookie), {
    isolation: "strict",
  });
  const reading = await manager.open(requestWith(cookie), {
    isolation: "readOnly",
  });
  reading.get("n");
  const headers = new Headers();
  await manager.commit(reading, headers);
  assertEquals(headers.getSetCookie().length, 1);
  strict.set("n", 2);
  await manager.commit(strict, new Headers());
});

Deno.test("renewal: a cookie claims 400 days at most, and is renewed by that", async () => {
  const { open, commit, clock } = setUp({ absoluteTimeout: 800 * DAY });
  const session = await open();
  session.set("n", 1);
  const header = await commit(session);
  const most = `; Max-Age=${400 * DAY / 1000}`;
  assert(header.includes(most));
  const ask = async () => {
    const later = await open(cookieIn(header));
    later.get("n");
    return await commit(later);
  };
  clock.now = BEGIN + 40 * DAY - 1;
  assertEquals(await ask(), "");
  clock.now += 1;
  assert((await ask()).includes(most));
  // From here on the cookie lives as long as the session.
  clock.now = BEGIN + 401 * DAY;
  assert((await ask()).includes(`; Max-Age=${399 * DAY / 1000}`));
  clock.now = BEGIN + 700 * DAY;
  assertEquals(await ask(), "");
});

Deno.test("renewal: a request whose cookie is not due asks the store once", async () => {
  const { open, commit, store, begin } = setUp({ idleTimeout: IDLE });
  const { cookie } = await begin();
  const session = await open(cookie);
  session.get("n");
  assertEquals(await commit(session), "");
  assertEquals(store.takeCalls(), ["load"]);
});
