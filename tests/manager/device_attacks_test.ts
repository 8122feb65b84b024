/**
 * What may be tried against sessions that are bound to a device: at the endpoint,
 * and with a copy of the cookie. Every refusal must leave the store as it was, and
 * the browser's session alive.
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { SoftKey } from "../device/soft_key.ts";
import { MINUTE } from "../constants.ts";
import { challengeOf, type DeviceBrowser, offerOf } from "./device_browser.ts";
import {
  ageOf,
  type DeviceScene,
  deviceScene,
  EVERY,
  GRACE,
  MEDIA,
  userOf,
} from "./device_scene.ts";
import { cookieOf, idOf } from "./set_up.ts";

/** Asks the endpoint, and asserts that nothing was written. */
async function refusedAt(
  scene: DeviceScene,
  path: string,
  headers: Record<string, string>,
): Promise<Response> {
  const before = await scene.records();
  const url = `https://app.example${path}`;
  const response = await scene.handle(
    new Request(url, { method: "POST", headers }),
  );
  assertNotEquals(response.status, 200);
  assertEquals(response.headers.getSetCookie(), []);
  assertEquals(await scene.records(), before);
  return response;
}

/** Sends a proof to where a browser refreshes its session. */
function refuse(
  scene: DeviceScene,
  browser: DeviceBrowser,
  proof: string | undefined,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { identifier, refreshUrl } = browser.session!;
  return refusedAt(scene, refreshUrl, {
    "sec-secure-session-id": identifier,
    ...(proof !== undefined && { "secure-session-response": proof }),
    ...headers,
  });
}

/** Registers a proof that is to be refused. */
async function refuseRegistration(
  scene: DeviceScene,
  proof: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const all = { "secure-session-response": proof, ...headers };
  return (await refusedAt(scene, "/device-session", all)).status;
}

/** Counts what is asked of a store, from here on. */
function countCalls(store: SessionStore): { load: number; update: number } {
  const counts = { load: 0, update: 0 };
  const { load, update } = store;
  store.load = (...args) => (counts.load++, load.apply(store, args));
  store.update = (...args) => (counts.update++, update.apply(store, args));
  return counts;
}

for (const medium of MEDIA) {
  Deno.test(`a registration is good once, in time, and for its session (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = scene.browser();
    const { challenge } = offerOf(await browser.send("/login"))!;
    const key = await SoftKey.create();
    const thief = await SoftKey.create();
    const proof = await key.register(challenge);
    const id = challenge.slice(0, 32);

    // Of another session, of none, with another secret, of a cookie.
    const other = offerOf(await scene.browser().send("/login"))!.challenge;
    const wrong = [
      other.slice(0, 32) + challenge.slice(32),
      "0".repeat(32) + challenge.slice(32),
      id + "A".repeat(22),
      browser.pair!.slice("latchkey=".length),
    ];
    for (const jti of wrong) {
      const made = await thief.register(jti);
      assertEquals(await refuseRegistration(scene, made), 404);
    }
    for (const jti of ["", "x", id, `${challenge}A`, "../".repeat(18)]) {
      const made = await thief.register(jti);
      assertEquals(await refuseRegistration(scene, made), 400);
    }
    // Not signed, or not with the key that it brings.
    const unsigned = proof.replace(/\.[^.]*$/, ".");
    const crossed = await thief.register(challenge, {
      header: { jwk: key.jwk },
    });
    for (const made of [unsigned, crossed]) {
      assertEquals(await refuseRegistration(scene, made), 400);
    }
    assertEquals((await refusedAt(scene, "/device-session", {})).status, 400);

    await browser.answer({ path: "/device-session", challenge });
    assert(browser.session !== undefined);
    // Replayed, and a second key for the same offer.
    assertEquals(await refuseRegistration(scene, proof), 404);
    const second = await thief.register(challenge);
    assertEquals(await refuseRegistration(scene, second), 404);
    assertEquals(scene.manager.counters.bound, 1);

    // Expired, ended, revoked.
    const late = offerOf(await scene.browser().send("/login"))!;
    scene.clock.now += 5 * MINUTE;
    const lateProof = await key.register(late.challenge);
    assertEquals(await refuseRegistration(scene, lateProof), 404);
    const revoked = offerOf(await scene.browser().send("/login"))!;
    await scene.manager.revokeUser("ann");
    const revokedProof = await key.register(revoked.challenge);
    assertEquals(await refuseRegistration(scene, revokedProof), 404);
  });

  Deno.test(`a revocation whose listing has missed the session shuts it to both legs (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = scene.browser();
    const login = await browser.send("/login");
    const bound = await scene.bound();
    const ids = [idOf(browser.pair!), idOf(bound.pair!)];
    const { update } = scene.store;
    scene.store.update = async (which, ...rest) => {
      if (ids.includes(which)) return undefined;
      return await update.call(scene.store, which, ...rest);
    };
    await scene.manager.revokeUser("ann");
    scene.store.update = update;
    const before = await scene.records();
    for (const id of ids) assert(before.has(id));
    assertEquals((await browser.answer(offerOf(login)))?.status, 404);
    assertEquals((await bound.prove(bound.session!)).status, 404);
    assertEquals(await scene.records(), before);
  });

  Deno.test(`a registration beside the cookie of another live session sets nothing and ends nothing (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const [ann, ben] = [scene.browser(), await scene.bound("ben")];
    const { challenge } = offerOf(await ann.send("/login"))!;
    const proof = await (await SoftKey.create()).register(challenge);
    const cookie = ben.pair!;
    assertEquals(await refuseRegistration(scene, proof, { cookie }), 204);
    // Of one that is not live any more it is none.
    scene.clock.now += EVERY + GRACE;
    const late = await scene.browser().send("/login");
    const again = await (await SoftKey.create()).register(
      offerOf(late)!.challenge,
    );
    const response = await scene.handle(
      new Request("https://app.example/device-session", {
        method: "POST",
        headers: { "secure-session-response": again, cookie },
      }),
    );
    assertEquals(response.status, 200);
  });

  Deno.test(`a refresh takes no proof but a fresh one with the stored key, and a wrong one ends nothing (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const { key, challenge } = browser.session!;
    const thief = await SoftKey.create();
    const rs = await SoftKey.create("RS256");
    const good = await key.refresh(challenge!);
    const [head, payload, signature] = good.split(".") as [
      string,
      string,
      string,
    ];
    const proofs: readonly (string | undefined)[] = [
      undefined,
      "",
      "x",
      await thief.refresh(challenge!),
      await thief.register(challenge!),
      // Its own key, as at a registration; and the browser's, which is not
      // looked at there.
      await key.register(challenge!),
      await thief.refresh(challenge!, { header: { jwk: key.jwk } }),
      await rs.refresh(challenge!),
      await key.refresh(challenge!, { header: { alg: "RS256" } }),
      await key.refresh(challenge!, { header: { alg: "none" } }),
      await key.refresh(challenge!, { header: { typ: "JWT" } }),
      await key.refresh(challenge!, { header: { crit: ["x"], x: 1 } }),
      await key.refresh("a challenge of its own"),
      await key.refresh(""),
      await key.refresh(browser.session!.identifier),
      `${head}.${payload}.`,
      `${head}.${payload}.${signature.slice(2)}`,
      `${head}.${payload}.${signature}${"A".repeat(8_192)}`,
    ];
    for (const proof of proofs) {
      const response = await refuse(scene, browser, proof);
      assertEquals(response.status, 403);
      assertEquals(challengeOf(response), challenge);
    }
    assertEquals((await browser.prove(browser.session!)).status, 200);
    assertEquals(await userOf(browser.visit("/")), "ann");
    assertEquals(scene.events, []);
  });

  Deno.test(`a proof is good once, for two slots of time, and for its session (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const other = await scene.bound("ben");
    const { key, challenge } = browser.session!;
    const proof = await key.refresh(challenge!);
    // The ID swapped: at ben's.
    assertEquals((await refuse(scene, other, proof)).status, 403);
    assertEquals((await browser.prove(browser.session!)).status, 200);
    // Replayed.
    assertEquals((await refuse(scene, browser, proof)).status, 403);
    // A slot that is too old.
    const old = await key.refresh(browser.session!.challenge!);
    scene.clock.now += 2 * EVERY;
    assertEquals((await refuse(scene, browser, old)).status, 403);
    assertEquals(await userOf(browser.visit("/")), "ann");
    assertEquals(await userOf(other.visit("/")), "ben");
  });

  Deno.test(`a proof signed before logout, revocation or a login is good for nothing after it (${medium})`, async () => {
    await using scene = deviceScene(medium);
    for (
      const [path, status] of [
        ["/logout", 404],
        ["/revoke", 404],
        ["/login", 204],
      ] as const
    ) {
      const browser = await scene.bound();
      const { session } = browser;
      const proof = await session!.key.refresh(session!.challenge!);
      await browser.send(path);
      const response = await refuse(scene, browser, proof);
      assertEquals(response.status, status, path);
    }
    // `regenerate` is no login: the device stays, and the proof is good.
    const browser = await scene.bound();
    await browser.visit("/regenerate");
    assertEquals((await browser.prove(browser.session!)).status, 200);
    assertEquals(await userOf(browser.visit("/")), "ann");
  });

  Deno.test(`of two refreshes at once with one proof one succeeds (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const { refreshUrl, identifier, key, challenge } = browser.session!;
    const proof = await key.refresh(challenge!);
    const send = () =>
      browser.ask(refreshUrl, {
        method: "POST",
        headers: {
          "sec-secure-session-id": identifier,
          "secure-session-response": proof,
        },
      });
    const answers = await Promise.all([send(), send(), send()]);
    const statuses = answers.map(({ status }) => status).sort();
    assertEquals(statuses, [200, 403, 403]);
    const winner = answers.find(({ status }) => status === 200)!;
    // The others are asked for what the winner was told.
    for (const answer of answers) {
      assertEquals(challengeOf(answer), challengeOf(winner));
    }
    browser.take(winner);
    assertEquals(await userOf(browser.visit("/")), "ann");
  });

  Deno.test(`a refresh beside the cookie of another live session sets nothing and ends nothing (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const [ann, ben] = [await scene.bound("ann"), await scene.bound("ben")];
    const { key, challenge } = ann.session!;
    const proof = await key.refresh(challenge!);
    const cookie = ben.pair!;
    assertEquals((await refuse(scene, ann, proof, { cookie })).status, 204);
    const several = `${ann.pair}; ${cookie}`;
    const both = await refuse(scene, ann, proof, { cookie: several });
    assertEquals(both.status, 204);
    // The proof was not used up.
    assertEquals((await ann.prove(ann.session!)).status, 200);
  });

  Deno.test(`the endpoint asks for the browser's own header, which no page can send (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const { key, challenge, refreshUrl } = browser.session!;
    const proof = await key.refresh(challenge!);
    for (const id of ["", "x", "other@app.example", '"', "latchkey"]) {
      const response = await refusedAt(scene, refreshUrl, {
        "secure-session-response": proof,
        "sec-secure-session-id": id,
      });
      assertEquals(response.status, 404);
    }
    const without = await refusedAt(scene, refreshUrl, {
      "secure-session-response": proof,
    });
    assertEquals(without.status, 404);
  });

  Deno.test(`a stolen cookie is worth minutes, across rotations, and whatever is called with it (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const stolen = browser.pair!;
    const tries = async (pair: string, path = "/") => {
      const answer = await browser.ask(path, {}, pair);
      const [line] = answer.headers.getSetCookie();
      return { user: await userOf(answer), line };
    };
    // The thief cannot bind it, nor keep it alive.
    for (let minute = 0; minute < 8; minute++) {
      scene.clock.now += MINUTE;
      const { user, line } = await tries(stolen, "/lifetime");
      assertEquals(user, "ann");
      const age = Number(/Max-Age=(\d+)/.exec(line!)![1]);
      assertEquals(age, (EVERY - (minute + 1) * MINUTE) / 1_000);
    }
    await browser.refresh(browser.session!);
    scene.clock.now += GRACE;
    assertEquals((await tries(stolen)).user, null);
    for (let times = 0; times < 3; times++) {
      scene.clock.now += EVERY;
      await browser.visit("/");
      assertEquals((await tries(stolen)).user, null);
    }
    // A copy of each later one as well.
    const later = browser.pair!;
    await browser.refresh(browser.session!);
    assertEquals((await tries(later)).user, "ann");
    // `regenerate` in the grace gives it nothing, and ends the grace.
    assertEquals(await tries(later, "/regenerate"), {
      user: "ann",
      line: undefined,
    });
    assertEquals((await tries(later)).user, null);
    assertEquals(await userOf(browser.send("/")), "ann");
    // Unless it is closed: then until the deadline.
    const last = browser.pair!;
    scene.clock.now += EVERY + GRACE - 1;
    assertEquals((await tries(last)).user, "ann");
    assertEquals((await tries(last)).line, undefined);
    scene.clock.now += 1;
    assertEquals((await tries(last)).user, null);
  });

  Deno.test(`a thief who calls regenerate all the time is out with the browser's next refresh (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const first = await browser.ask("/regenerate", {}, browser.pair);
    const grabbed = cookieOf(first.headers);
    // The browser finds its cookie cleared, and heals by a refresh.
    const cleared = await browser.send("/");
    assertEquals([await userOf(cleared), ageOf(cleared)], [null, 0]);
    assertEquals(await userOf(browser.visit("/")), "ann");
    // The thief is in its grace, and makes no more of it.
    const answer = await browser.ask("/regenerate", {}, grabbed);
    assertEquals([await userOf(answer), answer.headers.getSetCookie()], [
      "ann",
      [],
    ]);
    assertEquals(await userOf(browser.ask("/", {}, grabbed)), null);
    assertEquals(await userOf(browser.send("/")), "ann");
  });

  Deno.test(`a cookie that is past its deadline gets no grace from the browser's next refresh (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    // The browser comes back, a moment before the deadline of its cookie or after.
    for (const late of [GRACE - 1, GRACE, 60 * MINUTE]) {
      const stolen = browser.pair!;
      scene.clock.now += EVERY + late;
      assertEquals(await userOf(browser.visit("/")), "ann");
      const isIn = late < GRACE;
      const user = isIn ? "ann" : null;
      assertEquals(await userOf(browser.ask("/", {}, stolen)), user);
      scene.clock.now += 1;
      assertEquals(await userOf(browser.ask("/", {}, stolen)), null);
    }
  });

  Deno.test(`the cookie of the login, stolen before the registration, is worth the grace (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = scene.browser();
    const login = await browser.send("/login");
    const stolen = cookieOf(login.headers);
    await browser.answer(offerOf(login));
    assertEquals(await userOf(browser.ask("/", {}, stolen)), "ann");
    scene.clock.now += GRACE;
    assertEquals(await userOf(browser.ask("/", {}, stolen)), null);
  });

  Deno.test(`floods of requests without a good proof write nothing (${medium})`, async () => {
    await using scene = deviceScene(medium);
    const browser = await scene.bound();
    const before = await scene.records();
    const calls = countCalls(scene.store);
    const thief = await SoftKey.create();
    const { challenge, identifier, refreshUrl } = browser.session!;
    const signed = await thief.refresh(challenge!);
    for (let times = 0; times < 50; times++) {
      for (const proof of [undefined, signed]) {
        await browser.ask(refreshUrl, {
          method: "POST",
          headers: {
            "sec-secure-session-id": identifier,
            ...(proof !== undefined && { "secure-session-response": proof }),
          },
        });
      }
    }
    assertEquals(calls.update, 0);
    // The session and the revocation of its user.
    assertEquals(calls.load, 200);
    calls.load = 0;
    const stray = await thief.register("0".repeat(54));
    for (let times = 0; times < 50; times++) {
      await browser.ask("/device-session", { method: "POST" });
      await browser.ask("/device-session", {
        method: "POST",
        headers: { "secure-session-response": stray },
      });
    }
    assertEquals(calls, { load: 50, update: 0 });
    assertEquals(await scene.records(), before);
    assertEquals(scene.events, []);
  });
}

Deno.test("a session that another server has sealed is not bound: its data would be lost", async () => {
  await using scene = deviceScene("memory");
  const browser = scene.browser();
  const login = await browser.send("/login");
  const sealing = new SessionManager({
    store: scene.store,
    now: () => scene.clock.now,
    seal: true,
  });
  const headers = { cookie: browser.pair! };
  await sealing.run(new Request("https://app.example/", { headers }), (it) => {
    it.set("n", 7);
    return new Response();
  });
  const before = await scene.records();
  assertEquals((await browser.answer(offerOf(login)))?.status, 404);
  assertEquals(await scene.records(), before);
  assertEquals(await (await browser.visit("/")).json(), {
    user: "ann",
    n: 7,
  });
});

Deno.test("secrets, offers and proofs are in no record, event, error or log", async () => {
  const written: unknown[] = [];
  const methods = ["log", "info", "warn", "error", "debug"] as const;
  const before = methods.map((name) => console[name]);
  for (const name of methods) {
    console[name] = (...args: unknown[]) => void written.push(args);
  }
  try {
    await using scene = deviceScene("memory");
    const browser = scene.browser();
    const login = await browser.send("/login");
    const { challenge } = offerOf(login)!;
    const loginPair = browser.pair!;
    await browser.answer(offerOf(login));
    const proof = await browser.session!.key.refresh(
      browser.session!.challenge!,
    );
    const boundPair = browser.pair!;
    await browser.refresh(browser.session!);
    scene.clock.now += GRACE;
    await browser.ask("/", {}, boundPair);
    const { update } = scene.store;
    scene.store.update = () => Promise.reject(new Error("away"));
    await browser.refresh(browser.session!);
    scene.store.update = update;
    const shown = Deno.inspect([
      ...(await scene.records()),
      scene.events,
      written,
    ], { depth: 20 }) + JSON.stringify([...(await scene.records()).values()]);
    const secrets = [challenge, loginPair, boundPair, browser.pair!]
      .map((text) => text.slice(-22));
    for (const secret of [...secrets, proof.split(".")[2]!]) {
      assertEquals(secret.length >= 22, true);
      assertEquals(shown.includes(secret), false);
    }
    assertEquals(scene.events.map(({ type }) => type), [
      "reused",
      "unrotated",
    ]);
  } finally {
    for (const [at, name] of methods.entries()) console[name] = before[at]!;
  }
  assertEquals(written, []);
});
