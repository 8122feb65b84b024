import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { MINUTE } from "../constants.ts";
import { cookieIn, requestWith, setUp } from "./set_up.ts";

const OLD = "an old secret of the server, long enough";
const NEW = "a new secret of the server, also long enough";
const SEAL = { seal: true, secrets: [OLD] };

Deno.test("sealed, the store sees user, times and size, and nothing else", async () => {
  const { open, commit, store } = setUp(SEAL);
  const session = await open();
  session.set("cart", ["a very private thing"]);
  session.flash("notice", "psst");
  session.setUser("ann");
  const token = session.createFormToken();
  const cookie = cookieIn(await commit(session));
  const record = (await store.load(session.id))!;
  const text = JSON.stringify(record);
  for (const private_ of ["cart", "private", "psst", "notice", token]) {
    assertFalse(text.includes(private_), private_);
  }
  assertEquals(record.data, {});
  assertEquals(record.user, "ann");
  const again = await open(cookie);
  assertEquals(again.get("cart"), ["a very private thing"]);
  assertEquals(again.flash("notice"), "psst");
  assert(again.hasFormToken(token));
});

Deno.test("sealed, nothing opens without the cookie, and nothing without the server's secret", async () => {
  const { begin, restart } = setUp(SEAL);
  const { cookie } = await begin();
  const others: Partial<SessionManagerOptions>[] = [
    { seal: true },
    { seal: true, secrets: [NEW] },
    {},
  ];
  for (const options of others) {
    assert((await restart(options).open(requestWith(cookie))).isNew);
  }
  assertEquals((await restart(SEAL).open(requestWith(cookie))).get("n"), 1);
});

Deno.test("the server's secret can be changed: older ones open, the newest seals", async () => {
  const { begin, restart } = setUp(SEAL);
  const { cookie } = await begin();
  const both = restart({ seal: true, secrets: [NEW, OLD] });
  const session = await both.open(requestWith(cookie));
  session.set("n", 2);
  await both.commit(session, new Headers());
  const newest = restart({ seal: true, secrets: [NEW] });
  assertEquals((await newest.open(requestWith(cookie))).get("n"), 2);
  assert((await restart(SEAL).open(requestWith(cookie))).isNew);
});

Deno.test("a regenerate and a rotation seal the record anew in the same step", async () => {
  const { open, look, commit, begin, clock } = setUp({
    ...SEAL,
    rotateEvery: 10 * MINUTE,
  });
  const { cookie } = await begin();
  const session = await open(cookie);
  session.regenerate();
  const regenerated = cookieIn(await commit(session));
  assert((await open(cookie)).isNew);
  clock.now += 10 * MINUTE;
  const rotated = cookieIn(await commit(await look(regenerated)));
  for (const current of [regenerated, rotated]) {
    assertEquals((await open(current)).get("n"), 1);
  }
});

Deno.test("sealed data that was swapped between two sessions, or changed, gives a new session", async () => {
  const { open, begin, store } = setUp(SEAL);
  const one = await begin({ n: 1 });
  const other = await begin({ n: 2 });
  const [first, second] = [
    (await store.load(one.id))!,
    (await store.load(other.id))!,
  ];
  await store.save(one.id, { ...first, sealed: second.sealed! });
  assert((await open(one.cookie)).isNew);
  const { sealed = "" } = second;
  for (let at = 0; at < sealed.length; at++) {
    const character = sealed[at] === "A" ? "B" : "A";
    const changed = sealed.slice(0, at) + character + sealed.slice(at + 1);
    await store.save(other.id, { ...second, sealed: changed });
    const session = await open(other.cookie);
    // The last character has bits that stand for nothing.
    if (at < sealed.length - 1) assert(session.isNew, `${at}`);
  }
  for (const cut of ["", "A", sealed.slice(0, 37), "ä", sealed.slice(1)]) {
    await store.save(other.id, { ...second, sealed: cut });
    assert((await open(other.cookie)).isNew);
  }
});

Deno.test("sessions from before are sealed when they are saved", async () => {
  const { begin, restart, store } = setUp();
  const { id, cookie } = await begin();
  const sealing = restart(SEAL);
  const session = await sealing.open(requestWith(cookie));
  assertEquals(session.get("n"), 1);
  session.set("n", 2);
  await sealing.commit(session, new Headers());
  assertEquals((await store.load(id))?.data, {});
  assertEquals((await sealing.open(requestWith(cookie))).get("n"), 2);
});

Deno.test("sealed, parallel changes of different keys both survive, and N increments give N", async () => {
  const { open, commit, begin } = setUp(SEAL);
  const { cookie } = await begin({ n: 0 });
  const sessions = await Promise.all(
    Array.from({ length: 20 }, () => open(cookie)),
  );
  for (const [i, session] of sessions.entries()) {
    session.update("n", (n = 0) => n + 1);
    session.set(`key-${i}`, i);
  }
  await Promise.all(sessions.map(commit));
  const session = await open(cookie);
  assertEquals(session.get("n"), 20);
  assertEquals([...session.keys()].length, 21);
});

Deno.test("sealed, a form token passes once", async () => {
  const { open, commit, manager } = setUp(SEAL);
  const session = await open();
  const token = session.createFormToken();
  const cookie = cookieIn(await commit(session));
  const posts = [await open(cookie), await open(cookie)];
  const passed = await Promise.all(
    posts.map((post) => manager.consumeFormToken(post, token)),
  );
  assertEquals(passed.toSorted(), [false, true]);
});

Deno.test("secrets that are too short, or not a list, are refused", () => {
  for (
    const secrets of [["short"], "a text that is long enough for a secret", [1]]
  ) {
    assertThrows(
      () => setUp({ seal: true, secrets: secrets as string[] }),
      TypeError,
    );
  }
});
