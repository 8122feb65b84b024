/** `secrets`: how one is added and replaced while servers run side by side. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { MINUTE } from "../constants.ts";
import { type Act, type ActingServer, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { idOf } from "./set_up.ts";

const FIRST = "the first secret of the server, long enough";
const SECOND = "the second secret of the server, long enough";
const SEAL = { seal: true } as const;

/** Each step of a deployment beside the one before. */
const STEPS: readonly (readonly (string | null)[])[] = [
  [],
  [null, FIRST],
  [FIRST, null],
  [FIRST],
  [FIRST, SECOND],
  [SECOND, FIRST],
  [SECOND],
];

const reads: Act = (session) => session.get("n");

async function sealedIn(scene: ActingServer, id: string): Promise<string> {
  return (await scene.records()).get(id)!.sealed!;
}

for (const medium of STORES) {
  const name = (title: string) => `${title} (${medium})`;

  Deno.test(
    name(
      "secrets are added and replaced step by step, and servers of two steps open each other's sessions",
    ),
    async () => {
      await using scene = await serveActs(medium, { ...SEAL, secrets: [] });
      const { store } = scene.server;
      const cookie = await scene.begin((session) => session.set("n", 1));
      for (const [i, secrets] of STEPS.slice(1).entries()) {
        const step = `${secrets}`;
        await using before = await serveActs(medium, {
          ...SEAL,
          secrets: STEPS[i]!,
          store,
        });
        await using after = await serveActs(medium, {
          ...SEAL,
          secrets,
          store,
        });
        for (const one of [before, after, before]) {
          const begun = await one.begin((session) => session.set("n", i));
          for (const other of [before, after]) {
            assertEquals((await other.show(begun))?.data, { n: i }, step);
          }
        }
        // To read is enough.
        assertEquals((await after.ask(cookie, reads)).result, 1, step);
        const sealed = await sealedIn(scene, idOf(cookie));
        await after.ask(cookie, reads);
        assertEquals(await sealedIn(scene, idOf(cookie)), sealed, step);
        for (const { server } of [before, after]) {
          assertEquals(server.events, [], step);
          assertEquals(server.manager.counters.unopenable, 0);
        }
      }
    },
  );

  Deno.test(
    name(
      "a session that another entry opens is sealed anew by a request that looks, and counted once",
    ),
    async () => {
      await using scene = await serveActs(medium, {
        ...SEAL,
        secrets: [FIRST],
      });
      const { store } = scene.server;
      const cookie = await scene.begin((session) => session.set("n", 1));
      await using newer = await serveActs(medium, {
        ...SEAL,
        secrets: [SECOND, FIRST],
        store,
      });
      const { manager, events } = newer.server;
      const id = idOf(cookie);
      const before = await sealedIn(scene, id);
      await newer.ask(cookie, () => 1);
      assertEquals(await sealedIn(scene, id), before);

      // It never fails a request.
      const { update } = store;
      const error = new Error("disk full");
      store.update = () => Promise.reject(error);
      const failed = await newer.ask(cookie, reads);
      assertEquals(failed, { status: 200, result: 1, cookie: undefined });
      assertEquals(events, [{ type: "unrotated", sessionId: id, error }]);
      store.update = update;
      assertEquals(manager.counters.resealed, 0);

      const read = await newer.ask(cookie, reads);
      assertEquals(read, { status: 200, result: 1, cookie: undefined });
      assertNotEquals(await sealedIn(scene, id), before);
      await newer.ask(cookie, (session) => session.set("n", 2));
      assertEquals(manager.counters.resealed, 1);
      assertEquals(manager.counters.commits, 1);
    },
  );

  Deno.test(
    name(
      "what no entry opens is an event and counted, and to read does not replace its cookie",
    ),
    async () => {
      let now = Date.now();
      const options = { ...SEAL, rotateEvery: MINUTE, now: () => now };
      await using scene = await serveActs(medium, {
        ...options,
        secrets: [FIRST],
      });
      const cookie = await scene.begin((session) => session.set("n", 1));
      await using other = await serveActs(medium, {
        ...options,
        secrets: [SECOND],
        store: scene.server.store,
      });
      now += MINUTE;
      const read = await other.ask(cookie, (session) => session.isNew);
      assertEquals(read, { status: 200, result: true, cookie: undefined });
      const sessionId = idOf(cookie);
      assertEquals(other.server.events, [{ type: "unopenable", sessionId }]);
      assertEquals(other.server.manager.counters.unopenable, 1);
      // A wrong secret is none of that.
      await other.ask(`${cookie.slice(0, -22)}${"A".repeat(22)}`, reads);
      assertEquals(other.server.events.length, 1);
      assertEquals((await scene.show(cookie))?.data, { n: 1 });
    },
  );

  for (const way of ["destroy", "setUser"] as const) {
    Deno.test(
      name(`${way}() deletes the record that no entry opens`),
      async () => {
        await using scene = await serveActs(medium, {
          ...SEAL,
          secrets: [FIRST],
        });
        const cookie = await scene.begin((session) => session.setUser("ann"));
        await using other = await serveActs(medium, {
          ...SEAL,
          secrets: [SECOND],
          store: scene.server.store,
        });
        const ends: Act = (session) =>
          way === "destroy" ? session.destroy() : session.setUser(null);
        // Its ID alone ends nothing.
        await other.ask(`${cookie.slice(0, -22)}${"A".repeat(22)}`, ends);
        assertEquals((await scene.records()).size, 1);
        const { status, cookie: sent } = await other.ask(cookie, ends);
        assertEquals([status, sent], [200, ""]);
        assertEquals((await scene.records()).size, 0);
      },
    );
  }
}
