import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import { parseToken } from "../../src/core/token.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { Session } from "../../src/session/session.ts";
import { MINUTE } from "../constants.ts";
import {
  BAD_COOKIES,
  BEGIN,
  cookieIn,
  type Data,
  lastAccessOf,
  requestWith,
  setUp,
  WatchedStore,
} from "./set_up.ts";

Deno.test("open() gives a new session for an invalid cookie, and writes nothing", async () => {
  const { open, commit, store, begin } = setUp();
  const { id, cookie } = await begin();
  const unknown = cookie.replace(id, "0".repeat(32));
  const wrongSecret = `${cookie.slice(0, -22)}${"A".repeat(22)}`;
  const twice = `${unknown}; ${wrongSecret}`;
  for (const bad of [...BAD_COOKIES, unknown, wrongSecret, twice]) {
    const session = await open(bad);
    assert(session.isNew);
    assertFalse(session.hasInfo);
    assertNotEquals(session.id, id);
    assertEquals(await commit(session), "");
    const calls = store.takeCalls().filter((call) => call !== "load");
    assertEquals(calls, [], bad.slice(0, 100));
  }
});

Deno.test("open() asks the store about well-formed tokens only", async () => {
  const { open, store, begin } = setUp();
  const { cookie } = await begin();
  for (const bad of BAD_COOKIES) await open(bad);
  assertEquals(store.takeCalls(), []);
  await open(cookie);
  assertEquals(store.takeCalls(), ["load"]);
});

Deno.test("open() never adopts a token that the client made up", async () => {
  const { open, commit } = setUp();
  const planted = `${"a".repeat(32)}${"A".repeat(22)}`;
  const session = await open(`latchkey=${planted}`);
  session.set("n", 1);
  const cookie = await commit(session);
  assertFalse(cookie.includes("a".repeat(32)));
  assertFalse(cookie.includes("A".repeat(22)));
});

Deno.test("open() does not prolong a session for a wrong secret", async () => {
  const { open, store, clock, begin } = setUp({ idleTimeout: 10 * MINUTE });
  const { id, cookie } = await begin();
  clock.now += 5 * MINUTE;
  await open(`${cookie.slice(0, -22)}${"A".repeat(22)}`);
  assertEquals(await lastAccessOf(store, id), BEGIN);
  await open(cookie);
  assertEquals(await lastAccessOf(store, id), BEGIN + 5 * MINUTE);
});

Deno.test("open() tells the previous access, and touches when that is due", async () => {
  for (
    const [options, due] of [
      [{}, MINUTE],
      [{ idleTimeout: 50 * MINUTE }, 5 * MINUTE],
      [{ idleTimeout: 50 * MINUTE, touchAfter: MINUTE }, MINUTE],
      [{ touchAfter: 0 }, 0],
    ] as const
  ) {
    const { open, store, clock, begin } = setUp(options);
    const { id, cookie } = await begin();
    clock.now = BEGIN + due - 1;
    if (due > 0) await open(cookie);
    assertEquals(await lastAccessOf(store, id), BEGIN);
    clock.now = BEGIN + due;
    const session = await open(cookie);
    assertEquals([session.lastAccess, session.accessAge], [BEGIN, due]);
    assertEquals(await lastAccessOf(store, id), BEGIN + due);
    store.takeCalls();
    await open(cookie);
    assertEquals(store.takeCalls(), ["load"]);
  }
});

Deno.test("open() touches a session whose last access lies in the future", async () => {
  const { open, store, clock, begin } = setUp();
  const { id, cookie } = await begin();
  clock.now = BEGIN - 1;
  await open(cookie);
  assertEquals(await lastAccessOf(store, id), BEGIN - 1);
});

Deno.test("open() touches by the record's own idle timeout when that is shorter", async () => {
  const { open, store, clock, begin, manager } = setUp();
  const { id, cookie } = await begin();
  await store.update(id, (record) => ({ ...record, idleTimeout: 10_000 }));
  clock.now += 1_000;
  await open(cookie);
  assertEquals(await lastAccessOf(store, id), BEGIN + 1_000);
  clock.now += 10_000;
  assert((await open(cookie)).isNew);
  assertFalse(await manager.hasSession(id));
});

Deno.test("commit() stores a new session when there is something to keep", async () => {
  const { open, commit, store } = setUp();
  for (
    const leaveEmpty of [
      () => {},
      (session: Session<Data>) => void session.id,
      (session: Session<Data>) => session.clear(),
      (session: Session<Data>) => session.regenerate(),
      (session: Session<Data>) => session.destroy(),
      (session: Session<Data>) => {
        session.set("n", 1);
        session.delete("n");
      },
      (session: Session<Data>) => {
        session.setUser("ann");
        session.setUser(null);
      },
    ]
  ) {
    const session = await open();
    leaveEmpty(session);
    assertEquals(await commit(session), "");
    assertEquals(store.takeCalls(), []);
  }
  for (
    const fill of [
      (session: Session<Data>) => session.set("n", 1),
      (session: Session<Data>) => session.setUser("ann"),
      (session: Session<Data>) => session.flash("a", null),
      (session: Session<Data>) => void session.createFormToken(),
    ]
  ) {
    const session = await open();
    fill(session);
    const cookie = await commit(session);
    assertMatch(
      cookie,
      /^latchkey=[0-9a-f]{32}[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    assertStringIncludes(cookie, session.id);
    assertFalse(session.isNew);
    // A login asks whether the user's sessions were ever revoked.
    const mark = session.user === null ? [] : ["load"];
    assertEquals(store.takeCalls(), [...mark, "create"]);
    assertFalse((await open(cookie.split(";")[0])).isNew);
    store.takeCalls();
  }
});

Deno.test("commit() keeps the hash of the secret and never the secret", async () => {
  const { store, begin } = setUp();
  const { id, cookie } = await begin();
  const { secret } = parseToken(cookie.slice("latchkey=".length))!;
  const text = JSON.stringify(await store.load(id));
  assertFalse(text.includes(secret));
  assertMatch(text, /"secretHash":"[0-9a-f]{64}"/);
});

Deno.test("commit() gives the record its lifetime and the cookie its age", async () => {
  const { open, commit, store, clock } = setUp({
    idleTimeout: 20 * MINUTE,
    absoluteTimeout: 10 * MINUTE,
  });
  const session = await open();
  clock.now += 500;
  session.setUser("ann");
  assertStringIncludes(await commit(session), "; Max-Age=600");
  const { createdAt, idleTimeout, expiresAt } = (await store.load(session.id))!;
  assertEquals([createdAt, idleTimeout, expiresAt], [
    BEGIN,
    20 * MINUTE,
    BEGIN + 500 + 10 * MINUTE,
  ]);
  clock.now = BEGIN + 500 + 9.5 * MINUTE;
  session.regenerate();
  assertStringIncludes(await commit(session), "; Max-Age=30");
});

Deno.test("commit() writes nothing when nothing changed", async () => {
  const { open, commit, store, begin } = setUp();
  const { cookie } = await begin({ n: 1, cart: ["tea"] });
  const session = await open(cookie);
  session.get("cart");
  assertEquals(await commit(session), "");
  assertEquals(store.takeCalls(), ["load"]);
});

Deno.test("commit() sets Vary: Cookie when the session was accessed", async () => {
  const { open, manager } = setUp();
  const session = await open();
  const headers = new Headers({ vary: "Accept" });
  await manager.commit(session, headers);
  assertEquals(headers.get("vary"), "Accept");
  session.has("n");
  await manager.commit(session, headers);
  assertEquals(headers.get("vary"), "Accept, Cookie");
});

Deno.test("commit() changes a session in one update and sends no cookie", async () => {
  const { open, commit, store, begin } = setUp();
  const { id, cookie } = await begin();
  const session = await open(cookie);
  await store.update(id, (record) => ({
    ...record,
    data: { ...record.data, other: 1 },
  }));
  store.takeCalls();
  session.update("n", (n = 0) => n + 1);
  assertEquals(await commit(session), "");
  assertEquals(store.takeCalls(), ["update"]);
  assertEquals((await store.load(id))!.data, { n: 2, other: 1 });
});

Deno.test("commit() leaves a session that can be changed and committed again", async () => {
  const { open, commit, store } = setUp();
  const session = await open();
  session.set("n", 1);
  session.flash("a", 1);
  const token = session.createFormToken();
  await commit(session);
  assertEquals(session.flash("a"), 1);
  assert(session.hasFormToken(token));
  session.update("n", (n = 0) => n + 1);
  assertEquals(await commit(session), "");
  assertEquals(await commit(session), "");
  assertEquals(store.takeCalls(), ["create", "update"]);
  const { data, flash } = (await store.load(session.id))!;
  assertEquals([data, flash], [{ n: 2 }, undefined]);
});

Deno.test("commit() clears once, and not again", async () => {
  const { open, commit, begin } = setUp();
  const { cookie } = await begin();
  const [session, other] = [await open(cookie), await open(cookie)];
  session.clear();
  session.set("a", 1);
  await commit(session);
  other.set("b", 1);
  await commit(other);
  assertEquals(session.get("a"), 1);
  session.set("c", 1);
  await commit(session);
  assertEquals(Object.fromEntries(session.entries()), { a: 1, b: 1, c: 1 });
});

Deno.test("commit() brings what other requests have done into the session", async () => {
  const { open, commit, begin } = setUp();
  const { cookie } = await begin();
  const [one, other] = [await open(cookie), await open(cookie)];
  one.set("a", 1);
  other.set("b", 2);
  await commit(one);
  await commit(other);
  assertEquals(Object.fromEntries(other.entries()), { n: 1, a: 1, b: 2 });
});

Deno.test("commit() keeps a session that has become empty, and sends no cookie", async () => {
  const { open, commit, store, begin } = setUp();
  const { id, cookie } = await begin();
  const session = await open(cookie);
  session.delete("n");
  assertEquals(await commit(session), "");
  assertEquals((await store.load(id))!.data, {});
  assertFalse(session.isNew);
  const again = await open(cookie);
  assertEquals([again.id, again.isNew, again.hasInfo], [id, false, false]);
});

Deno.test("commit() keeps a session to which other requests have added something", async () => {
  const { open, commit, store, begin } = setUp();
  const { id, cookie } = await begin();
  const session = await open(cookie);
  await store.update(id, (record) => ({ ...record, user: "ann" }));
  session.delete("n");
  assertEquals(await commit(session), "");
  assertEquals((await store.load(id))!.user, "ann");
  assertEquals(session.user, "ann");
});

Deno.test("commit() is refused when the session is gone", async () => {
  const { open, manager, store, begin, clock } = setUp({ idleTimeout: MINUTE });
  for (
    const end of [
      (id: string) => manager.expire(id),
      (id: string) => store.update(id, () => undefined),
      () => Promise.resolve(clock.now += MINUTE),
      (id: string) =>
        store.update(id, (record) => ({ ...record, secretHash: "x" })),
    ]
  ) {
    const { id, cookie } = await begin();
    const session = await open(cookie);
    session.set("late", 1);
    await end(id);
    const before = JSON.stringify(await store.load(id));
    const headers = new Headers();
    for (let i = 0; i < 2; i++) {
      const error = await assertRejects(
        () => manager.commit(session, headers),
        SessionGoneError,
      );
      assertEquals(error.sessionId, id);
    }
    assertEquals(headers.getSetCookie(), []);
    assertEquals(JSON.stringify(await store.load(id)), before);
    assertEquals(session.get("late"), 1);
  }
});

Deno.test("regenerate() makes a new secret in the same record", async () => {
  const { open, commit, store, begin } = setUp();
  const { id, cookie } = await begin();
  const late = await open(cookie);
  const session = await open(cookie);
  session.regenerate();
  const renewed = cookieIn(await commit(session));
  assertEquals(store.takeCalls(), ["load", "load", "update"]);
  assertNotEquals(renewed, cookie);
  assertStringIncludes(renewed, id);
  assertEquals((await open(renewed)).get("n"), 1);
  assert((await open(cookie)).isNew);

  late.set("n", 2);
  await assertRejects(() => commit(late), SessionGoneError);
  session.set("n", 3);
  assertEquals(await commit(session), "");
  assertEquals((await open(renewed)).get("n"), 3);
});

Deno.test("setUser() makes a new secret, also of the same user", async () => {
  const { open, commit, begin } = setUp();
  let { cookie } = await begin();
  const { id } = await open(cookie);
  for (const _time of [1, 2]) {
    const session = await open(cookie);
    session.setUser("ann");
    const renewed = cookieIn(await commit(session));
    assert((await open(cookie)).isNew);
    const again = await open(renewed);
    assertEquals([again.id, again.user], [id, "ann"]);
    cookie = renewed;
  }
});

Deno.test("destroy() ends the session in one update and clears the cookie", async () => {
  const { open, commit, store, begin } = setUp();
  const { id, cookie } = await begin();
  const session = await open(cookie);
  session.destroy();
  assertMatch(await commit(session), /^latchkey=;.*; Max-Age=0;/);
  assertEquals(store.takeCalls(), ["load", "update"]);
  assertFalse(await store.has(id));
  assertEquals(await commit(session), "");
  session.set("n", 1);
  assertStringIncludes(await commit(session), session.id);
  assertNotEquals(session.id, id);
});

Deno.test("destroy() of a session that is gone is fine and clears no cookie", async () => {
  const { open, commit, manager, begin } = setUp();
  const { id, cookie } = await begin();
  const session = await open(cookie);
  await manager.expire(id);
  session.destroy();
  assertEquals(await commit(session), "");
});

Deno.test("destroy() is refused when the secret has changed", async () => {
  const { open, commit, store, begin } = setUp();
  const { id, cookie } = await begin();
  const [session, other] = [await open(cookie), await open(cookie)];
  other.regenerate();
  await commit(other);
  session.destroy();
  await assertRejects(() => commit(session), SessionGoneError);
  assert(await store.has(id));
});

Deno.test("the error of a store reaches the caller, and no cookie is sent", async () => {
  const { open, manager, store, begin, events } = setUp();
  const { cookie } = await begin();
  const failure = new Error("disk full");
  const opened = [await open(), await open(cookie), await open(cookie)];
  const [created, regenerated, destroyed] = opened;
  created!.set("n", 1);
  regenerated!.regenerate();
  destroyed!.destroy();
  for (const session of opened) {
    store.failure = failure;
    const headers = new Headers();
    const error = await assertRejects(() => manager.commit(session, headers));
    assertStrictEquals(error, failure);
    assertEquals(headers.getSetCookie(), []);
    store.failure = undefined;
    await manager.commit(session, headers).catch((error) => {
      assert(error instanceof SessionGoneError);
      assertStrictEquals(session, destroyed);
    });
  }
  store.failure = failure;
  const request = requestWith(cookie);
  const error = await assertRejects(() =>
    manager.run(request, () => new Response())
  );
  assertStrictEquals(error, failure);
  assertEquals(events, []);
});

Deno.test("commit() refuses to overwrite when an ID is taken", async () => {
  const { open, commit, store } = setUp();
  const session = await open();
  await store.save(session.id, { data: { mine: 1 }, createdAt: BEGIN });
  session.set("n", 1);
  await assertRejects(() => commit(session), Error, "its ID is taken");
  assertEquals((await store.load(session.id))!.data, { mine: 1 });
});

Deno.test("commit() refuses a session of another manager", async () => {
  const { manager } = setUp();
  const foreign = [new Session<Data>(), await setUp().open()];
  for (const session of foreign) {
    const problem = "this manager did not open it";
    const commit = () => manager.commit(session, new Headers());
    await assertRejects(commit, TypeError, problem);
    const consume = () => manager.consumeFormToken(session, "t");
    await assertRejects(consume, TypeError, problem);
  }
});

Deno.test("consumeFormToken() answers one of many requests at once with true", async () => {
  const { open, commit, manager, store } = setUp();
  const session = await open();
  const token = session.createFormToken();
  session.set("n", 1);
  const cookie = cookieIn(await commit(session));
  const opened = await Promise.all(
    Array.from({ length: 8 }, () => open(cookie)),
  );
  store.takeCalls();
  const answers = await Promise.all(
    opened.map((session) => manager.consumeFormToken(session, token)),
  );
  assertEquals(answers.filter((isTrue) => isTrue).length, 1);
  assertEquals(store.takeCalls(), Array(8).fill("update"));
  for (const session of opened) {
    assertFalse(session.hasFormToken(token));
    assertFalse(await manager.consumeFormToken(session, token));
    assertEquals(await commit(session), "");
  }
  assertEquals(store.takeCalls(), []);
});

Deno.test("consumeFormToken() writes nothing for an unknown token", async () => {
  const { open, manager, store, begin } = setUp();
  const { cookie } = await begin();
  const session = await open(cookie);
  for (const token of ["", "x", "A".repeat(22), "x".repeat(65_536)]) {
    assertFalse(await manager.consumeFormToken(session, token));
  }
  assertFalse(await manager.consumeFormToken(await open(), "x"));
  assertEquals(store.takeCalls(), ["load"]);
});

Deno.test("consumeFormToken() is false, and writes nothing, when the secret has changed", async () => {
  const { open, commit, manager, store } = setUp();
  const session = await open();
  const token = session.createFormToken();
  const cookie = cookieIn(await commit(session));
  const late = await open(cookie);
  session.regenerate();
  await commit(session);
  const next = session.createFormToken();
  await commit(session);
  store.takeCalls();
  assertFalse(await manager.consumeFormToken(late, token));
  assertEquals((await store.load(session.id))!.formTokens, [next]);
  assert(await manager.consumeFormToken(session, next));
});

Deno.test("consumeFormToken() accepts a token that is not yet stored", async () => {
  const { open, manager, store, begin } = setUp();
  const { cookie } = await begin();
  for (const session of [await open(), await open(cookie)]) {
    store.takeCalls();
    const token = session.createFormToken();
    assert(await manager.consumeFormToken(session, token));
    assertFalse(await manager.consumeFormToken(session, token));
    assertEquals(store.takeCalls(), []);
  }
});

Deno.test("consumeFormToken() passes on what the store throws", async () => {
  const { open, commit, manager, store } = setUp();
  const session = await open();
  const token = session.createFormToken();
  await commit(session);
  store.failure = new Error("disk full");
  const consume = () => manager.consumeFormToken(session, token);
  assertStrictEquals(await assertRejects(consume), store.failure);
  store.failure = undefined;
  assert(await consume());
});

Deno.test("consumeFormToken() of all that a session held leaves it, empty", async () => {
  const { open, commit, manager, store } = setUp();
  for (const isFilled of [true, false]) {
    const session = await open();
    const token = session.createFormToken();
    const cookie = cookieIn(await commit(session));
    const post = await open(cookie);
    assert(await manager.consumeFormToken(post, token));
    if (isFilled) post.set("n", 1);
    assertEquals(await commit(post), "");
    assert(await store.has(session.id));
  }
});

Deno.test("expire() and hasSession() accept any text as an ID", async () => {
  const { manager, open, begin } = setUp();
  const { id, cookie } = await begin();
  assert(await manager.hasSession(id));
  assert(await manager.expire(id));
  assertFalse(await manager.hasSession(id));
  assertFalse(await manager.expire(id));
  assert((await open(cookie)).isNew);
  for (const text of ["", "../x", "\0", "x".repeat(65_536), cookie]) {
    assertFalse(await manager.hasSession(text));
    assertFalse(await manager.expire(text));
  }
});

Deno.test("the cookie is Secure when the browser used https", async () => {
  for (
    const [url, forwarded, trustProxy, expected] of [
      ["http://a/", null, false, false],
      ["https://a/", null, false, true],
      ["http://a/", "https", false, false],
      ["http://a/", "https", true, true],
      ["http://a/", " HTTPS , http", true, true],
      ["http://a/", "http, https", true, false],
      ["https://a/", "http", false, true],
    ] as const
  ) {
    const { manager } = setUp({ trustProxy });
    const headers = forwarded ? { "x-forwarded-proto": forwarded } : {};
    const session = await manager.open(new Request(url, { headers }));
    session.set("n", 1);
    const out = new Headers();
    await manager.commit(session, out);
    const isSecure = out.get("set-cookie")!.includes("; Secure");
    assertEquals(isSecure, expected, `${url} ${forwarded} ${trustProxy}`);
  }
});

Deno.test("run() saves nothing when the handler throws", async () => {
  const { manager, store, begin } = setUp();
  const { id, cookie } = await begin();
  const failure = new Error("no");
  for (const header of [null, cookie]) {
    store.takeCalls();
    const error = await assertRejects(() =>
      manager.run(requestWith(header), (session) => {
        session.set("n", 2);
        session.destroy();
        throw failure;
      })
    );
    assertStrictEquals(error, failure);
    assertEquals(store.takeCalls(), header === null ? [] : ["load"]);
  }
  assertEquals((await store.load(id))!.data, { n: 1 });
});

Deno.test("run() sends the response of a refused request, and reports it", async () => {
  const { manager, store, events, begin } = setUp();
  const { id, cookie } = await begin();
  const response = await manager.run(requestWith(cookie), async (session) => {
    await store.delete(id);
    session.regenerate();
    session.set("n", 2);
    return new Response("done");
  });
  assertEquals(await response.text(), "done");
  assertEquals(response.headers.getSetCookie(), []);
  assertEquals(response.headers.get("vary"), "Cookie");
  assertFalse(await store.has(id));
  const [event] = events;
  assertEquals(events.length, 1);
  assert(event?.type === "refused");
  assertEquals(event.sessionId, id);
  assert(event.error instanceof SessionGoneError);
});

Deno.test("run() closes the session: a later write would be lost, and throws", async () => {
  const { manager } = setUp();
  let kept: Session<Data> | undefined;
  await manager.run(requestWith(null), (session) => {
    session.set("n", 1);
    kept = session;
    return new Response();
  });
  assertEquals(kept!.get("n"), 1);
  assertThrows(() => kept!.set("n", 2), TypeError, "its request is over");
});

Deno.test("run() lets the handler commit on its own", async () => {
  const { manager, store } = setUp();
  const response = await manager.run(requestWith(null), async (session) => {
    session.set("n", 1);
    const response = new Response();
    await manager.commit(session, response.headers);
    return response;
  });
  assertEquals(store.takeCalls(), ["create"]);
  assertEquals(response.headers.getSetCookie().length, 1);
});

Deno.test("SessionManager() refuses invalid options", () => {
  const store = new WatchedStore();
  const refused: [options: unknown, error: typeof TypeError][] = [
    [{}, TypeError],
    [{ store: {} }, TypeError],
    [{ store, idleTimeout: "1" }, TypeError],
    [{ store, idleTimeout: 0 }, RangeError],
    [{ store, idleTimeout: -1 }, RangeError],
    [{ store, idleTimeout: 1.5 }, RangeError],
    [{ store, idleTimeout: NaN }, RangeError],
    [{ store, idleTimeout: Infinity }, RangeError],
    [{ store, absoluteTimeout: 0 }, RangeError],
    [{ store, absoluteTimeout: null }, TypeError],
    [{ store, touchAfter: -1 }, RangeError],
    [{ store, touchAfter: NaN }, RangeError],
    [{ store, idleTimeout: MINUTE, touchAfter: 6_001 }, RangeError],
    [{ store, cookie: { name: "__Host-s", path: "/a" } }, TypeError],
  ];
  for (const [options, error] of refused) {
    assertThrows(
      () => new SessionManager(options as SessionManagerOptions),
      error,
    );
  }
  new SessionManager({ store, idleTimeout: MINUTE, touchAfter: 6_000 });
  assertEquals(store.takeCalls(), []);
});

Deno.test("Deno.inspect() shows no secret of a manager or its sessions", async () => {
  const { manager, open, begin } = setUp();
  const { cookie } = await begin();
  const session = await open(cookie);
  const text = Deno.inspect({ manager, session }, {
    depth: 9,
    showHidden: true,
  });
  assertFalse(text.includes(cookie.slice(-22)));
});
