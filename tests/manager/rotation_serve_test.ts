/**
 * Rotation over a real socket: the secret before stays good until a request has
 * brought the new one, and no step of a rotation fails a request.
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import { KEEP, type SessionStore } from "../../src/core/store.ts";
import { MINUTE } from "../constants.ts";
import { type ActingServer, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { idOf } from "./set_up.ts";

const EVERY = 10 * MINUTE;
const GRACE = 30_000;
const DAY = 24 * 60 * MINUTE;

/** A server with a session whose secret is due to be replaced. */
async function due(
  medium: typeof STORES[number],
  options = {},
): Promise<
  { scene: ActingServer; cookie: string; id: string; clock: { now: number } }
> {
  const clock = { now: Date.now() };
  const now = () => clock.now;
  const settings = { rotateEvery: EVERY, rotateGrace: GRACE, now, ...options };
  const scene = await serveActs(medium, settings);
  const cookie = await scene.begin((session) => {
    session.set("n", 1);
    session.setUser("ann");
  });
  clock.now += EVERY;
  return { scene, cookie, id: idOf(cookie), clock };
}

const reads = (session: { get(key: "n"): unknown }) => session.get("n");

async function previousOf(
  scene: ActingServer,
  id: string,
): Promise<SessionRecord["previous"]> {
  return (await scene.records()).get(id)!.previous;
}

const MISFIT = new TypeError("the record does not fit");

/** Makes a store fail what would keep a step of a rotation, from here on. */
function refuseRotation(store: SessionStore): Disposable {
  const { update } = store;
  store.update = (id, change) =>
    update.call(store, id, (record) => {
      const next = change(record);
      if (next !== undefined && next !== KEEP) {
        const { secretHash, previous } = next;
        const isStep = secretHash !== record.secretHash ||
          previous?.until !== record.previous?.until;
        if (isStep) throw MISFIT;
      }
      return next;
    });
  return { [Symbol.dispose]: () => void (store.update = update) };
}

for (const medium of STORES) {
  const name = (title: string) => `${title} (${medium})`;

  Deno.test(
    name(
      "the secret before stays good, and is handed the same new one, until that was brought",
    ),
    async () => {
      const { scene, cookie: before, id, clock } = await due(medium);
      await using _scene = scene;
      // Its response is lost.
      const { cookie: after } = await scene.ask(before, reads);
      assertNotEquals(after, undefined);
      for (let day = 0; day < 3; day++) {
        clock.now += DAY;
        const again = await scene.ask(before, reads);
        assertEquals(again, { status: 200, result: 1, cookie: after });
        const write = await scene.ask(before, (s) => s.update("n", () => 1));
        assertEquals(write.cookie, after);
      }
      const { hash, until, sealed } = (await previousOf(scene, id))!;
      assertEquals(until, undefined);

      // The first that brings it begins the grace, and does not rotate.
      assertEquals((await scene.ask(after, reads)).cookie, undefined);
      const noted = { hash, until: clock.now + GRACE, sealed };
      assertEquals(await previousOf(scene, id) as unknown, noted);
      clock.now += GRACE - 1;
      assertEquals((await scene.ask(before, reads)).cookie, after);
      assertEquals(await previousOf(scene, id) as unknown, noted);
      assertEquals(scene.server.events, []);
      clock.now += 1;
      assertEquals(await scene.show(before), undefined);
      assertEquals(scene.server.events, [{ type: "reused", sessionId: id }]);
    },
  );

  Deno.test(
    name(
      "the first request after the grace removes the way to the new secret, and the old one is still told of",
    ),
    async () => {
      const { scene, cookie: before, id, clock } = await due(medium, {
        endOnReuse: true,
      });
      await using _scene = scene;
      const { cookie: after } = await scene.ask(before, reads);
      // Both ride on a commit.
      await scene.ask(after, (session) => session.set("n", 2));
      const { hash, until } = (await previousOf(scene, id))!;
      clock.now += GRACE;
      await scene.ask(after, (session) => session.set("n", 3));
      assertEquals(await previousOf(scene, id), { hash, until: until! });
      // A clock that is set back does not make it good again.
      clock.now -= 1;
      assertEquals(await scene.show(before), undefined);
      assertEquals(scene.server.events, [{ type: "reused", sessionId: id }]);
      assertEquals(await scene.show(after), undefined);
    },
  );

  Deno.test(
    name("to remove it is a commit of its own for a request that only reads"),
    async () => {
      const { scene, cookie: before, id, clock } = await due(medium);
      await using _scene = scene;
      const { cookie: after } = await scene.ask(before, reads);
      await scene.ask(after, reads);
      clock.now += GRACE;
      await scene.ask(after, reads);
      assertEquals((await previousOf(scene, id))!.sealed, undefined);
    },
  );

  Deno.test(
    name(
      "a request that does not look, or is readOnly, neither rotates nor confirms",
    ),
    async () => {
      const { scene, cookie: before, id, clock } = await due(medium);
      await using _scene = scene;
      await using reader = await serveActs(medium, {
        store: scene.server.store,
        isolation: "readOnly",
        rotateEvery: EVERY,
        now: () => clock.now,
      });
      const leave = async (cookie: string | undefined) => {
        const record = (await scene.records()).get(id);
        await scene.ask(cookie, () => 1);
        assertEquals((await reader.ask(cookie, reads)).cookie, undefined);
        assertEquals((await scene.records()).get(id), record);
      };
      await leave(before);
      const { cookie: after } = await scene.ask(before, reads);
      await leave(after);
      await scene.ask(after, reads);
      clock.now += GRACE;
      await leave(after);
    },
  );

  Deno.test(
    name("a step of a rotation that cannot be written fails no request"),
    async () => {
      const { scene, cookie, id } = await due(medium);
      await using _scene = scene;
      const { events, store } = scene.server;
      let expected = 0;
      const goesOn = async (cookie: string | undefined, n: number) => {
        using _refused = refuseRotation(store);
        const read = await scene.ask(cookie, reads);
        assertEquals(read, { status: 200, result: n, cookie: undefined });
        const write = await scene.ask(cookie, (session) => {
          session.update("n", (n = 0) => n + 1);
        });
        assertEquals([write.status, write.cookie], [200, undefined]);
        expected += 2;
        assertEquals(
          events,
          Array(expected).fill({
            type: "unrotated",
            sessionId: id,
            error: MISFIT,
          }),
        );
      };
      await goesOn(cookie, 1);
      const { result, cookie: after } = await scene.ask(cookie, reads);
      assertEquals(result, 2);
      assertNotEquals(after, undefined);
      await goesOn(after, 2);
      assertEquals((await scene.show(after))!.data, { n: 3 });
      assertEquals(events.length, expected);
      assertEquals(scene.server.manager.counters.commits, 3);
    },
  );

  Deno.test(
    name("a rotation that the store keeps, and then fails, is done once"),
    async () => {
      const { scene, cookie } = await due(medium);
      await using _scene = scene;
      const { store } = scene.server;
      const { update } = store;
      store.update = async (id, change) => {
        store.update = update;
        await store.update(id, change);
        throw new Error("the connection is lost");
      };
      const { status, cookie: after } = await scene.ask(cookie, (session) => {
        session.update("n", (n = 0) => n + 1);
      });
      assertEquals(status, 200);
      assertNotEquals(after, undefined);
      assertEquals(await scene.ask(after, reads), {
        status: 200,
        result: 2,
        cookie: undefined,
      });
    },
  );

  Deno.test(
    name("no secret is replaced while the one before has its grace"),
    async () => {
      const { scene, cookie, clock } = await due(medium, {
        rotateGrace: 3 * EVERY,
      });
      await using _scene = scene;
      const { cookie: after } = await scene.ask(cookie, reads);
      await scene.ask(after, reads);
      for (let step = 0; step < 2; step++) {
        clock.now += EVERY;
        assertEquals((await scene.ask(after, reads)).cookie, undefined);
        assertEquals(
          (await scene.ask(cookie, reads)).result,
          1,
          "in its grace",
        );
      }
      clock.now += EVERY;
      assertNotEquals((await scene.ask(after, reads)).cookie, undefined);
      assertEquals(scene.server.events, []);
    },
  );

  Deno.test(
    name("a change is done once where the store keeps it and then fails"),
    async () => {
      const { scene, cookie } = await due(medium);
      await using _scene = scene;
      const { store, events } = scene.server;
      const { cookie: after } = await scene.ask(cookie, reads);
      const { update } = store;
      store.update = async (id, change) => {
        store.update = update;
        await store.update(id, change);
        throw new Error("the connection is lost");
      };
      // It brings the new secret for the first time.
      const { status } = await scene.ask(after, (session) => {
        session.update("n", (n = 0) => n + 1);
      });
      assertEquals(status, 200);
      assertEquals(events.map(({ type }) => type), ["unrotated"]);
      assertEquals((await scene.ask(after, reads)).result, 2);
    },
  );

  Deno.test(
    name("a rotation that cannot be written keeps no cookie from the browser"),
    async () => {
      const { scene, cookie } = await due(medium, { idleTimeout: 2 * EVERY });
      await using _scene = scene;
      using _refused = refuseRotation(scene.server.store);
      const { status, cookie: sent } = await scene.ask(cookie, reads);
      assertEquals([status, sent], [200, cookie]);
    },
  );

  Deno.test(
    name(
      "a request that only reads is not refused when its session ends before the rotation",
    ),
    async () => {
      const { scene, cookie } = await due(medium);
      await using _scene = scene;
      const late = await scene.hold(cookie, reads);
      await scene.ask(cookie, (session) => session.setUser(null));
      assertEquals(await late(), {
        status: 200,
        result: 1,
        cookie: undefined,
      });
      assertEquals(scene.server.events, []);
      assert(!(await scene.records()).has(idOf(cookie)));
    },
  );
}
