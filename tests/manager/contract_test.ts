/**
 * What a request does to its session and the cookie, row by row as the doc
 * comments of `Session` and `SessionManager` have it, over a real socket.
 */

import {
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SessionTooLargeError } from "../../src/core/errors.ts";
import type { Session } from "../../src/session/session.ts";
import { type Act, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { cookieOf, type Data, idOf, setUp } from "./set_up.ts";

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

  Deno.test(
    name("a form token of one user is not valid after a login as another"),
    async () => {
      await using scene = await serveActs(medium);
      let token = "";
      const ann = await scene.begin((session) => {
        session.setUser("ann");
        token = session.createFormToken();
      });
      const tries: Act = async (session, manager) => [
        session.hasFormToken(token),
        session.removeFormToken(token),
        await manager.consumeFormToken(session, token),
      ];
      const refused = [false, false, false];
      const { result, cookie: bob } = await scene.ask(
        ann,
        (session, manager) => {
          session.setUser("bob");
          return tries(session, manager);
        },
      );
      assertEquals(result, refused);
      assertEquals((await scene.ask(bob, tries)).result, refused);
    },
  );

  Deno.test(
    name("destroy() ends the session and clears its cookie"),
    async () => {
      await using scene = await serveActs(medium);
      const cookie = await scene.begin((session) => session.set("n", 1));
      const { cookie: sent } = await scene.ask(cookie, (s) => s.destroy());
      assertEquals(sent, "");
      assertEquals((await scene.records()).size, 0);
    },
  );

  Deno.test(
    name("what is written after destroy() is a new session, and only that"),
    async () => {
      await using scene = await serveActs(medium);
      const cookie = await scene.begin((session) => {
        session.set("n", 1);
        session.setUser("ann");
      });
      const { result, cookie: sent } = await scene.ask(cookie, (session) => {
        session.flash("early", 1);
        session.destroy();
        session.flash("bye", 1);
        return [session.id, session.isNew, session.user];
      });
      const [record] = (await scene.records()).values();
      assertEquals((await scene.records()).size, 1);
      assertEquals(result, [idOf(sent!), true, null]);
      assertNotEquals(idOf(sent!), idOf(cookie));
      assertEquals([record!.user, record!.data, record!.flash], [
        undefined,
        {},
        { bye: 1 },
      ]);
      assertEquals(await scene.show(cookie), undefined);
    },
  );

  Deno.test(
    name(
      "setUser(null) is a logout when a user is signed in, and nothing otherwise",
    ),
    async () => {
      await using scene = await serveActs(medium);
      const cookie = await scene.begin((session) => session.set("n", 1));
      const nothing = await scene.ask(
        cookie,
        (session) => session.setUser(null),
      );
      assertEquals(nothing.cookie, undefined);
      const login = await scene.ask(
        cookie,
        (session) => session.setUser("ann"),
      );
      const logout = await scene.ask(
        login.cookie,
        (session) => session.setUser(null),
      );
      assertEquals(logout.cookie, "");
      assertEquals((await scene.records()).size, 0);
    },
  );

  Deno.test(
    name(
      "setUser() of another user inherits nothing, and has its new ID at once",
    ),
    async () => {
      await using scene = await serveActs(medium);
      const ann = await scene.begin((session) => {
        session.set("cart", ["tea"]);
        session.flash("hi", 1);
        session.setLabel("Ann's laptop");
        session.setLifetime({ idleTimeout: 30 * 24 * 60 * 60 * 1000 });
        session.setUser("ann");
      });
      const { result, cookie: bob } = await scene.ask(ann, (session) => {
        session.setLabel("a phone");
        session.set("n", 1);
        session.setUser("bob");
        session.set("n", 2);
        return session.id;
      });
      assertEquals(result, idOf(bob!));
      assertEquals(await scene.show(ann), undefined);
      const records = await scene.records();
      assertEquals([...records.keys()], [idOf(bob!)]);
      const { data, flash, label, user, idleTimeout } = records.get(
        idOf(bob!),
      )!;
      assertEquals({ data, flash, label, user, idleTimeout }, {
        data: { n: 2 },
        flash: undefined,
        label: "a phone",
        user: "bob",
        idleTimeout: undefined,
      });
    },
  );

  Deno.test(
    name(
      "setLabel() and setLifetime() hold for the session of another user wherever they stand, also with the old values",
    ),
    async () => {
      const label = "Firefox on Linux";
      const lifetime = { idleTimeout: 3_600_000 };
      await using scene = await serveActs(medium, { idleTimeout: 1_800_000 });
      const say = (session: Session<Data>) => {
        session.setLabel(label);
        session.setLifetime(lifetime);
      };
      const orders: Act[] = [
        (session) => {
          say(session);
          session.setUser("bob");
        },
        (session) => {
          session.setUser("bob");
          say(session);
        },
        (session) => {
          say(session);
          session.setUser("eve");
          session.setUser("bob");
        },
      ];
      for (const act of orders) {
        const ann = await scene.begin((session) => {
          say(session);
          session.setUser("ann");
        });
        const { cookie } = await scene.ask(ann, act);
        const record = (await scene.records()).get(idOf(cookie!))!;
        const { user, idleTimeout } = record;
        assertEquals({ user, label: record.label, idleTimeout }, {
          user: "bob",
          label,
          ...lifetime,
        });
      }
    },
  );

  Deno.test(
    name(
      "a form token that is consumed meanwhile brings nothing of an ended session back",
    ),
    async () => {
      await using scene = await serveActs(medium);
      let token = "";
      const cookie = await scene.begin((session) => {
        session.flash("hi", 1);
        token = session.createFormToken();
      });
      const { result, cookie: sent } = await scene.ask(
        cookie,
        async (session, manager) => {
          const consuming = manager.consumeFormToken(session, token);
          session.destroy();
          return [await consuming, session.flash("hi") ?? null];
        },
      );
      assertEquals([result, sent], [[true, null], ""]);
      assertEquals((await scene.records()).size, 0);
    },
  );

  Deno.test(
    name(
      "setUser() keeps ID, data and flash, and lets the absolute timeout begin anew",
    ),
    async () => {
      let now = Date.now();
      const absoluteTimeout = 60_000;
      const options = { absoluteTimeout, now: () => now };
      await using scene = await serveActs(medium, options);
      let cookie = await scene.begin((session) => {
        session.set("n", 1);
        session.flash("hi", 1);
      });
      const id = idOf(cookie);
      for (const _time of [1, 2, 3]) {
        now += absoluteTimeout / 2;
        const { result, cookie: renewed } = await scene.ask(
          cookie,
          (session) => {
            session.setUser("ann");
            return session.signedInAt;
          },
        );
        assertEquals(result, now);
        assertNotEquals(renewed, cookie);
        assertEquals(await scene.show(cookie), undefined);
        cookie = renewed!;
        assertEquals(await scene.show(cookie), {
          id,
          user: "ann",
          data: { n: 1 },
        });
        const record = (await scene.records()).get(id)!;
        assertEquals([record.flash, record.signedInAt, record.expiresAt], [
          { hi: 1 },
          now,
          now + absoluteTimeout,
        ]);
      }
    },
  );

  Deno.test(
    name("a logout succeeds where nothing can be created"),
    async () => {
      await using scene = await serveActs(medium);
      const { store, errors } = scene.server;
      const cookie = await scene.begin((session) => session.setUser("ann"));
      const full = new Error("disk full");
      const { create } = store;
      store.create = () => Promise.reject(full);
      const { status, cookie: sent } = await scene.ask(cookie, (session) => {
        session.setUser(null);
        session.flash("bye", 1);
      });
      store.create = create;
      assertEquals([status, sent, errors], [500, undefined, [full]]);
      assertEquals((await scene.records()).size, 0);
      assertEquals(await scene.show(cookie), undefined);
    },
  );

  Deno.test(
    name("discard() forgets what was done since the last commit, and no more"),
    async () => {
      await using scene = await serveActs(medium);
      const cookie = await scene.begin((session) => session.set("n", 1));
      const { result, cookie: sent } = await scene.ask(
        cookie,
        async (session, manager) => {
          const headers = new Headers();
          session.set("n", 2);
          session.setUser("ann");
          await manager.commit(session, headers);
          session.set("n", 3);
          session.destroy();
          session.discard();
          const { user, id } = session;
          return { user, id, n: session.get("n"), at: cookieOf(headers) };
        },
      );
      const { at, ...seen } = result as { at: string };
      assertEquals([seen, sent], [
        { user: "ann", id: idOf(cookie), n: 2 },
        undefined,
      ]);
      assertEquals((await scene.show(at))!.data, { n: 2 });
    },
  );

  Deno.test(
    name("a new session that cannot be kept does not end the old one"),
    async () => {
      await using scene = await serveActs(medium, { maxBytes: 100 });
      const cookie = await scene.begin((session) => session.setUser("ann"));
      const { status } = await scene.ask(cookie, (session) => {
        session.destroy();
        session.set("n", 1);
        session.set("cart", ["x".repeat(100)]);
      });
      assertEquals(status, 500);
      assertInstanceOf(scene.server.errors[0], SessionTooLargeError);
      assertEquals((await scene.show(cookie))!.user, "ann");
    },
  );
}

Deno.test("a logout succeeds where nothing can be written", async () => {
  const { open, commit, begin, store } = setUp();
  const { id, cookie } = await begin();
  const session = await open(cookie);
  session.destroy();
  session.flash("bye", 1);
  const full = new Error("disk full");
  const { create } = store;
  store.create = () => Promise.reject(full);
  assertEquals(await assertRejects(() => commit(session)), full);
  assertFalse(await store.has(id));
  store.create = create;
  assertStringIncludes(await commit(session), session.id);
});
