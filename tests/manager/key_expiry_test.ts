/** Keys with a time to live of their own. */

import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { Session } from "../../src/session/session.ts";
import { MINUTE } from "../constants.ts";
import { Browser, serve, STORES } from "./session_server.ts";
import { BEGIN, cookieIn, setUp } from "./set_up.ts";

Deno.test("a key with a time to live reads as missing when that has passed", async () => {
  const { open, begin, commit, clock } = setUp();
  const { cookie } = await begin({ kept: 1 });
  const session = await open(cookie);
  session.set("code", "4711", { ttl: MINUTE });
  await commit(session);
  clock.now += MINUTE - 1;
  assertEquals((await open(cookie)).get("code"), "4711");
  clock.now += 1;
  const later = await open(cookie);
  assertEquals(later.get("code"), undefined);
  assertFalse(later.has("code"));
  assertEquals([...later.keys()], ["kept"]);
  assertEquals([...later.entries()], [["kept", 1]]);
  assertFalse(later.delete("code"));
});

Deno.test("a key also expires within a request, by the manager's clock", async () => {
  const { open, begin, commit, clock } = setUp();
  const { cookie } = await begin({ kept: 1 });
  const session = await open(cookie);
  session.set("code", ["4711"], { ttl: MINUTE });
  assertEquals(session.get("code"), ["4711"]);
  clock.now += MINUTE;
  assertEquals(session.get("code"), undefined);
  assertEquals([...session.keys()], ["kept"]);
  await commit(session);
  assertEquals([...(await open(cookie)).keys()], ["kept"]);
});

Deno.test("the next commit removes expired keys, and a request that reads writes nothing", async () => {
  const { open, begin, commit, clock, store } = setUp({ touchAfter: Infinity });
  const { id, cookie } = await begin({ kept: 1 });
  const session = await open(cookie);
  session.set("code", "4711", { ttl: MINUTE });
  await commit(session);
  const { keyExpiry, data } = (await store.load(id))!;
  assertEquals(keyExpiry, { code: BEGIN + MINUTE });
  assertEquals(data, { kept: 1, code: "4711" });
  clock.now += MINUTE;
  store.takeCalls();
  await commit(await open(cookie));
  assertEquals(store.takeCalls(), ["load"]);
  const other = await open(cookie);
  other.set("other", 2);
  await commit(other);
  const after = (await store.load(id))!;
  assertEquals(after.data, { kept: 1, other: 2 });
  assertEquals(after.keyExpiry, undefined);
});

Deno.test("a session whose keys have all expired is empty, and the next commit removes them", async () => {
  const { open, commit, clock, store } = setUp();
  const session = await open();
  session.set("code", "4711", { ttl: MINUTE });
  const cookie = cookieIn(await commit(session));
  clock.now += MINUTE;
  const later = await open(cookie);
  assertFalse(later.hasInfo);
  later.set("x", 1);
  later.delete("x");
  await commit(later);
  assertEquals((await store.load(session.id))!.data, {});
});

Deno.test("set() without a time to live removes the expiry; update() and a change inside keep it", async () => {
  const { open, begin, commit, store } = setUp();
  const { id, cookie } = await begin({ kept: 1 });
  const ends = async () => (await store.load(id))?.keyExpiry;
  const session = await open(cookie);
  session.set("n", 1, { ttl: MINUTE });
  session.set("cart", ["tea"], { ttl: MINUTE });
  session.update("n", (n = 0) => n + 1);
  await commit(session);
  const both = { n: BEGIN + MINUTE, cart: BEGIN + MINUTE };
  assertEquals(await ends(), both);
  session.update("n", (n = 0) => n + 1);
  session.get("cart")!.push("milk");
  await commit(session);
  assertEquals(await ends(), both);
  session.set("n", 9);
  session.delete("cart");
  await commit(session);
  assertEquals(await ends(), undefined);
  assertEquals((await open(cookie)).get("n"), 9);
});

Deno.test("update() of an expired key begins anew, without an expiry", async () => {
  const { open, begin, commit, clock, store } = setUp();
  const { id, cookie } = await begin({ kept: 1 });
  const session = await open(cookie);
  session.set("n", 5, { ttl: MINUTE });
  await commit(session);
  clock.now += MINUTE;
  const later = await open(cookie);
  assertEquals(later.update("n", (n = 0) => n + 1), 1);
  await commit(later);
  assertEquals((await store.load(id))?.data.n, 1);
  assertEquals((await store.load(id))?.keyExpiry, undefined);
  // The key expires between the update and its commit: it runs again, on nothing.
  later.set("n", 5, { ttl: MINUTE });
  await commit(later);
  const slow = await open(cookie);
  assertEquals(slow.update("n", (n = 0) => n + 1), 6);
  clock.now += MINUTE;
  await commit(slow);
  assertEquals((await open(cookie)).get("n"), 1);
});

Deno.test("a change inside a value that has expired at the commit brings nothing back", async () => {
  const { open, begin, commit, clock } = setUp();
  const { cookie } = await begin({ kept: 1 });
  const session = await open(cookie);
  session.set("cart", ["tea"], { ttl: MINUTE });
  await commit(session);
  const slow = await open(cookie);
  slow.get("cart")!.push("milk");
  slow.set("kept", 2);
  clock.now += MINUTE;
  await commit(slow);
  assertEquals([...(await open(cookie)).entries()], [["kept", 2]]);
});

Deno.test("of two requests the last to set a key decides its value and expiry; other keys keep theirs", async () => {
  const { open, begin, commit, store } = setUp();
  const { id, cookie } = await begin({ kept: 1 });
  const [one, other] = [await open(cookie), await open(cookie)];
  one.set("code", 1, { ttl: MINUTE });
  one.set("mine", 1, { ttl: MINUTE });
  other.set("code", 2, { ttl: 2 * MINUTE });
  await commit(one);
  await commit(other);
  const { data, keyExpiry } = (await store.load(id))!;
  assertEquals(data, { kept: 1, code: 2, mine: 1 });
  assertEquals(keyExpiry, { code: BEGIN + 2 * MINUTE, mine: BEGIN + MINUTE });
  const clearing = await open(cookie);
  clearing.clear();
  clearing.set("mine", 3);
  await commit(clearing);
  assertEquals((await store.load(id))?.keyExpiry, undefined);
});

Deno.test("sealed, the store does not see which keys expire", async () => {
  const { open, commit, store } = setUp({ seal: true });
  const session = await open();
  session.set("code", "4711", { ttl: MINUTE });
  const cookie = cookieIn(await commit(session));
  assertEquals((await store.load(session.id))?.keyExpiry, undefined);
  assertEquals((await open(cookie)).get("code"), "4711");
});

Deno.test("keys with names of prototypes expire like any other key", async () => {
  const { open, commit, clock, store } = setUp();
  const session = await open();
  for (const key of ["__proto__", "prototype", "__defineGetter__"]) {
    session.set(key, key, { ttl: MINUTE });
  }
  session.set("valueof", 1);
  const cookie = cookieIn(await commit(session));
  assertEquals((await open(cookie)).get("__proto__"), "__proto__");
  assertEquals(
    Object.keys((await store.load(session.id))!.keyExpiry!).length,
    3,
  );
  clock.now += MINUTE;
  assertEquals([...(await open(cookie)).keys()], ["valueof"]);
});

Deno.test("a time to live is a whole number of milliseconds from 1 up", () => {
  const session = new Session();
  for (const ttl of [0, -1, 0.5, NaN, Infinity]) {
    assertThrows(() => session.set("n", 1, { ttl }), RangeError, "ttl");
  }
  assertThrows(
    () => session.set("n", 1, { ttl: "1" as unknown as number }),
    TypeError,
  );
  assertFalse(session.has("n"));
  session.set("n", 1, { ttl: Number.MAX_SAFE_INTEGER });
  assertEquals(session.get("n"), 1);
});

for (const medium of STORES) {
  Deno.test(`50 requests at once each set an expiring key of their own, and none is lost: ${medium}`, async () => {
    await using server = await serve(medium, {
      "/begin": (session) => {
        session.set("n", 0, { ttl: MINUTE });
        return new Response();
      },
      "/add": (session, { url }) => {
        const { search } = new URL(url);
        session.set(search, 1, { ttl: 60 * MINUTE });
        session.update("n", (n = 0) => n + 1);
        return new Response();
      },
    });
    const browser = new Browser(server);
    await browser.get("/begin");
    await Promise.all(
      Array.from(
        { length: 50 },
        (_, at) => new Browser(server, browser.cookie).get(`/add?${at}`),
      ),
    );
    const [record] = (await server.records()).values();
    assertEquals(record?.data.n, 50);
    assertEquals(Object.keys(record?.data ?? {}).length, 51);
    assertEquals(Object.keys(record?.keyExpiry ?? {}).length, 51);
  });
}
