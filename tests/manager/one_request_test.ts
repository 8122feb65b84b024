/** One request has one session for a manager, however often it is asked for. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { Session } from "../../src/session/session.ts";
import { serve, STORES } from "./session_server.ts";
import { cookieOf, type Data, requestWith, setUp } from "./set_up.ts";

for (const medium of STORES) {
  Deno.test(`a run() inside another of the same request leaves one session and one cookie (${medium})`, async () => {
    await using server = await serve(medium, {
      "/": async (session, request) => {
        session.set("n", 1);
        const { manager } = server;
        assertStrictEquals(manager.of(request), session);
        assertStrictEquals(await manager.open(request), session);
        const inner = await manager.run(request, (same) => {
          assertStrictEquals(same, session);
          same.set("inner", 1);
          return new Response("inner");
        });
        assertEquals(inner.headers.getSetCookie(), []);
        assertEquals((await server.records()).size, 0);
        await assertRejects(() =>
          manager.run(request, (same) => {
            same.set("failed", 1);
            throw new Error("inner");
          })
        );
        const redirect = await manager.run(request, () => {
          throw new Response(null, { status: 303 });
        });
        assertEquals(redirect.status, 303);
        session.set("outer", 1);
        return inner;
      },
    });
    const response = await server.get("/");
    assertEquals(await response.text(), "inner");
    assert(cookieOf(response.headers) !== "");
    const [record] = (await server.records()).values();
    assertEquals((await server.records()).size, 1);
    assertEquals(record!.data, { n: 1, inner: 1, failed: 1, outer: 1 });
  });

  Deno.test(`a clone of a request is another request, with a session of its own (${medium})`, async () => {
    await using server = await serve(medium, {
      "/": async (session, request) => {
        const { manager } = server;
        const clone = request.clone();
        assertEquals(manager.of(clone), undefined);
        const other = await manager.open(clone);
        assert(other !== session);
        session.set("n", 1);
        assertEquals(other.get("n"), undefined);
        await manager.close(other);
        return new Response();
      },
    });
    const response = await server.get("/");
    await response.body?.cancel();
    assertEquals(response.status, 200);
    const [record] = (await server.records()).values();
    assertEquals(record!.data, { n: 1 });
  });

  Deno.test(`an inner handler that outlives its request cannot write (${medium})`, async () => {
    const released = Promise.withResolvers<void>();
    let inner: Promise<unknown> | undefined;
    await using server = await serve(medium, {
      "/": (session, request) => {
        session.set("n", 1);
        inner = server.manager.run(request, async (session) => {
          await released.promise;
          session.set("n", 2);
          return new Response();
        });
        return new Response();
      },
    });
    await (await server.get("/")).body?.cancel();
    released.resolve();
    await assertRejects(() => inner!, TypeError, "its request is over");
    const [record] = (await server.records()).values();
    assertEquals(record!.data, { n: 1 });
  });
}

Deno.test("open() twice at once asks the store once, and gives one session", async () => {
  const { manager, begin, store } = setUp();
  const { cookie } = await begin();
  const request = requestWith(cookie);
  const sessions = await Promise.all([
    manager.open(request),
    manager.open(request),
  ]);
  assertStrictEquals(sessions[0], sessions[1]);
  assertEquals(store.takeCalls(), ["load"]);
  assert(await manager.open(requestWith(cookie)) !== sessions[0]);
});

Deno.test("a session that was only opened is committed by the run() that finds it", async () => {
  const { manager, store } = setUp();
  const request = requestWith(null);
  (await manager.open(request)).set("n", 1);
  const response = await manager.run(request, (session) => {
    session.set("n", session.get("n")! + 1);
    return new Response();
  });
  assertEquals(response.headers.getSetCookie().length, 1);
  assertEquals(store.takeCalls(), ["create"]);
});

Deno.test("of() gives the session while its request is open, and nothing before or after", async () => {
  const { manager, restart } = setUp();
  const request = requestWith(null);
  assertEquals(manager.of(request), undefined);
  const opening = manager.open(request);
  assertEquals(manager.of(request), undefined);
  const session = await opening;
  assertStrictEquals(manager.of(request), session);
  assertEquals(restart().of(request), undefined);
  assertEquals(manager.of(requestWith(null)), undefined);
  await manager.commit(session, new Headers());
  assertStrictEquals(manager.of(request), session);

  await manager.close(session);
  assertEquals(manager.of(request), undefined);
  const next = await manager.open(request);
  assert(next !== session);
  // To close the first again does not close the second.
  await manager.close(session);
  assertStrictEquals(manager.of(request), next);
});

Deno.test("after run() the request is forgotten, also when it fails", async () => {
  const { manager } = setUp();
  const request = requestWith(null);
  let seen: Session<Data> | undefined;
  for (const isFailing of [false, true]) {
    const running = manager.run(request, (session) => {
      seen = session;
      if (isFailing) throw new Error("no");
      return new Response();
    });
    if (isFailing) await assertRejects(() => running, Error, "no");
    else await running;
    assertEquals(manager.of(request), undefined);
    assertThrows(() => seen!.set("n", 1), TypeError, "its request is over");
    assert(await manager.open(request) !== seen);
    await manager.close(manager.of(request)!);
  }
});

Deno.test("an open() that fails can be tried again", async () => {
  const { manager, begin, store } = setUp();
  const { cookie } = await begin();
  const request = requestWith(cookie);
  const failure = store.failure = new Error("disk full");
  for (const _time of [1, 2]) {
    const error = await assertRejects(() => manager.open(request));
    assertStrictEquals(error, failure);
    assertEquals(manager.of(request), undefined);
  }
  store.failure = undefined;
  assertEquals((await manager.open(request)).get("n"), 1);
});

Deno.test("an inner call repeats the isolation or asks for merge, and anything else is refused", async () => {
  const { manager, begin } = setUp();
  const levels = ["merge", "readOnly", "strict", "exclusive"] as const;
  for (const outer of levels) {
    const { cookie } = await begin();
    const request = requestWith(cookie);
    await manager.run(request, async (session) => {
      assertStrictEquals(await manager.open(request), session);
      for (const isolation of levels) {
        const open = () => manager.open(request, { isolation });
        if (isolation === "merge" || isolation === outer) {
          assertStrictEquals(await open(), session);
        } else {
          await assertRejects(open, TypeError, `is open with ${outer}`);
        }
      }
      return new Response();
    }, { isolation: outer });
  }
});
