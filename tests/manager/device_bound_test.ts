/** Sessions that are bound to a device, as a browser lives with them. */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { revocationId } from "../../src/core/revocation.ts";
import {
  SessionGoneError,
  SessionUnreadableError,
} from "../../src/core/errors.ts";
import type { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { isCrossOrigin } from "../../src/http/cross_origin.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { MINUTE } from "../constants.ts";
import { challengeOf, DeviceBrowser, offerOf } from "./device_browser.ts";
import {
  ageOf,
  deviceScene,
  EVERY,
  GRACE,
  MEDIA,
  userOf,
} from "./device_scene.ts";
import { cookieIn, cookieOf, idOf, lastAccessOf } from "./set_up.ts";

const HTTPS = "https://app.example/";

for (const medium of MEDIA) {
  for (const alg of ["ES256", "RS256"] as const) {
    Deno.test(`a login binds the session, and a proof renews its cookie (${medium}, ${alg})`, async () => {
      await using scene = deviceScene(medium);
      const browser = scene.browser(alg);
      await browser.visit("/write");
      const login = await browser.visit("/login");
      assertEquals(ageOf(login), 24 * 60 * 60);
      const { session, pair } = browser;
      assert(session !== undefined && pair !== undefined);
      assertNotEquals(pair, cookieOf(login.headers));
      assertEquals(session.identifier, "latchkey@app.example");
      assertEquals(session.refreshUrl, `/device-session/${idOf(pair)}`);
      const record = await scene.record(browser);
      assertEquals(record.device?.key, { alg, ...session.key.jwk });
      assertEquals(record.deviceOffer, undefined);
      assertEquals(browser.cookie!.until, scene.clock.now + EVERY);

      for (let hour = 0; hour < 3; hour++) {
        scene.clock.now += EVERY;
        assertEquals(browser.pair, undefined);
        assertEquals(await userOf(browser.visit("/write")), "ann");
        assertNotEquals(browser.pair, pair);
        assertEquals(idOf(browser.pair!), idOf(pair));
      }
      // The challenge that came with the cookie before is good: a request each.
      assertEquals(
        browser.trace.slice(3),
        Array(3).fill([
          `POST /device-session/${idOf(pair)} 200`,
          "GET /write 200",
        ]).flat(),
      );
      assertEquals(browser.signatures, 4);
      const { bound, proven } = scene.manager.counters;
      assertEquals([bound, proven], [1, 3]);
      assertEquals(scene.events, []);
    });
  }

  Deno.test(`parallel requests wait for one refresh (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    scene.clock.now += EVERY;
    browser.trace.length = 0;
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => browser.visit("/write")),
    );
    for (const answer of answers) assertEquals(await userOf(answer), "ann");
    assertEquals(
      browser.trace.filter((line) => line.startsWith("POST")).length,
      1,
    );
    assertEquals((await scene.record(browser)).data, { n: 12 });
  });

  Deno.test(`after hours without a request a refresh takes a second leg (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const { refreshUrl } = browser.session!;
    browser.trace.length = 0;
    scene.clock.now += 5 * 60 * MINUTE;
    const answer = await browser.visit("/");
    assertEquals([await userOf(answer), ageOf(answer)], ["ann", undefined]);
    assertEquals(browser.trace, [
      `POST ${refreshUrl} 403`,
      `POST ${refreshUrl} 200`,
      "GET / 200",
    ]);
  });

  Deno.test(`logout, destroy and revocation end a bound session for its browser (${medium})`, async () => {
    await using scene = deviceScene(medium);
    for (const end of ["/logout", "/destroy"]) {
      const browser = await scene.bound();
      await browser.visit(end);
      assertEquals(browser.pair, undefined);
      assertEquals(await userOf(browser.visit("/")), null);
      assertEquals(browser.session, undefined);
      assert(browser.trace.at(-2)!.endsWith(" 404"));
    }
    const [one, other] = [await scene.bound(), await scene.bound()];
    await one.visit("/revoke");
    for (const browser of [one, other]) {
      assertEquals(await userOf(browser.visit("/")), null);
      scene.clock.now += EVERY;
      assertEquals(await userOf(browser.visit("/")), null);
      assertEquals(browser.session, undefined);
    }
    const expired = await scene.bound();
    await scene.manager.expire(idOf(expired.pair!));
    scene.clock.now += EVERY;
    assertEquals(await userOf(expired.visit("/")), null);
    assertEquals(expired.session, undefined);
  });

  Deno.test(`a login drops the key, and binds the session to the next one (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const { key } = browser.session!;
    const id = idOf(browser.pair!);
    const login = await browser.send("/login");
    const offer = offerOf(login)!;
    const record = await scene.record(browser);
    assertEquals(record.device, undefined);
    assert(record.deviceOffer !== undefined);
    // While the offer is open the browser is to keep what it has.
    const early = await browser.prove(browser.session!);
    assertEquals([early.status, ageOf(early)], [204, undefined]);
    await browser.answer(offer);
    assertEquals(idOf(browser.pair!), id);
    assert(browser.session!.key !== key);
    scene.clock.now += EVERY;
    assertEquals(await userOf(browser.visit("/")), "ann");
  });

  Deno.test(`a login as another user ends the session, and replaces the one of the browser (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound("ann");
    const id = idOf(browser.pair!);
    await browser.visit("/login?user=ben");
    assertNotEquals(idOf(browser.pair!), id);
    assertEquals([...(await scene.records()).keys()], [idOf(browser.pair!)]);
    scene.clock.now += EVERY;
    assertEquals(await userOf(browser.visit("/")), "ben");
  });

  Deno.test(`ann's cookie runs out, ben logs in without a logout: ben, never ann (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound("ann");
    const anns = browser.session!;
    scene.clock.now += EVERY;
    // A login that comes from another site waits for no refresh.
    const login = await browser.send("/login?user=ben");
    await browser.answer(offerOf(login));
    assertEquals(await userOf(browser.visit("/")), "ben");
    assertNotEquals(browser.session!.refreshUrl, anns.refreshUrl);
    // What is left of ann's session does not get into the way of ben's.
    const late = await browser.prove(anns);
    assertEquals([late.status, ageOf(late)], [204, undefined]);
    for (let times = 0; times < 3; times++) {
      scene.clock.now += EVERY;
      assertEquals(await userOf(browser.visit("/")), "ben");
    }
  });

  Deno.test(`two logins at once in two tabs leave one of them, whatever arrives when (${medium})`, async () => {
    await using scene = deviceScene(medium);
    for (const isAnnLast of [false, true]) {
      for (const order of [["ann", "ben"], ["ben", "ann"]] as const) {
        const browser = scene.browser();
        const logins = {
          ann: await browser.ask("/login?user=ann"),
          ben: await browser.ask("/login?user=ben"),
        };
        browser.take(isAnnLast ? logins.ben : logins.ann);
        browser.take(isAnnLast ? logins.ann : logins.ben);
        for (const user of order) await browser.answer(offerOf(logins[user]));
        const expected = isAnnLast ? "ann" : "ben";
        assertEquals(await userOf(browser.visit("/")), expected);
        for (let times = 0; times < 2; times++) {
          scene.clock.now += EVERY;
          assertEquals(await userOf(browser.visit("/")), expected);
        }
      }
    }
  });

  Deno.test(`ben's registration fails: he is not bound, and not ann, until he logs out (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound("ann");
    scene.clock.now += EVERY;
    await browser.send("/login?user=ben");
    for (let times = 0; times < 20; times++) {
      scene.clock.now += EVERY;
      assertEquals(await userOf(browser.visit("/")), "ben");
    }
    // His cookie is gone, and ann's session was left behind without a logout.
    await browser.visit("/logout");
    assertEquals(await userOf(browser.visit("/")), "ann");
  });

  Deno.test(`a store that fails is answered with 503, and the browser keeps the session (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = scene.browser();
    const { update, load } = scene.store;
    const failure = new Error("the disk is gone");
    for (const name of ["update", "load"] as const) {
      const login = await browser.send("/login");
      Object.assign(scene.store, { [name]: () => Promise.reject(failure) });
      assertEquals((await browser.answer(offerOf(login)))!.status, 503);
      Object.assign(scene.store, { update, load });
      const { sessionId, error } = scene.events.pop() as {
        sessionId?: string;
        error?: unknown;
      };
      assertEquals([sessionId, error], [idOf(browser.pair!), failure]);
      assertEquals((await scene.record(browser)).device, undefined);
      await browser.answer(offerOf(login));
      assert(browser.session !== undefined);

      scene.clock.now += EVERY;
      const before = await scene.records();
      Object.assign(scene.store, { [name]: () => Promise.reject(failure) });
      assertEquals(await browser.refresh(browser.session), "server_error");
      Object.assign(scene.store, { update, load });
      assertEquals(await scene.records(), before);
      assertEquals(scene.events.pop()?.type, "unrotated");
      assertEquals(await userOf(browser.visit("/")), "ann");
    }
  });

  Deno.test(`a refresh marks no access, is no commit, and lets requests under way commit (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const id = idOf(browser.pair!);
    scene.clock.now += EVERY - MINUTE;
    const request = new Request(HTTPS, { headers: { cookie: browser.pair! } });
    const session = await scene.manager.open(request, {
      isolation: "strict",
      passive: true,
    });
    session.set("n", 7);
    const lastAccess = await lastAccessOf(scene.store, id);
    await browser.refresh(browser.session!);
    assertEquals(await lastAccessOf(scene.store, id), lastAccess);
    assertEquals(await scene.manager.keepAlive(session), true);
    const headers = new Headers();
    await scene.manager.commit(session, headers);
    assertEquals(headers.getSetCookie(), []);
    assertEquals((await scene.record(browser)).data, { n: 7 });
    assertEquals(await userOf(browser.visit("/")), "ann");
  });

  Deno.test(`the secret before is good for the grace from the refresh on, and is never handed the new one (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const old = browser.pair!;
    await browser.refresh(browser.session!);
    // No request has brought the new one yet.
    scene.clock.now += GRACE - 1;
    const inGrace = await browser.ask("/write", {}, old);
    assertEquals([await userOf(inGrace), ageOf(inGrace)], ["ann", undefined]);
    const longer = await browser.ask("/lifetime", {}, old);
    assertEquals([await userOf(longer), ageOf(longer)], ["ann", undefined]);
    scene.clock.now += 1;
    const after = await browser.ask("/write", {}, old);
    assertEquals([await userOf(after), ageOf(after)], [null, 0]);
    assertEquals(scene.events, [{ type: "reused", sessionId: idOf(old) }]);
    assertEquals(await userOf(browser.visit("/")), "ann");
    assertEquals((await scene.record(browser)).data, { n: 1 });
  });

  Deno.test(`a request that was opened before the grace is refused after it (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const request = new Request(HTTPS, { headers: { cookie: browser.pair! } });
    const session = await scene.manager.open(request);
    session.set("n", 7);
    await browser.refresh(browser.session!);
    scene.clock.now += GRACE;
    await assertRejects(
      () => scene.manager.commit(session, new Headers()),
      SessionGoneError,
    );
    assertEquals((await scene.record(browser)).data, {});
  });

  Deno.test(`a request with the secret before commits in the grace, and not after it (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const request = new Request(HTTPS, { headers: { cookie: browser.pair! } });
    await browser.refresh(browser.session!);
    const session = await scene.manager.open(request);
    session.set("n", 1);
    await scene.manager.commit(session, new Headers());
    scene.clock.now += GRACE;
    session.set("n", 2);
    await assertRejects(
      () => scene.manager.commit(session, new Headers()),
      SessionGoneError,
    );
    assertEquals((await scene.record(browser)).data, { n: 1 });
  });

  Deno.test(`no request renews the cookie, and each Set-Cookie has the time that is left (${medium})`, async () => {
    await using scene = deviceScene(medium, { rotateEvery: MINUTE });
    const browser = await scene.bound();
    const { until } = browser.cookie!;
    const { pair } = browser;
    for (let minute = 1; minute < 8; minute++) {
      scene.clock.now += MINUTE;
      // `rotateEvery` leaves it alone.
      assertEquals(ageOf(await browser.visit("/write")), undefined);
    }
    assertEquals(browser.pair, pair);
    for (const path of ["/lifetime", "/until closed", "/regenerate"]) {
      const answer = await browser.visit(path);
      assertEquals(ageOf(answer), (until - scene.clock.now) / 1_000);
      assertEquals(browser.cookie!.until, until);
    }
    assertNotEquals(browser.pair, pair);
    assertEquals(await userOf(browser.visit("/")), "ann");
    const { previous, device } = await scene.record(browser);
    assertEquals([previous, device!.until], [undefined, until + GRACE]);
    // The first has no grace.
    const old = await browser.ask("/", {}, pair);
    assertEquals([await userOf(old), ageOf(old)], [null, 0]);
    assertEquals(await userOf(browser.visit("/")), "ann");
  });

  Deno.test(`the deadline holds at the server, and its cookie is cleared (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const { pair } = browser;
    scene.clock.now += EVERY + GRACE - 1;
    assertEquals(await userOf(browser.ask("/", {}, pair)), "ann");
    scene.clock.now += 1;
    const late = await browser.ask("/", {}, pair);
    assertEquals([await userOf(late), ageOf(late)], [null, 0]);
    assertEquals(scene.events, [{ type: "reused", sessionId: idOf(pair!) }]);
    // An answer that does not look at the session sets no cookie.
    assertEquals(ageOf(await browser.ask("/image", {}, pair)), undefined);
    assertEquals(await userOf(browser.visit("/")), "ann");
  });

  Deno.test(`what a request without its cookie leaves takes the place of nothing (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const old = browser.pair!;
    await browser.refresh(browser.session!);
    scene.clock.now += GRACE;
    const { session } = browser;
    const [id] = (await scene.records()).keys();

    // An old cookie: cleared, and the next request has refreshed.
    browser.cookie = { pair: old, until: Infinity };
    const answer = await browser.send("/write");
    assertEquals([await userOf(answer), ageOf(answer)], [null, 0]);
    assertEquals(browser.pair, undefined);
    assertEquals([...(await scene.records()).keys()], [id]);
    assertEquals(await userOf(browser.visit("/")), "ann");
    scene.events.length = 0;

    // No cookie, as the browser says that it did not refresh.
    for (
      const reason of ["server_error", "unreachable", "quota_exceeded"] as const
    ) {
      browser.cookie = undefined;
      const value = `${reason};session_identifier="${session!.identifier}"`;
      const headers = { "secure-session-skipped": value };
      const skipped = await browser.send("/write", { headers });
      assertEquals([await userOf(skipped), ageOf(skipped)], [null, undefined]);
      assertEquals(scene.events.splice(0), [{ type: "skipped", reason }]);
      assertEquals([...(await scene.records()).keys()], [id]);
    }
    assertEquals(await userOf(browser.visit("/")), "ann");

    // A login is what the visitor wants.
    browser.cookie = undefined;
    const value = `unreachable;session_identifier="${session!.identifier}"`;
    const headers = { "secure-session-skipped": value };
    const login = await browser.send("/login?user=ben", { headers });
    assert(offerOf(login) !== undefined);
    assertEquals(await userOf(browser.send("/")), "ben");
    // Of another application's session it is none of ours.
    browser.cookie = undefined;
    const others = await browser.send("/write", {
      headers: {
        "secure-session-skipped": 'unreachable;session_identifier="x"',
      },
    });
    assert(ageOf(others)! > 0);
  });

  Deno.test(`endOnReuse reports an old secret of a bound session, and ends nothing (${medium})`, async () => {
    await using scene = deviceScene(medium, { endOnReuse: true });
    const browser = await scene.bound();
    const old = browser.pair!;
    await browser.refresh(browser.session!);
    scene.clock.now += GRACE;
    assertEquals(await userOf(browser.ask("/", {}, old)), null);
    assertEquals(scene.events, [{ type: "reused", sessionId: idOf(old) }]);
    assertEquals(await userOf(browser.visit("/")), "ann");
    scene.clock.now += EVERY + GRACE;
    assertEquals(await userOf(browser.ask("/", {}, cookieIn(old))), null);
    assertEquals(await userOf(browser.visit("/")), "ann");
  });
}

const SPOILED = {
  garbage: "junk",
  newer: `latchkey/2 ${revocationId("ann")}\n`,
};
for (const [as, spoiled] of Object.entries(SPOILED)) {
  Deno.test(`while the user's revocation is ${as} a proof is answered with 503: no secret is given, and the browser keeps the session`, async () => {
    await using scene = deviceScene("directory");
    const { directory } = scene.store as DirectorySessionStore;
    const mark = `${directory}/${revocationId("ann")}`;
    const browser = await scene.bound();
    const unbound = scene.browser();
    const offer = offerOf(await unbound.send("/login"));
    await Deno.writeTextFile(mark, spoiled);
    const before = await scene.records();
    const { session } = browser;
    const assertUnavailable = (answer: Response | undefined, pair: string) => {
      const { status, headers } = answer!;
      assertEquals([status, headers.getSetCookie()], [503, []]);
      assertEquals(challengeOf(answer!), undefined);
      const event = scene.events.pop();
      assert(event?.type === "unrotated");
      assertEquals(event.sessionId, idOf(pair));
      assert(event.error instanceof SessionUnreadableError);
    };
    assertUnavailable(await browser.prove(session!), browser.pair!);
    const unproven = { ...session!, challenge: undefined };
    assertUnavailable(await browser.prove(unproven), browser.pair!);
    assertUnavailable(await unbound.answer(offer), unbound.pair!);
    assertEquals(await scene.records(), before);

    assertEquals(await userOf(browser.visit("/")), null);
    browser.cookie = undefined;
    assertEquals(await userOf(browser.visit("/write")), null);
    assertEquals(browser.session, session);
    assertEquals(await scene.records(), before);

    await Deno.remove(mark);
    assertEquals(await userOf(browser.visit("/")), "ann");
    assertEquals((await unbound.answer(offer))!.status, 200);
    assertEquals(await userOf(unbound.visit("/")), "ann");
  });
}

Deno.test("a proof that comes with another session's cookie leaves it, also while the revocation of its user cannot be read", async () => {
  await using scene = deviceScene("directory");
  const { directory } = scene.store as DirectorySessionStore;
  const browser = await scene.bound("ann");
  const anns = browser.session!;
  scene.clock.now += EVERY;
  await browser.send("/login?user=ben");
  const mark = `${directory}/${revocationId("ben")}`;
  await Deno.writeTextFile(mark, "anything else");
  const { status, headers } = await browser.prove(anns);
  assertEquals([status, headers.getSetCookie()], [503, []]);
  await Deno.remove(mark);
  assertEquals((await browser.prove(anns)).status, 204);
  assertEquals(await userOf(browser.visit("/")), "ben");
});

Deno.test("of several cookies the one of a bound session counts while it is proven", async () => {
  await using scene = deviceScene("memory");
  const browser = await scene.bound();
  const old = browser.pair!;
  await browser.refresh(browser.session!);
  scene.clock.now += GRACE;
  const stray = `latchkey=${"0".repeat(32)}${"A".repeat(22)}`;
  const both = await browser.ask("/", {}, `${old}; ${browser.pair}`);
  assertEquals(await userOf(both), "ann");
  const none = await browser.ask("/write", {}, `${old}; ${stray}`);
  assertEquals([await userOf(none), ageOf(none)], [null, 0]);
  assertEquals(scene.events.map(({ type }) => type), ["reused"]);
  assertEquals((await scene.records()).size, 1);
});

Deno.test("a browser that does not know device-bound sessions notices nothing", async () => {
  await using scene = deviceScene("memory");
  const browser = scene.browser();
  browser.isCapable = false;
  const login = await browser.visit("/login");
  assertEquals(ageOf(login), 24 * 60 * 60);
  for (let hour = 0; hour < 20; hour++) {
    scene.clock.now += 60 * MINUTE;
    assertEquals(await userOf(browser.visit("/")), "ann");
  }
  assertEquals(browser.trace.some((line) => line.startsWith("POST")), false);
  assertEquals(scene.events, []);
});

Deno.test("a browser that writes strings in quotes is understood", async () => {
  await using scene = deviceScene("memory");
  const browser = scene.browser();
  browser.quotes = true;
  await browser.visit("/login");
  scene.clock.now += EVERY;
  assertEquals(await userOf(browser.visit("/")), "ann");
  assertEquals(scene.manager.counters.proven, 1);
});

Deno.test("nothing but a login over https, with a cookie that has an age, makes an offer", async () => {
  await using scene = deviceScene("memory");
  const browser = scene.browser();
  for (
    const path of [
      "/",
      "/write",
      "/regenerate",
      "/lifetime",
      "/logout",
      "/forget",
    ]
  ) {
    assertEquals(offerOf(await browser.send(path)), undefined, path);
  }
  const plain = await scene.handle(new Request("http://app.example/login"));
  assertEquals(offerOf(plain), undefined);
  const forwarded = { "x-forwarded-proto": "https" };
  const untrusted = await scene.handle(
    new Request("http://app.example/login", { headers: forwarded }),
  );
  assertEquals(offerOf(untrusted), undefined);
  for (const record of (await scene.records()).values()) {
    assertEquals(record.deviceOffer, undefined);
  }

  await using behind = deviceScene("memory", { trustProxy: true });
  const trusted = await behind.handle(
    new Request("http://app.example/login", { headers: forwarded }),
  );
  assert(offerOf(trusted) !== undefined);
});

Deno.test("an answer that is not sent makes no offer, and a commit without headers none", async () => {
  await using scene = deviceScene("memory");
  const session = await scene.manager.open(new Request(HTTPS));
  session.setUser("ann");
  await assertRejects(() => scene.manager.commit(session), TypeError);
  assertEquals((await scene.records()).size, 0);

  const failing = scene.manager.handler<void>((_request, session) => {
    session.setUser("ann");
    return new Response(null, { status: 500 });
  });
  assertEquals(offerOf(await failing(new Request(HTTPS))), undefined);

  // With the cookie, and once.
  const headers = new Headers();
  const added = await scene.manager.commit(session, headers);
  const names = added.map(([name]) => name);
  assertEquals(names, [
    "vary",
    "set-cookie",
    "secure-session-registration",
    "cache-control",
  ]);
  session.set("n", 1);
  await scene.manager.commit(session, headers);
  assertEquals(
    headers.get("secure-session-registration")!.split("challenge").length,
    2,
  );
});

Deno.test("run answers at the path of the endpoint alone, and only a POST", async () => {
  await using scene = deviceScene("memory", {
    deviceBound: { path: "/a/device" },
  });
  const id = "0".repeat(32);
  const ask = (path: string, method = "POST") =>
    scene.manager.answerDevice({
      headers: new Headers(),
      method,
      url: `${HTTPS.slice(0, -1)}${path}`,
    });
  assertEquals((await ask("/a/device"))?.status, 400);
  assertEquals((await ask("/a/device?x"))?.status, 400);
  assertEquals((await ask(`/a/device/${id}`))?.status, 404);
  const others = [
    "/",
    "/a",
    "/a/device/",
    "/a/devices",
    `/a/device/${id}/`,
    "/a/device/x",
    "/a/device/../../etc/passwd",
    "/A/DEVICE",
    `/device-session/${id}`,
    `/a/device/${revocationId("ann")}`,
  ];
  for (const path of others) assertEquals(await ask(path), undefined, path);
  for (const method of ["GET", "HEAD", "PUT", "OPTIONS", "post", ""]) {
    assertEquals(await ask("/a/device", method), undefined, method);
  }
  const headers = new Headers();
  assertEquals(await scene.manager.answerDevice({ headers }), undefined);
  assertEquals(
    await scene.manager.answerDevice({ headers, method: "POST", url: "::" }),
    undefined,
  );
  const byPath = { headers, method: "POST", url: "/a/device" };
  assertEquals((await scene.manager.answerDevice(byPath))?.status, 400);
});

Deno.test("a manager without deviceBound makes no offer, answers nothing, and keeps the deadline", async () => {
  await using scene = deviceScene("memory");
  const browser = await scene.bound();
  const manager = new SessionManager({
    store: scene.store,
    now: () => scene.clock.now,
    idleTimeout: 24 * 60 * MINUTE,
  });
  const url = `${HTTPS.slice(0, -1)}${browser.session!.refreshUrl}`;
  const request = new Request(url, { method: "POST" });
  assertEquals(await manager.answerDevice(request), undefined);
  const show = async () =>
    (await manager.open(
      new Request(HTTPS, { headers: { cookie: browser.pair! } }),
    )).user;
  assertEquals(await show(), "ann");
  browser.cookie = { pair: browser.pair!, until: Infinity };
  scene.clock.now += EVERY + GRACE;
  assertEquals(await show(), null);
  const login = await manager.run(new Request(HTTPS), (session) => {
    session.setUser("ann");
    return new Response();
  });
  assertEquals(offerOf(login), undefined);
});

Deno.test("a session from before the option stays as it was, until its next login", async () => {
  await using scene = deviceScene("memory");
  const before = new SessionManager({
    store: scene.store,
    now: () => scene.clock.now,
    idleTimeout: 24 * 60 * MINUTE,
  });
  const browser = scene.browser();
  const login = await before.run(new Request(HTTPS), (session) => {
    session.setUser("ann");
    return new Response();
  });
  browser.take(login);
  for (let hour = 0; hour < 20; hour++) {
    scene.clock.now += 3 * 60 * MINUTE;
    assertEquals(await userOf(browser.visit("/write")), "ann");
  }
  assertEquals(browser.session, undefined);
  await browser.visit("/login");
  assert(browser.session !== undefined);
  assertEquals((await scene.record(browser)).data, { n: 20 });
});

Deno.test("answers of the endpoint are for no cache and no other site", async () => {
  await using scene = deviceScene("memory");
  const browser = scene.browser();
  const login = await browser.send("/login");
  const registered = await browser.answer(offerOf(login));
  browser.session!.challenge = undefined;
  const asked = await browser.prove(browser.session!);
  assertEquals(asked.status, 403);
  assertEquals(challengeOf(asked), browser.session!.challenge);
  for (const { headers } of [registered!, asked]) {
    assertEquals(headers.get("cache-control"), "no-store");
    assertEquals(headers.get("cross-origin-resource-policy"), "same-origin");
    assertEquals(headers.get("access-control-allow-origin"), null);
  }
});

Deno.test("isCrossOrigin() in front lets the endpoint pass", async () => {
  await using scene = deviceScene("memory");
  const refused: string[] = [];
  const handle = (request: Request) => {
    if (!isCrossOrigin(request)) return scene.handle(request);
    refused.push(request.url);
    return Promise.resolve(new Response(null, { status: 403 }));
  };
  // As Chromium 156 sends both, also after a login and a link from another site.
  const sent = (request: Request) => {
    if (request.method !== "POST") return handle(request);
    const headers = new Headers(request.headers);
    headers.set("sec-fetch-site", "same-origin");
    headers.set("origin", new URL(request.url).origin);
    return handle(new Request(request, { headers }));
  };
  const browser = new DeviceBrowser(sent, () => scene.clock.now);
  await browser.visit("/login");
  scene.clock.now += EVERY;
  assertEquals(await userOf(browser.visit("/")), "ann");
  assertEquals(refused, []);
});

Deno.test("SessionManager() refuses deviceBound where no browser could refresh the cookie", () => {
  const store = new MemorySessionStore();
  const make = (options: Partial<SessionManagerOptions>) => () =>
    new SessionManager({
      store,
      idleTimeout: MINUTE,
      deviceBound: {},
      ...options,
    });
  const refused: Partial<SessionManagerOptions>[] = [
    { transport: "bearer" },
    { transport: { header: "X-Session" } },
    { cookie: { partitioned: true, sameSite: "None" } },
    { cookie: { secure: false } },
    { cookie: { path: "/app" } },
    { seal: true },
    { idleTimeout: undefined },
    { deviceBound: { path: "device" } },
    { deviceBound: { path: "/" } },
    { deviceBound: { path: "/a/" } },
    { deviceBound: { path: '/a"' } },
    { deviceBound: { path: 7 as never } },
    { deviceBound: { algorithms: [] } },
    { deviceBound: { algorithms: ["none" as never] } },
    { deviceBound: { algorithms: "ES256" as never } },
    { deviceBound: { refreshEvery: "10" as never } },
  ];
  for (const options of refused) {
    assertThrows(make(options), TypeError, "Cannot bind sessions to devices");
  }
  for (const refreshEvery of [0, 299_999, 300_000.5, Infinity, NaN]) {
    assertThrows(make({ deviceBound: { refreshEvery } }), RangeError);
  }
  for (const rotateGrace of [600_001, Number.MAX_SAFE_INTEGER]) {
    assertThrows(make({ rotateGrace }), RangeError, "rotateGrace");
  }
  make({ rotateGrace: 600_000 })();
  make({})();
  make({ idleTimeout: undefined, absoluteTimeout: MINUTE })();
  make({ cookie: { path: "/app" }, deviceBound: { path: "/app/device" } })();
  make({ deviceBound: { refreshEvery: 300_000, algorithms: ["RS256"] } })();
});
