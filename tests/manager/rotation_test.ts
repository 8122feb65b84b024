import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import { MINUTE } from "../constants.ts";
import { BEGIN, cookieIn, setUp } from "./set_up.ts";

const GRACE = 30_000;
const OPTIONS = { rotateEvery: 10 * MINUTE };

/** A session that was rotated, with the cookie from before and the new one. */
async function rotated(options = {}) {
  const scene = setUp({ ...OPTIONS, ...options });
  const { id, cookie: before } = await scene.begin();
  scene.clock.now += 10 * MINUTE;
  const session = await scene.open(before);
  assertEquals(session.get("n"), 1);
  const after = cookieIn(await scene.commit(session));
  assertNotEquals(after, before);
  return { ...scene, id, before, after };
}

Deno.test("an old secret is replaced by a request that only reads; the ID stays", async () => {
  const { look, commit, begin, clock, store } = setUp(OPTIONS);
  const { id, cookie } = await begin();
  clock.now += 10 * MINUTE - 1;
  assertEquals(await commit(await look(cookie)), "");
  clock.now += 1;
  const after = cookieIn(await commit(await look(cookie)));
  assertNotEquals(after, cookie);
  assert(after.startsWith(`latchkey=${id}`));
  assertEquals((await store.load(id))?.rotatedAt, BEGIN + 10 * MINUTE);
  assertEquals(await commit(await look(after)), "");
});

Deno.test("requests under way read and write with the previous secret, and get the new one", async () => {
  const { open, commit, before, after, clock } = await rotated();
  clock.now += GRACE - 1;
  const reader = await open(before);
  assertEquals(reader.get("n"), 1);
  assertEquals(cookieIn(await commit(reader)), after);
  const writer = await open(before);
  writer.set("n", 2);
  assertEquals(cookieIn(await commit(writer)), after);
  assertEquals((await open(after)).get("n"), 2);
});

Deno.test("a request that opened before a rotation commits after it, and gets the new cookie", async () => {
  const { open, look, commit, begin, clock } = setUp(OPTIONS);
  const { cookie } = await begin();
  clock.now += 10 * MINUTE - 1;
  const slow = await open(cookie);
  clock.now += 1;
  const after = cookieIn(await commit(await look(cookie)));
  slow.set("n", 2);
  assertEquals(cookieIn(await commit(slow)), after);
  assertEquals((await open(after)).get("n"), 2);
});

Deno.test("of requests that rotate at once one does, and all get the same cookie", async () => {
  const { open, look, commit, begin, clock } = setUp(OPTIONS);
  const { cookie } = await begin();
  clock.now += 10 * MINUTE;
  const sessions = await Promise.all(
    Array.from({ length: 8 }, () => look(cookie)),
  );
  const headers = await Promise.all(sessions.map(commit));
  assertEquals(new Set(headers.map(cookieIn)).size, 1);
  assertEquals((await open(cookieIn(headers[0]!))).get("n"), 1);
});

Deno.test("after the grace the previous secret opens nothing, and is reported", async () => {
  const { open, look, commit, before, after, clock, events, id } =
    await rotated();
  await commit(await look(after));
  clock.now += GRACE - 1;
  assertEquals((await open(before)).get("n"), 1);
  clock.now += 1;
  const session = await open(before);
  assert(session.isNew);
  assertEquals(await commit(session), "");
  assertEquals(events, [{ type: "reused", sessionId: id }]);
  assertEquals((await open(after)).get("n"), 1);
});

Deno.test("a grace may be a fraction, or centuries", async () => {
  for (const rotateGrace of [0.5, 2 ** 53 - 1]) {
    const { open, look, commit, before, after } = await rotated({
      rotateGrace,
    });
    await commit(await look(after));
    assertEquals((await open(before)).get("n"), 1, String(rotateGrace));
    assertEquals((await open(after)).get("n"), 1, String(rotateGrace));
  }
});

Deno.test("endOnReuse ends the session of a secret that is reused", async () => {
  const { open, look, commit, before, after, clock, store, id } = await rotated(
    { endOnReuse: true },
  );
  await commit(await look(after));
  clock.now += GRACE;
  assert((await open(before)).isNew);
  assertEquals(await store.has(id), false);
  assert((await open(after)).isNew);
});

Deno.test("a commit of a request with the previous secret is refused after the grace", async () => {
  const { open, look, commit, before, after, clock } = await rotated();
  const slow = await open(before);
  await commit(await look(after));
  clock.now += 5 * GRACE;
  // It was handed the new secret when it opened: it goes on with that.
  slow.set("n", 2);
  await commit(slow);
  const { open: open2, look: look2, commit: commit2, begin, clock: clock2 } =
    setUp(OPTIONS);
  const { cookie } = await begin();
  clock2.now += 10 * MINUTE - 1;
  const late = await open2(cookie);
  clock2.now += 1;
  const rotatedTo = cookieIn(await commit2(await look2(cookie)));
  await commit2(await look2(rotatedTo));
  clock2.now += GRACE;
  late.set("n", 3);
  await assertRejects(() => commit2(late), SessionGoneError);
});

Deno.test("regenerate() leaves no way from the old secret to the new one, also after a rotation", async () => {
  const { open, commit, before, after, store, id } = await rotated();
  const session = await open(after);
  session.setUser("ann");
  const signedIn = cookieIn(await commit(session));
  for (const old of [before, after]) assert((await open(old)).isNew);
  assertEquals((await store.load(id))?.previous, undefined);
  assertEquals((await open(signedIn)).user, "ann");
});

Deno.test("a regenerate() under way with the previous secret leaves one valid cookie", async () => {
  const { open, commit, before, after } = await rotated();
  const session = await open(before);
  session.regenerate();
  const now = cookieIn(await commit(session));
  for (const old of [before, after]) assert((await open(old)).isNew);
  assertEquals((await open(now)).get("n"), 1);
});

Deno.test("of two regenerate() at once one is refused, and one cookie is valid", async () => {
  const { open, commit, begin } = setUp();
  const { cookie } = await begin();
  const [one, other] = [await open(cookie), await open(cookie)];
  one.regenerate();
  other.regenerate();
  const kept = cookieIn(await commit(one));
  await assertRejects(() => commit(other), SessionGoneError);
  assertEquals((await open(kept)).get("n"), 1);
});

Deno.test("only a request with the previous secret gets the new one", async () => {
  const { open, commit, before, after, store, id } = await rotated();
  const text = JSON.stringify(await store.load(id));
  for (const cookie of [before, after]) {
    assertEquals(text.includes(cookie.slice(-22)), false);
  }
  const record = (await store.load(id))!;
  // What leads to the new secret, planted in another session, leads nowhere.
  const other = await (async () => {
    const session = await open();
    session.set("n", 9);
    return { id: session.id, cookie: cookieIn(await commit(session)) };
  })();
  const stolen = (await store.load(other.id))!;
  await store.save(other.id, { ...stolen, previous: record.previous! });
  const mixed = `latchkey=${other.id}${before.slice(-22)}`;
  assert((await open(mixed)).isNew);
});

Deno.test("a secret that was replaced twice is unknown", async () => {
  const { open, look, commit, before, after, clock, events } = await rotated();
  clock.now += 10 * MINUTE;
  // The first confirms it, and the next one after the grace rotates anew.
  assertEquals(await commit(await look(after)), "");
  clock.now += MINUTE;
  assertNotEquals(await commit(await look(after)), "");
  assert((await open(before)).isNew);
  assertEquals(events, []);
});
