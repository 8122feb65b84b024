/**
 * Several cookies of the same name, over a real socket: which one counts, and
 * what the others cost. A browser sends them where an application on another
 * path, another port or a neighbouring host has set one, and where our own has
 * had another Domain, Path or Partitioned.
 */

import { assert, assertEquals } from "@std/assert";
import { hashSecret } from "../../src/core/token.ts";
import { MINUTE } from "../constants.ts";
import { type Act, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { BEGIN, idOf, lastAccessOf, setUp } from "./set_up.ts";

const SECRET_LENGTH = 22;
const SECRETS = ["a".repeat(32), "b".repeat(32)];
/** A token that opens nothing. */
const STRANDED = `latchkey=${"0123456789abcdef".repeat(2)}${"A".repeat(22)}`;

const begins: Act = (session) => session.set("n", 1);
const counts: Act = (session) => session.update("n", (n = 0) => n + 1);
const looks: Act = (session) => session.isNew ? null : session.get("n");
const signsIn = (user: string): Act => (session) => session.setUser(user);

/** Both orders of two cookies. */
function inEachOrder(one: string, other: string): string[] {
  return [`${one}; ${other}`, `${other}; ${one}`];
}

function withSecret(cookie: string, secret: string): string {
  return cookie.slice(0, -SECRET_LENGTH) + secret;
}

for (const medium of STORES) {
  Deno.test(`${medium}: of several tokens the one that opens a session counts`, async () => {
    await using acting = await serveActs(medium);
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const ended = await begin(begins);
    await server.manager.expire(idOf(ended));
    const dead = [STRANDED, ended, withSecret(own, "A".repeat(22))];
    let n = 1;
    for (const other of dead) {
      for (const cookies of inEachOrder(own, other)) {
        const { result, cookie } = await ask(cookies, counts);
        assertEquals([result, cookie], [++n, undefined]);
      }
    }
    assertEquals((await ask([...dead, own].join("; "), looks)).result, n);
    assertEquals((await ask(dead.join("; "), looks)).result, null);
    assertEquals((await acting.records()).size, 1);
    assertEquals(server.events, []);
  });

  Deno.test(`${medium}: of two tokens of one session the newer secret counts`, async () => {
    let now = BEGIN;
    await using acting = await serveActs(medium, {
      rotateEvery: 10 * MINUTE,
      now: () => now,
    });
    const { ask, begin, server } = acting;
    const old = await begin(begins);
    now += 10 * MINUTE;
    const own = (await ask(old, looks)).cookie!;
    for (const cookies of inEachOrder(old, own)) {
      const { result, cookie } = await ask(cookies, looks);
      assertEquals([result, cookie], [1, undefined]);
    }
    // The one before alone is handed the newer one, beside a token of nothing.
    for (const cookies of inEachOrder(old, STRANDED)) {
      const { result, cookie } = await ask(cookies, looks);
      assertEquals([result, cookie], [1, own]);
    }
    assertEquals(server.events, []);
  });

  Deno.test(`${medium}: two tokens that open different sessions are ignored, prolong nothing, and are reported`, async () => {
    let now = Date.now();
    await using acting = await serveActs(medium, {
      idleTimeout: 10 * MINUTE,
      now: () => now,
    });
    const { ask, begin, server } = acting;
    const own = await begin(signsIn("ann"));
    const planted = await begin(begins);
    const before = await acting.records();
    const ids = [own, planted].map(idOf);
    const accesses = () =>
      Promise.all(ids.map((id) => lastAccessOf(server.store, id)));
    const accessesBefore = await accesses();
    now += 5 * MINUTE;
    for (const cookies of inEachOrder(own, planted)) {
      const { result, cookie } = await ask(cookies, looks);
      assertEquals([result, cookie], [null, undefined]);
    }
    assertEquals(server.events, [
      { type: "ambiguous", sessionIds: ids },
      { type: "ambiguous", sessionIds: ids.toReversed() },
    ]);
    assertEquals(await accesses(), accessesBefore);
    assertEquals(await acting.records(), before);
    // As soon as the other is gone, all is as it was.
    assertEquals((await acting.show(own))!.user, "ann");
  });

  Deno.test(`${medium}: five tokens are ignored and reported, four are not`, async () => {
    await using acting = await serveActs(medium);
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const others = Array.from(
      { length: 4 },
      (_, at) => withSecret(STRANDED, `${at}`.repeat(SECRET_LENGTH)),
    );
    const cookies = [...others.slice(1), own, own, "latchkey=x"];
    assertEquals((await ask(cookies.join("; "), looks)).result, 1);
    assertEquals(server.events, []);
    assertEquals((await ask([...others, own].join("; "), looks)).result, null);
    assertEquals(server.events, [{ type: "ambiguous", sessionIds: [] }]);
  });

  Deno.test(`${medium}: a token of a session that was revoked does not count`, async () => {
    await using acting = await serveActs(medium);
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const revoked = await begin(signsIn("ann"));
    const record = (await server.store.load(idOf(revoked)))!;
    await server.manager.revokeUser("ann");
    // One that the listing has missed.
    await server.store.save(idOf(revoked), record);
    for (const cookies of inEachOrder(own, revoked)) {
      assertEquals((await ask(cookies, looks)).result, 1);
    }
    assertEquals(server.events, []);
  });

  Deno.test(`${medium}: a secret that was rotated away is reported, or ends anything, only if no token fits`, async () => {
    let now = BEGIN;
    await using acting = await serveActs(medium, {
      rotateEvery: 10 * MINUTE,
      endOnReuse: true,
      now: () => now,
    });
    const { ask, begin, server } = acting;
    const olds = [await begin(begins), await begin(begins)];
    now += 10 * MINUTE;
    const news: string[] = [];
    for (const old of olds) {
      const { cookie } = await ask(old, looks);
      assertEquals((await ask(cookie, looks)).result, 1);
      news.push(cookie!);
    }
    now += MINUTE;
    for (
      const cookies of [
        ...inEachOrder(olds[0]!, news[0]!),
        ...inEachOrder(olds[0]!, news[1]!),
      ]
    ) {
      assertEquals((await ask(cookies, looks)).result, 1);
    }
    assertEquals(server.events, []);
    assertEquals((await acting.records()).size, 2);

    const cookies = [STRANDED, ...olds].join("; ");
    assertEquals((await ask(cookies, looks)).result, null);
    assertEquals(
      server.events,
      olds.map((old) => ({ type: "reused", sessionId: idOf(old) })),
    );
    assertEquals((await acting.records()).size, 0);
  });

  Deno.test(`${medium}: a token whose session's data cannot be opened counts like another`, async () => {
    const [secret] = SECRETS;
    await using acting = await serveActs(medium, {
      seal: true,
      secrets: [secret!],
    });
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const sealed = await begin(begins);
    const record = (await server.store.load(idOf(sealed)))!;
    const unopenable = withSecret(sealed, "A".repeat(SECRET_LENGTH));
    await server.store.save(idOf(sealed), {
      ...record,
      secretHash: hashSecret("A".repeat(SECRET_LENGTH)),
    });
    for (const cookies of inEachOrder(own, unopenable)) {
      assertEquals((await ask(cookies, looks)).result, null);
    }
    assertEquals(server.events.map(({ type }) => type), [
      "ambiguous",
      "ambiguous",
    ]);
    for (const cookies of inEachOrder(STRANDED, unopenable)) {
      assertEquals((await ask(cookies, looks)).result, null);
    }
    assertEquals((await ask(own, looks)).result, 1);
  });

  Deno.test(`${medium}: exclusive requests with a second cookie wait for each other`, async () => {
    await using acting = await serveActs(medium, { isolation: "exclusive" });
    const { ask, begin } = acting;
    const own = await begin(begins);
    const slow: Act = async (session) => {
      const n = session.get("n")!;
      await new Promise((resolve) => setTimeout(resolve));
      session.set("n", n + 1);
    };
    const cookies = inEachOrder(own, STRANDED);
    await Promise.all([...cookies, ...cookies].map((each) => ask(each, slow)));
    assertEquals((await ask(own, looks)).result, 5);
    assertEquals((await ask(cookies[0], looks)).result, 5);
  });
}

Deno.test("one token costs one load; of two to four each is loaded, then the chosen one; five cost nothing", async () => {
  const { begin, open, store, events } = setUp();
  const own = await begin();
  const others = await Promise.all([begin(), begin()]);
  for (const { id } of others) await store.delete(id);
  store.takeCalls();
  const unknown = Array.from(
    { length: 2 },
    (_, at) => `latchkey=${`${at}`.repeat(32)}${`${at}`.repeat(SECRET_LENGTH)}`,
  );
  const all = [own, ...others].map(({ cookie }) => cookie).concat(unknown);
  for (const [count, loads] of [[1, 1], [2, 3], [3, 4], [4, 5]] as const) {
    const session = await open(all.slice(0, count).join("; "));
    assertEquals([session.isNew, session.get("n")], [false, 1]);
    assertEquals(store.takeCalls(), Array(loads).fill("load"));
  }
  assert((await open(all.join("; "))).isNew);
  assertEquals(store.takeCalls(), []);
  assertEquals(events, [{ type: "ambiguous", sessionIds: [] }]);
});
