/**
 * A login against a revocation of the same user, over a real socket: a password
 * that was checked before the revocation signs in to no session after it.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { SessionRevokedError } from "../../src/core/errors.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import {
  type Act,
  type ActingServer,
  type Answer,
  serveActs,
} from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { requestWith } from "./set_up.ts";

const login: Act = (session) => session.setUser("ann");
const nothing: Act = () => undefined;

/** A login that was refused: nothing is kept, and the server hears why. */
async function assertRevoked(
  { server, records }: ActingServer,
  { status, cookie }: Answer,
): Promise<void> {
  assertEquals([status, cookie], [500, undefined]);
  const error = server.errors.at(-1);
  assert(error instanceof SessionRevokedError, `${error}`);
  for (const { user } of (await records()).values()) {
    assertEquals(user, undefined);
  }
  assertEquals(server.events, []);
}

for (const medium of STORES) {
  const test = (
    title: string,
    run: (scene: ActingServer, clock: { now: number }) => Promise<void>,
  ) =>
    Deno.test(`${title} (${medium})`, async () => {
      const clock = { now: Date.now() };
      const now = () => clock.now;
      await using scene = await serveActs(medium, { now });
      await run(scene, clock);
    });
  const cart: Act = (session) => session.set("cart", ["tea"]);

  for (
    const [who, begin] of [["a new session", undefined], [
      "a stranger's",
      cart,
    ]] as const
  ) {
    test(
      `a login under way does not outlive a revocation: ${who}`,
      async (scene, clock) => {
        for (const step of [0, 1, -100_000]) {
          const old = begin && await scene.begin(begin);
          const late = await scene.hold(old, login);
          clock.now += step;
          await scene.server.manager.revokeUser("ann");
          await assertRevoked(scene, await late());
          // Opened later, in the same millisecond: the new password.
          const after = await scene.ask(old, login);
          assertEquals((await scene.show(after.cookie))!.user, "ann");
          await scene.server.manager.revokeUser("ann");
        }
      },
    );
  }

  test("a login under way is not concerned by another user's revocation, or an earlier one", async (scene) => {
    const { manager } = scene.server;
    await manager.revokeUser("ann");
    const late = await scene.hold(undefined, login);
    await manager.revokeUser("bob");
    assertEquals((await scene.show((await late()).cookie))!.user, "ann");
  });

  test("setUser() of the user who was signed in does not outlive a revocation, also after a logout", async (scene) => {
    const again: Act[] = [login, (session, manager) => {
      session.setUser(null);
      return login(session, manager);
    }, (session, manager) => {
      session.setUser("bob");
      return login(session, manager);
    }];
    for (const act of again) {
      const cookie = await scene.begin(login);
      const late = await scene.hold(cookie, act);
      await scene.server.manager.revokeUser("ann");
      await assertRevoked(scene, await late());
    }
  });

  test("a login as another user is not concerned by the revocation of the one before", async (scene) => {
    const cookie = await scene.begin(login);
    const late = await scene.hold(cookie, (session) => session.setUser("bob"));
    await scene.server.manager.revokeUser("ann");
    assertEquals((await scene.show((await late()).cookie))!.user, "bob");
    assertEquals((await scene.records()).size, 1);
  });

  test("a logout of a revoked session ends it and clears no cookie", async (scene) => {
    const cookie = await scene.begin(login);
    const late = await scene.hold(cookie, (session) => session.setUser(null));
    await scene.server.manager.revokeUser("ann");
    const { status, cookie: sent } = await late();
    assertEquals([status, sent], [200, undefined]);
    assertEquals((await scene.records()).size, 0);
  });

  test(
    "a revocation by another process is told from a login by the clock",
    async (scene, clock) => {
      const { manager, store } = scene.server;
      for (
        const [at, isRefused] of [
          [-1_001, false],
          [-1_000, false],
          [-999, true],
          [5_000, true],
          [60_000, true],
          [60_001, false],
        ] as const
      ) {
        const late = await scene.hold(undefined, login);
        await manager.revokeUser("ann");
        await store.update(revocationId("ann"), (record) => ({
          ...record,
          data: { ...record.data, by: "another", at: clock.now + at },
        }));
        const answer = await late();
        assertEquals(answer.status, isRefused ? 500 : 200, `${at}`);
        if (isRefused) await assertRevoked(scene, answer);
        else assertEquals((await scene.show(answer.cookie))!.user, "ann");
        // With the new generation, so that the next revocation ends it.
        await manager.revokeUser("ann");
        assertEquals(await scene.show(answer.cookie), undefined);
      }
    },
  );

  test(
    "beginLogin() binds a login in this or a later request to the generation of then",
    async (scene, clock) => {
      const { manager, store } = scene.server;
      const begin: Act = (session, manager) =>
        manager.beginLogin(session, "ann");
      for (const isOther of [false, true]) {
        const revoke = async () => {
          await manager.revokeUser("ann");
          if (!isOther) return;
          await store.update(revocationId("ann"), (record) => ({
            ...record,
            data: { ...record.data, by: "another", at: clock.now - 10_000 },
          }));
        };
        const cookie = await scene.begin(begin);
        const passed = await scene.ask(cookie, login);
        assertEquals((await scene.show(passed.cookie))!.user, "ann");
        const [record] = (await scene.records()).values();
        assertEquals(record!.login, undefined);

        const late = await scene.begin(begin);
        await scene.ask(late, cart);
        await revoke();
        await assertRevoked(scene, await scene.ask(late, login));
        // The login begins anew.
        const again = await scene.ask(late, async (session, manager) => {
          await manager.beginLogin(session, "ann");
          session.setUser("ann");
        });
        assertEquals((await scene.show(again.cookie))!.user, "ann");
        const same = await scene.ask(again.cookie, async (session, manager) => {
          await manager.beginLogin(session, "ann");
          await revoke();
          session.setUser("ann");
        });
        await assertRevoked(scene, same);
        // Another user's login is not bound.
        const other = await scene.begin(begin);
        await revoke();
        const bob = await scene.ask(other, (session) => session.setUser("bob"));
        assertEquals((await scene.show(bob.cookie))!.user, "bob");
        await manager.expire((await scene.show(bob.cookie))!.id);
      }
    },
  );

  test("a login that began stays bound to its generation, whatever its request does before", async (scene) => {
    const { manager } = scene.server;
    const before: Act[] = [
      (session) => session.destroy(),
      (session) => session.setUser(null),
      (session) => session.setUser("bob"),
      (session) => session.regenerate(),
      (session) => {
        session.setUser("ann");
        session.discard();
      },
    ];
    for (const act of before) {
      for (const opened of [null, "eve"]) {
        const cookie = await scene.begin(async (session, manager) => {
          if (opened !== null) session.setUser(opened);
          await manager.beginLogin(session, "ann");
        });
        await manager.revokeUser("ann");
        const answer = await scene.ask(cookie, (session, manager) => {
          act(session, manager);
          session.setUser("ann");
        });
        assertEquals([answer.status, answer.cookie], [500, undefined]);
        assert(scene.server.errors.at(-1) instanceof SessionRevokedError);
        assertEquals(await manager.sessionsOf("ann"), []);
      }
    }
  });

  test("a request that revokes with except: session may sign the user in, before or after", async (scene) => {
    const { manager } = scene.server;
    const revoke: Act = (session) =>
      manager.revokeUser("ann", { except: session });
    const ways: Act[][] = [[revoke, login], [login, revoke], [
      revoke,
      login,
      revoke,
      login,
    ]];
    for (const begin of [nothing, cart, login]) {
      for (const way of ways) {
        const other = await scene.begin(login);
        const mine = (await scene.ask(undefined, begin)).cookie;
        const { cookie } = await scene.ask(mine, async (session, manager) => {
          for (const act of way) await act(session, manager);
        });
        assertEquals((await scene.show(cookie))!.user, "ann");
        assertEquals(await scene.show(other), undefined);
      }
    }
  });

  test("a later revocation by another request refuses that login all the same", async (scene) => {
    const { manager } = scene.server;
    const late = await scene.hold(undefined, async (session) => {
      await manager.revokeUser("ann", { except: session });
      session.setUser("ann");
    });
    await manager.revokeUser("ann");
    await assertRevoked(scene, await late());
  });

  test("a request that revokes without except: session and signs in is told what to do", async (scene) => {
    const answer = await scene.ask(undefined, async (session, manager) => {
      await manager.revokeUser("ann");
      session.setUser("ann");
    });
    await assertRevoked(scene, answer);
    assert(scene.server.errors.at(-1)!.message.includes("except: session"));
  });
}

Deno.test("of many logins around a revocation those with the new password stay, and no others", async () => {
  const store = new MemorySessionStore();
  const manager = new SessionManager({ store });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
  let password = "old";
  let isRevoking = false;
  let isOver = false;
  const made: { given: string; cookie: string }[] = [];
  const attempt = async (given: string) => {
    const isAfter = isRevoking;
    const response = await manager.run(requestWith(null), async (session) => {
      await pause();
      if (given !== password) return new Response(null, { status: 403 });
      await pause();
      session.setUser("ann");
      return new Response();
    }).catch((error) => {
      assert(error instanceof SessionRevokedError);
      return new Response(null, { status: 401 });
    });
    const [cookie] = response.headers.getSetCookie();
    if (cookie) made.push({ given, cookie: cookie.split(";", 1)[0]! });
    // Opened before, the new password is refused, too: it may be the old one.
    else if (isAfter) assertEquals(response.status, 403);
  };
  const flows = Array.from({ length: 20 }, async (_, n) => {
    while (!isOver) await attempt(n % 2 === 0 ? "old" : "new");
  });
  for (let time = 0; time < 30; time++) await pause();
  password = "new";
  const revoking = manager.revokeUser("ann");
  isRevoking = true;
  await revoking;
  for (let time = 0; time < 30; time++) await pause();
  isOver = true;
  await Promise.all(flows);
  const alive = { old: 0, new: 0 };
  for (const { given, cookie } of made) {
    const { user } = await manager.open(requestWith(cookie));
    if (user === "ann") alive[given as "old" | "new"]++;
  }
  assertEquals(alive.old, 0);
  assertEquals(alive.new, made.filter(({ given }) => given === "new").length);
  assert(alive.new > 0);
});

Deno.test("revokeUser() and beginLogin() refuse a session of another manager, before any I/O", async () => {
  const [one, other] = [1, 2].map(() =>
    new SessionManager({ store: new MemorySessionStore() })
  );
  const except = await other!.open(requestWith(null));
  await assertRejects(() => one!.revokeUser("ann", { except }), TypeError);
  await assertRejects(() => one!.beginLogin(except, "ann"), TypeError);
  await assertRejects(() => other!.beginLogin(except, ""), TypeError, "name");
  const readOnly = await one!.open(requestWith(null), {
    isolation: "readOnly",
  });
  await assertRejects(() => one!.beginLogin(readOnly, "ann"), TypeError);
});
