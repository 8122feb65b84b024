/** What lasts longer than the idle timeout keeps its session, if it may. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { HOUR, MINUTE } from "../constants.ts";
import { replaceSystem } from "../replaced_system.ts";
import { type Act, type ActingServer, serveActs } from "./acting_server.ts";
import { serve, STORES } from "./session_server.ts";
import { cookieIn, type Data, lastAccessOf } from "./set_up.ts";

const IDLE = 10 * MINUTE;
const begins: Act = (session) => session.set("n", 1);
const looks: Act = (session) => session.get("n");
const keeps: Act = (session, manager) => manager.keepAlive(session);

/** Lets the last access of the only session be 5 minutes ago. */
async function age(scene: ActingServer): Promise<number> {
  const { store } = scene.server;
  const [id] = (await scene.records()).keys();
  const lastAccess = Date.now() - 5 * MINUTE;
  await store.update(id!, (record) => record, { lastAccess });
  return lastAccess;
}

/** Tells whether the only session was marked accessed just now. */
async function wasTouched(scene: ActingServer): Promise<boolean> {
  const [id] = (await scene.records()).keys();
  const lastAccess = await lastAccessOf(scene.server.store, id!);
  return lastAccess > Date.now() - MINUTE;
}

/** Opens the session of a cookie, and keeps it after the request is over. */
async function openLong(
  scene: ActingServer,
  cookie: string,
): Promise<() => Promise<boolean>> {
  let kept: Session<Data> | undefined;
  await scene.ask(cookie, (session) => {
    kept = session;
  });
  return () => scene.server.manager.keepAlive(kept!);
}

for (const medium of STORES) {
  const test = (
    title: string,
    run: (scene: ActingServer) => Promise<void>,
  ) =>
    Deno.test(`keepAlive() ${title} (${medium})`, async () => {
      await using scene = await serveActs(medium, { idleTimeout: IDLE });
      await run(scene);
      assertEquals(scene.server.events, []);
      assertEquals(scene.server.errors, []);
    });

  Deno.test(`keepAlive() lets an upload last longer than the idle timeout, and be saved (${medium})`, async () => {
    let time = Date.now();
    const now = () => time;
    using _clock = replaceSystem({ now });
    const kept: boolean[] = [];
    let isKept = Promise.withResolvers<void>();
    await using server = await serve(medium, {
      "/begin": (session) => {
        session.set("n", 1);
        return new Response();
      },
      "/upload": async (session, request) => {
        for await (const _piece of request.body!) {
          kept.push(await server.manager.keepAlive(session));
          isKept.resolve();
        }
        session.set("n", 2);
        return new Response();
      },
      "/": (session) => new Response(`${session.get("n")}`),
    }, {
      idleTimeout: IDLE,
      now,
      ...medium === "memory" && { store: new MemorySessionStore({ now }) },
    });
    const begun = await server.get("/begin");
    await begun.body?.cancel();
    const cookie = cookieIn(begun.headers.get("set-cookie")!);
    async function* sendPieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      for (let n = 0; n < 5; n++) {
        isKept = Promise.withResolvers();
        yield new Uint8Array(1);
        await isKept.promise;
        time += IDLE - MINUTE;
      }
    }
    const response = await fetch(`http://127.0.0.1:${server.port}/upload`, {
      method: "POST",
      headers: { cookie },
      body: ReadableStream.from(sendPieces()),
    });
    await response.body?.cancel();
    assertEquals([response.status, kept], [200, Array(5).fill(true)]);
    const after = await server.get("/", cookie);
    assertEquals(await after.text(), "2");
    assertEquals(server.events, []);
  });

  Deno.test(`keepAlive() works under a WebSocket, until a logout (${medium})`, async () => {
    await using server = await serve(medium, {
      "/begin": (session) => {
        session.set("n", 1);
        return new Response();
      },
      "/logout": (session) => {
        session.destroy();
        return new Response();
      },
      "/socket": (session, request) => {
        const { response, socket } = Deno.upgradeWebSocket(request);
        socket.onmessage = async () =>
          socket.send(`${await server.manager.keepAlive(session)}`);
        return response;
      },
    }, { idleTimeout: IDLE });
    const begun = await server.get("/begin");
    await begun.body?.cancel();
    const cookie = cookieIn(begun.headers.get("set-cookie")!);
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket`, {
      headers: { cookie },
    });
    await new Promise((resolve) => socket.onopen = resolve);
    const ask = () =>
      new Promise<string>((resolve) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.send("?");
      });
    assertEquals(await ask(), "true");
    const [id] = (await server.records()).keys();
    await server.store.update(id!, (record) => record, {
      lastAccess: Date.now() - 5 * MINUTE,
    });
    assertEquals(await ask(), "true");
    assert(await lastAccessOf(server.store, id!) > Date.now() - MINUTE);
    await (await server.get("/logout", cookie)).body?.cancel();
    assertEquals(await ask(), "false");
    assertEquals((await server.records()).size, 0);
    assertEquals(server.events, []);
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
  });

  test("renews no cookie, and marks no access that is not due", async (scene) => {
    const cookie = await scene.begin(begins);
    const [id] = (await scene.records()).keys();
    const access = await lastAccessOf(scene.server.store, id!);
    const { result, cookie: sent } = await scene.ask(cookie, keeps);
    assertEquals([result, sent], [true, undefined]);
    assertEquals(await lastAccessOf(scene.server.store, id!), access);
  });

  test("goes on after what is no login: a commit, a logout elsewhere", async (scene) => {
    const cookie = await scene.begin((session) => session.setUser("ann"));
    const keepAlive = await openLong(scene, cookie);
    await scene.ask(cookie, (session) => session.set("n", 2));
    await scene.begin((session) => session.setUser("bob"));
    await scene.server.manager.revokeUser("bob");
    await age(scene);
    assertEquals(await keepAlive(), true);
    assert(await wasTouched(scene));
  });

  for (
    const [how, change] of Object.entries<Act>({
      "a login": (session) => session.setUser("ann"),
      regenerate: (session) => session.regenerate(),
    })
  ) {
    test(`resolves to false after ${how} in another request`, async (scene) => {
      const cookie = await scene.begin(begins);
      const keepAlive = await openLong(scene, cookie);
      const later = await scene.ask(cookie, change);
      const before = await age(scene);
      assertEquals(await keepAlive(), false);
      const [id] = (await scene.records()).keys();
      assertEquals(await lastAccessOf(scene.server.store, id!), before);
      // It has ended nothing, and the new secret keeps the session.
      const again = await openLong(scene, later.cookie!);
      await age(scene);
      assertEquals(await again(), true);
      assert(await wasTouched(scene));
    });
  }

  for (
    const [how, end] of Object.entries<
      (scene: ActingServer, id: string) => Promise<unknown>
    >({
      "the session was expired": ({ server }, id) => server.manager.expire(id),
      "its user was revoked": ({ server }) => server.manager.revokeUser("ann"),
    })
  ) {
    test(`resolves to false when ${how}`, async (scene) => {
      const cookie = await scene.begin((session) => session.setUser("ann"));
      const keepAlive = await openLong(scene, cookie);
      const [id] = (await scene.records()).keys();
      const record = await scene.server.store.load(id!);
      await end(scene, id!);
      assertEquals(await keepAlive(), false);
      if (how.includes("revoked")) {
        // A listing can miss a session: the revocation counts all the same.
        const lastAccess = Date.now() - 5 * MINUTE;
        await scene.server.store.create(id!, record!, { lastAccess });
        assertEquals(await keepAlive(), false);
        assert(!await wasTouched(scene));
      }
    });
  }

  test("resolves to false for a session that is not stored", async (scene) => {
    assertEquals((await scene.ask(undefined, keeps)).result, false);
    const cookie = await scene.begin(begins);
    const { result } = await scene.ask(cookie, async (session, manager) => {
      session.destroy();
      const ended = await manager.keepAlive(session);
      session.discard();
      return [ended, await manager.keepAlive(session)];
    });
    assertEquals(result, [false, true]);
  });

  test("goes on after this request's own login", async (scene) => {
    const cookie = await scene.begin(begins);
    const { result } = await scene.ask(cookie, async (session, manager) => {
      session.setUser("ann");
      await manager.commit(session, new Headers());
      return await manager.keepAlive(session);
    });
    assertEquals(result, true);
  });

  Deno.test(`keepAlive() goes on after a rotation, also when its grace is over (${medium})`, async () => {
    const clock = { now: Date.now() };
    await using scene = await serveActs(medium, {
      idleTimeout: 10 * HOUR,
      rotateEvery: MINUTE,
      now: () => clock.now,
      seal: true,
    });
    const old = await scene.begin(begins);
    const keepAlive = await openLong(scene, old);
    clock.now += MINUTE;
    const rotated = (await scene.ask(old, looks)).cookie!;
    assert(rotated !== old);
    assertEquals(await keepAlive(), true);
    await scene.ask(rotated, looks);
    clock.now += MINUTE;
    await scene.ask(rotated, looks);
    assertEquals(await keepAlive(), true);
    assertEquals(scene.server.events, []);
  });
}

Deno.test("keepAlive() refuses the session of another manager", async () => {
  await using scene = await serveActs("memory");
  const { store } = scene.server;
  const other = new SessionManager<Data>({ store });
  const session = await other.open(new Request("http://localhost/"));
  await assertRejects(
    () => scene.server.manager.keepAlive(session),
    TypeError,
    "this manager did not open it",
  );
});
