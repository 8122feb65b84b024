/**
 * What a request does to its session and the cookie, row by row as the doc
 * comments of `Session` and `SessionManager` have it, over a real socket.
 */

import { assertEquals } from "@std/assert";
import { serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { idOf } from "./set_up.ts";

for (const medium of STORES) {
  const name = (title: string) => `${title} (${medium})`;

  Deno.test(
    name("a session that comes to hold nothing stays, empty, with its cookie"),
    async () => {
      await using scene = await serveActs(medium);
      const cookie = await scene.begin((session) => session.flash("hi", 1));
      const late = await scene.hold(cookie, (session) => session.set("n", 1));
      const { result, cookie: sent } = await scene.ask(
        cookie,
        (session) => session.flash("hi"),
      );
      assertEquals([result, sent], [1, undefined]);
      const [record] = (await scene.records()).values();
      assertEquals([record!.data, record!.flash], [{}, undefined]);
      // What another tab adds meanwhile is not refused.
      assertEquals(await late(), {
        status: 200,
        result: null,
        cookie: undefined,
      });
      const id = idOf(cookie);
      assertEquals(await scene.show(cookie), {
        id,
        user: null,
        data: { n: 1 },
      });
      assertEquals(scene.server.events, []);
    },
  );

  Deno.test(
    name("a new session that holds nothing is not stored"),
    async () => {
      await using scene = await serveActs(medium);
      const { cookie } = await scene.ask(undefined, (session) => {
        session.set("n", 1);
        session.delete("n");
      });
      assertEquals(cookie, undefined);
      assertEquals((await scene.records()).size, 0);
    },
  );

  for (const way of ["setUser", "regenerate"] as const) {
    Deno.test(
      name(`${way}() makes form tokens from before it invalid`),
      async () => {
        await using scene = await serveActs(medium);
        let stored = "";
        const cookie = await scene.begin((session) => {
          stored = session.createFormToken();
        });
        let fresh = "";
        const { result, cookie: renewed } = await scene.ask(
          cookie,
          async (session, manager) => {
            const form = session.createFormToken();
            const used = await manager.consumeFormToken(session, form);
            const mine = session.createFormToken();
            if (way === "setUser") session.setUser("ann");
            else session.regenerate();
            fresh = session.createFormToken();
            return [
              used,
              session.hasFormToken(stored),
              await manager.consumeFormToken(session, stored),
              session.hasFormToken(mine),
              session.hasFormToken(fresh),
            ];
          },
        );
        assertEquals(result, [true, false, false, false, true]);
        const after = await scene.ask(renewed, async (session, manager) => [
          await manager.consumeFormToken(session, stored),
          await manager.consumeFormToken(session, fresh),
        ]);
        assertEquals(after.result, [false, true]);
      },
    );
  }
}
