/** How large a session may be. */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { SessionTooLargeError } from "../../src/core/errors.ts";
import { MINUTE } from "../constants.ts";
import { Browser, serve, STORES } from "./session_server.ts";
import { setUp } from "./set_up.ts";

const KIB = 1024;

Deno.test("a commit of more than 64 KiB is refused, and the record is as it was", async () => {
  const { open, commit, begin, store } = setUp();
  const { id, cookie } = await begin();
  const before = await store.load(id);
  const session = await open(cookie);
  session.set("text", "x".repeat(64 * KIB));
  const error = await assertRejects(
    () => commit(session),
    SessionTooLargeError,
  );
  const bytes = 64 * KIB + `{"data":{"n":1,"text":""}}`.length;
  assertEquals([error.sessionId, error.bytes, error.maxBytes], [
    id,
    bytes,
    64 * KIB,
  ]);
  assertEquals(
    error.message,
    `Cannot commit session ${id}: it would hold ${bytes} bytes, more than 65536`,
  );
  assertEquals(await store.load(id), before);
  session.set("text", "less");
  await commit(session);
  assertEquals((await open(cookie)).get("text"), "less");
});

Deno.test("maxBytes is exact, in bytes and not in characters", async () => {
  for (
    const [text, bytes] of [["a", 1], ["ä", 2], ["€", 3], ["🍪", 4]] as const
  ) {
    const size = `{"data":{"s":""}}`.length + 10 * bytes;
    for (const [maxBytes, fits] of [[size, true], [size - 1, false]] as const) {
      const { open, commit, store } = setUp({ maxBytes });
      const session = await open();
      session.set("s", text.repeat(10));
      if (fits) assert(await commit(session) !== "");
      else await assertRejects(() => commit(session), SessionTooLargeError);
      // A new session that is too large never reaches the store.
      assertEquals(store.takeCalls(), fits ? ["create"] : []);
    }
  }
});

Deno.test("flash and form tokens count, the user does not", async () => {
  const { open, commit } = setUp({ maxBytes: 200 });
  for (
    const act of [
      (s: Awaited<ReturnType<typeof open>>) => s.flash("f", "x".repeat(200)),
      (s: Awaited<ReturnType<typeof open>>) => {
        for (let i = 0; i < 8; i++) s.createFormToken();
      },
    ]
  ) {
    const session = await open();
    act(session);
    await assertRejects(() => commit(session), SessionTooLargeError);
  }
  const session = await open();
  session.setUser("u".repeat(300));
  assert(await commit(session) !== "");
});

Deno.test("maxBytes limits the merged record, whichever requests filled it", async () => {
  const { open, commit, begin, store } = setUp({ maxBytes: 500 });
  const { id, cookie } = await begin();
  const sessions = await Promise.all(
    Array.from({ length: 10 }, () => open(cookie)),
  );
  for (const [at, session] of sessions.entries()) {
    session.set(`key-${at}`, "x".repeat(100));
  }
  const results = await Promise.allSettled(sessions.map(commit));
  const kept = results.filter(({ status }) => status === "fulfilled").length;
  assertEquals(kept, 4);
  for (const result of results) {
    if (result.status === "rejected") {
      assert(result.reason instanceof SessionTooLargeError);
    }
  }
  assertEquals(Object.keys((await store.load(id))!.data).length, 5);
});

Deno.test("a session above a lower limit can be read, kept and made smaller, not larger", async () => {
  const { begin, restart, store, clock } = setUp();
  const { id, cookie } = await begin({ a: "x".repeat(500), n: 1 });
  const manager = restart({ maxBytes: 100, rotateEvery: MINUTE });
  const request = () =>
    new Request("http://localhost/", { headers: { cookie } });
  const session = await manager.open(request());
  session.set("n", 2);
  await manager.commit(session, new Headers());
  session.set("n", 22);
  await assertRejects(
    () => manager.commit(session, new Headers()),
    SessionTooLargeError,
  );
  clock.now += MINUTE;
  const headers = new Headers();
  const reader = await manager.open(request());
  assert(reader.has("n"));
  await manager.commit(reader, headers);
  assert(headers.has("set-cookie"));
  assertEquals((await store.load(id))?.data.n, 2);
  const last = await manager.open(
    new Request("http://localhost/", {
      headers: { cookie: headers.get("set-cookie")!.split(";")[0]! },
    }),
  );
  last.set("a", "small");
  await manager.commit(last, new Headers());
  assertEquals((await store.load(id))?.data.a, "small");
});

Deno.test("sealed, maxBytes limits the size before sealing", async () => {
  const size = `{"data":{"s":""}}`.length + 100;
  for (const [maxBytes, fits] of [[size, true], [size - 1, false]] as const) {
    const { open, commit } = setUp({ seal: true, maxBytes });
    const session = await open();
    session.set("s", "x".repeat(100));
    if (fits) assert(await commit(session) !== "");
    else await assertRejects(() => commit(session), SessionTooLargeError);
  }
});

Deno.test("maxBytes: Infinity leaves it to the store", async () => {
  const { open, commit, store } = setUp({ maxBytes: Infinity });
  const session = await open();
  session.set("s", "x".repeat(1024 * KIB));
  await commit(session);
  assert(await store.has(session.id));
});

for (const medium of STORES) {
  Deno.test(`over sockets, of requests at once as many succeed as have room, and the rest are errors: ${medium}`, async () => {
    await using server = await serve(medium, {
      "/": (session, { url }) => {
        session.set(new URL(url).search, "x".repeat(100));
        return new Response("kept");
      },
    }, { maxBytes: 500 });
    const browser = new Browser(server);
    await browser.get("/?first");
    const texts = await Promise.all(
      Array.from(
        { length: 10 },
        (_, at) => new Browser(server, browser.cookie).get(`/?${at}`),
      ),
    );
    assertEquals(texts.filter((text) => text === "kept").length, 3);
    const [record] = (await server.records()).values();
    assertEquals(Object.keys(record!.data).length, 4);
    assertFalse(JSON.stringify(record!.data).length > 500);
  });
}
