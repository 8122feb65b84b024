import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { JsonObject, SessionRecord } from "../../src/core/record.ts";
import { Session, stateOf } from "../../src/session/session.ts";
import { ID } from "../constants.ts";

/** A session that a store had, with this much in its record. */
function open(
  record: Partial<SessionRecord> = {},
  now: () => number = () => 5_000,
): Session {
  const stored = {
    id: ID,
    record: { data: {}, createdAt: 1_000, ...record },
    lastAccess: 2_000,
  };
  return new Session({ stored, now });
}

/** Does to a record what was done to a session, as a commit does. */
function commitTo(
  session: Session,
  record: Partial<SessionRecord> = {},
): SessionRecord | undefined {
  const state = stateOf(session);
  const change = state.begin();
  state.unlock();
  assert(change !== undefined, "nothing was changed");
  const fresh = { data: {}, createdAt: 1_000, ...record };
  const before = JSON.stringify(fresh);
  const after = change.apply(structuredClone(fresh), undefined);
  assertEquals(
    change.apply(JSON.parse(before), undefined),
    after,
    "not repeatable",
  );
  return after;
}

function commitData(session: Session, data: JsonObject): unknown {
  return commitTo(session, { data })?.data;
}

function isChanged(session: Session): boolean {
  const state = stateOf(session);
  const change = state.begin();
  state.unlock();
  return change !== undefined;
}

/** An object as JSON reads it, in which "__proto__" is a key like any other. */
function parse(text: string): JsonObject {
  return JSON.parse(text);
}

Deno.test("Session is new and empty when no store had it", () => {
  const session = new Session({ now: () => 5_000 });
  assert(session.isNew);
  assertFalse(session.hasInfo);
  assertEquals(session.user, null);
  assertEquals([...session.keys()], []);
  assertEquals([...session.entries()], []);
  assertEquals([session.createdAt, session.lastAccess], [5_000, 5_000]);
  assertMatch(session.id, /^[0-9a-f]{32}$/);
  assertEquals(session.id, session.id);
  assertNotEquals(session.id, new Session().id);
  assertFalse(isChanged(session));
});

Deno.test("Session shows what a store had", () => {
  const session = open({ data: { a: 1, b: null }, user: "ann" });
  assertFalse(session.isNew);
  assert(session.hasInfo);
  assertEquals(session.id, ID);
  assertEquals(session.user, "ann");
  assertEquals(session.get("a"), 1);
  assertEquals(session.get("b"), null);
  assertEquals(session.get("c"), undefined);
  assertEquals([session.has("a"), session.has("c")], [true, false]);
  assertEquals([...session.keys()], ["a", "b"]);
  assertEquals([...session.entries()], [["a", 1], ["b", null]]);
  assertFalse(isChanged(session));
});

Deno.test("Session tells its ages by the clock it was given, from 0 up", () => {
  let now = 5_000;
  const session = open({}, () => now);
  assertEquals([session.createdAt, session.lastAccess], [1_000, 2_000]);
  assertEquals([session.creationAge, session.accessAge], [4_000, 3_000]);
  now = 500;
  assertEquals([session.creationAge, session.accessAge], [0, 0]);
});

Deno.test("Session notes every access, and nothing else", () => {
  const looks: ((session: Session) => unknown)[] = [
    (session) => session.id,
    (session) => session.isNew,
    (session) => session.hasInfo,
    (session) => session.user,
    (session) => session.createdAt,
    (session) => session.lastAccess,
    (session) => session.creationAge,
    (session) => session.accessAge,
    (session) => session.get("a"),
    (session) => session.has("a"),
    (session) => session.keys(),
    (session) => session.entries(),
    (session) => session.set("a", 1),
    (session) => session.delete("a"),
    (session) => session.update("a", () => 1),
    (session) => session.clear(),
    (session) => session.setUser(null),
    (session) => session.flash("a"),
    (session) => session.flash("a", 1),
    (session) => session.createFormToken(),
    (session) => session.hasFormToken("a"),
    (session) => session.removeFormToken("a"),
    (session) => session.regenerate(),
    (session) => session.destroy(),
  ];
  for (const look of looks) {
    const session = open();
    Deno.inspect(session);
    assertFalse(stateOf(session).isUsed);
    look(session);
    assert(stateOf(session).isUsed, look.toString());
  }
});

Deno.test("Session does not count reading as a change", () => {
  const session = open({
    data: { list: [1], text: "x" },
    flash: { a: 1 },
    formTokens: ["t"],
  });
  session.get("list");
  session.get("text");
  for (const _ of session.entries());
  session.flash("b");
  session.hasFormToken("t");
  session.removeFormToken("u");
  session.delete("none");
  session.setUser(null);
  assertFalse(isChanged(session));
});

Deno.test("set() and delete() change their key and no other", () => {
  const session = open({ data: { a: 1, b: 1, c: 1 } });
  session.set("a", 2);
  assert(session.delete("b"));
  assertFalse(session.delete("b"));
  session.set("d", { x: 1 });
  assertEquals(Object.fromEntries(session.entries()), {
    a: 2,
    c: 1,
    d: { x: 1 },
  });
  assertEquals(commitData(session, { a: 9, b: 9, c: 9, e: 9 }), {
    a: 2,
    c: 9,
    e: 9,
    d: { x: 1 },
  });
});

Deno.test("set() to the same value is a change", () => {
  const session = open({ data: { a: 1 } });
  session.set("a", 1);
  assertEquals(commitData(session, { a: 9 }), { a: 1 });
});

Deno.test("set() refuses what JSON cannot hold, and keeps the old value", () => {
  const session = open({ data: { a: 1 } });
  for (const value of [undefined, 1n, () => 1, NaN, new Date(), { x: [1n] }]) {
    assertThrows(() => session.set("a", value), TypeError, 'Cannot keep "a"');
    assertThrows(() => session.update("a", () => value), TypeError);
    assertThrows(() => session.flash("a", value), TypeError, 'flash "a"');
  }
  assertThrows(
    () => session.set(1 as unknown as string, 1),
    TypeError,
    "not a string",
  );
  assertEquals(session.get("a"), 1);
  assertFalse(isChanged(session));
});

Deno.test("a change inside a value that was set or returned is noticed", () => {
  const data = { got: [1], listed: { x: 1 }, other: [1] };
  const session = open({ data });
  const given = { y: 1 };
  session.set("set", given);
  given.y = 2;
  (session.get("got") as number[]).push(2);
  const listed = [...session.entries()].find(([key]) => key === "listed")!;
  (listed[1] as { x: number }).x = 2;
  assertStrictEquals(session.get("set"), given);
  assertEquals(commitData(session, { got: 9, listed: 9, other: 9 }), {
    got: [1, 2],
    listed: { x: 2 },
    other: 9,
    set: { y: 2 },
  });
});

Deno.test("a change inside a value that JSON cannot hold is refused at commit", () => {
  const session = open({ data: { a: [1], b: 1 } });
  (session.get("a") as unknown[]).push(1n);
  session.set("b", 2);
  for (let i = 0; i < 2; i++) {
    assertThrows(
      () => stateOf(session).begin(),
      TypeError,
      'Cannot keep "a" in a session: [1] is a bigint',
    );
  }
  session.set("a", []);
  assertEquals(commitData(session, {}), { a: [], b: 2 });
});

Deno.test("a change inside a value that JSON leaves out is no change, and refused beside another", () => {
  const session = open({ data: { a: { x: 1 } } });
  const a = session.get("a") as Record<string, unknown>;
  a.left = undefined;
  assertEquals(stateOf(session).begin(), undefined);
  a.x = 2;
  assertThrows(
    () => stateOf(session).begin(),
    TypeError,
    'Cannot keep "a" in a session: .left is undefined',
  );
});

Deno.test("a commit shares no object with what was set or returned", () => {
  const session = open({ data: { a: [1] } });
  const given = { x: 1 };
  session.set("b", given);
  const got = session.get("a") as number[];
  got.push(2);
  const kept = commitTo(session)!;
  got.push(3);
  given.x = 2;
  assertEquals(kept.data, { a: [1, 2], b: { x: 1 } });
});

Deno.test("update() runs again on the value in the record", () => {
  const session = open({ data: { n: 1 } });
  const add = (n: unknown) => Number(n ?? 0) + 1;
  assertEquals(session.update("n", add), 2);
  assertEquals(session.update("n", add), 3);
  assertEquals(session.update("m", add), 1);
  assertEquals(commitData(session, { n: 10 }), { n: 12, m: 1 });
  assertEquals(commitData(session, {}), { n: 2, m: 1 });
});

Deno.test("update() after a set or delete is part of that change", () => {
  const session = open({ data: { a: 1, b: 1, c: [1] } });
  session.set("a", 5);
  session.update("a", (n) => Number(n) + 1);
  session.delete("b");
  session.update("b", (n) => [n === undefined]);
  (session.get("c") as number[]).push(2);
  session.update("c", (list) => [...list as number[], 3]);
  assertEquals(commitData(session, { a: 9, b: 9, c: [9] }), {
    a: 6,
    b: [true],
    c: [1, 2, 3],
  });
});

Deno.test("update() may change the value it is given, which is a copy", () => {
  const session = open({ data: { list: [1] } });
  const before = session.get("list");
  const push = (list: unknown) => {
    (list as number[]).push(2);
    return list;
  };
  assertEquals(session.update("list", push), [1, 2]);
  assertEquals(before, [1]);
  assertEquals(commitData(session, { list: [7] }), { list: [7, 2] });
});

Deno.test("a change inside what update() returned counts as a set", () => {
  const session = open({ data: { list: [1] } });
  const list = session.update("list", (list) => [...list as number[], 2]);
  (list as number[]).push(3);
  assertEquals(commitData(session, { list: [7] }), { list: [1, 2, 3] });
});

Deno.test("an update() that throws changes nothing", () => {
  const session = open({ data: { list: [1] } });
  assertThrows(() =>
    session.update("list", (list) => {
      (list as number[]).push(2);
      throw new RangeError("no");
    }), RangeError);
  assertEquals(session.get("list"), [1]);
  assertFalse(isChanged(session));
});

Deno.test("update() refuses what JSON cannot hold at commit, too", () => {
  const session = open({ data: { n: 1 } });
  session.update("n", (n) => n === 1 ? 2 : [undefined]);
  assertThrows(
    () => commitData(session, { n: 5 }),
    TypeError,
    'Cannot keep "n" in a session: [0] is undefined',
  );
});

Deno.test("clear() removes all keys, and keys set after it stay", () => {
  const session = open({ data: { a: 1, b: 1 }, user: "ann" });
  session.set("c", 1);
  session.clear();
  assertEquals([...session.keys()], []);
  session.set("a", 2);
  session.update("b", (n) => [n === undefined]);
  assertEquals(Object.fromEntries(session.entries()), { a: 2, b: [true] });
  assertEquals(commitTo(session, { data: { b: 9, z: 9 }, user: "ann" }), {
    createdAt: 1_000,
    data: { a: 2, b: [true] },
    user: "ann",
  });
});

Deno.test("keys like __proto__ and constructor are keys like any other", () => {
  const session = open();
  for (const key of ["__proto__", "constructor", "toString"]) {
    assertEquals(session.get(key), undefined);
    assertFalse(session.has(key));
    assertEquals(session.flash(key), undefined);
    session.set(key, { x: 1 });
    session.flash(key, 1);
  }
  session.update("hasOwnProperty", (value) => [value === undefined]);
  const kept = commitTo(session)!;
  assertEquals(
    JSON.stringify(kept.data),
    '{"__proto__":{"x":1},"constructor":{"x":1},"toString":{"x":1},"hasOwnProperty":[true]}',
  );
  assertEquals(
    JSON.stringify(kept.flash),
    '{"__proto__":1,"constructor":1,"toString":1}',
  );
  const again = open(kept);
  assertEquals(again.get("__proto__"), { x: 1 });
  assertEquals(again.flash("__proto__"), 1);
  assert(again.delete("__proto__"));
  const data = parse('{"__proto__":{"x":1},"a":{"__proto__":2}}');
  assertEquals(
    JSON.stringify(commitData(again, data)),
    '{"a":{"__proto__":2}}',
  );
  assertEquals(({} as Record<string, unknown>)["x"], undefined);
});

Deno.test("setUser() signs in, also the same user again, with a new secret", () => {
  for (const user of [undefined, "ann"]) {
    const record = { data: { a: 1 }, ...(user && { user, signedInAt: 1_500 }) };
    const session = open(record);
    assertEquals(session.signedInAt, user ? 1_500 : null);
    session.setUser("ann");
    assertEquals([session.user, session.signedInAt], ["ann", 5_000]);
    assertEquals([session.id, session.get("a")], [ID, 1]);
    const change = stateOf(session).begin()!;
    stateOf(session).unlock();
    assert(change.isRegenerated);
    assertEquals([change.isEnded, change.login], [false, "ann"]);
    assertEquals(commitTo(session, record), {
      ...record,
      createdAt: 1_000,
      user: "ann",
      signedInAt: 5_000,
    });
  }
});

Deno.test("setUser() lets the absolute timeout of the session's own lifetime begin anew", () => {
  const session = open({ absoluteTimeout: 100, expiresAt: 5_001 });
  session.setUser("ann");
  const record = commitTo(session, { absoluteTimeout: 100, expiresAt: 5_001 });
  assertEquals(record!.expiresAt, 5_100);
  session.setLifetime({ absoluteTimeout: 7 });
  assertEquals(commitTo(session)!.expiresAt, 5_007);
});

Deno.test("setUser() of another user begins a new session, with the label and lifetime of this request", () => {
  for (const isBefore of [true, false]) {
    const session = open({ data: { a: 1 }, user: "ann", label: "Ann's" });
    session.set("b", 1);
    const prepare = () => {
      session.setLabel("a phone");
      session.setLifetime({ idleTimeout: 9 });
    };
    if (isBefore) prepare();
    session.setUser("bob");
    if (!isBefore) prepare();
    session.set("c", 1);
    assertNotEquals(session.id, ID);
    assert(session.isNew);
    assertEquals([...session.keys()], ["c"]);
    assert(stateOf(session).begin()!.isEnded);
    stateOf(session).unlock();
    assertEquals(commitTo(session), {
      data: { c: 1 },
      createdAt: 1_000,
      user: "bob",
      signedInAt: 5_000,
      label: "a phone",
      idleTimeout: 9,
    });
  }
  const session = open({ user: "ann", label: "Ann's" });
  session.setUser("bob");
  assertEquals(session.label, null);
});

Deno.test("setUser(null) is destroy() when a user is signed in, and nothing otherwise", () => {
  const session = open({ data: { a: 1 } });
  session.setUser(null);
  assertFalse(isChanged(session));
  session.setUser("ann");
  session.setUser(null);
  assertEquals([session.user, session.hasInfo], [null, false]);
  assert(stateOf(session).begin()!.isEnded);
});

Deno.test("setUser() refuses what is not a name", () => {
  for (const user of ["", undefined, 1, {}]) {
    assertThrows(() => open().setUser(user as string), TypeError, "name");
  }
});

Deno.test("flash() reads once what an earlier request left", () => {
  const session = open({ flash: { a: [1] } });
  assert(session.hasInfo);
  assertEquals(session.flash("a"), [1]);
  assertEquals(session.flash("a"), undefined);
  assertFalse(session.hasInfo);
  assertEquals(commitTo(session, { flash: { a: [1] } })!.flash, undefined);
});

Deno.test("flash() leaves a value for the next request and not for this one", () => {
  const session = open();
  const value = { x: 1 };
  session.flash("a", value);
  value.x = 2;
  assert(session.hasInfo);
  assertEquals(session.flash("a"), undefined);
  assertEquals(commitTo(session)!.flash, { a: { x: 1 } });
});

Deno.test("flash() keeps what other requests left under the same key meanwhile", () => {
  const session = open({ flash: { a: 1, b: 1 } });
  session.flash("a");
  session.flash("b");
  session.flash("b", 5);
  const flash = { a: 2, b: 1, c: 3 };
  assertEquals(commitTo(session, { flash })!.flash, { a: 2, b: 5, c: 3 });
});

Deno.test("createFormToken() makes a token that is valid once, until it is removed", () => {
  const session = open({ formTokens: ["old"] });
  const token = session.createFormToken();
  assertMatch(token, /^[\w-]{22}$/);
  assertNotEquals(token, session.createFormToken());
  assert(session.hasFormToken(token) && session.hasFormToken("old"));
  assert(session.removeFormToken(token) && session.removeFormToken("old"));
  assertFalse(session.removeFormToken(token) || session.removeFormToken("old"));
  assertFalse(session.hasFormToken(token) || session.hasFormToken("old"));
  const formTokens = ["old", "other"];
  const kept = commitTo(session, { formTokens })!.formTokens!;
  assertEquals([kept.length, kept[0]], [2, "other"]);
});

Deno.test("createFormToken() drops the oldest of more than 32", () => {
  const old = Array.from({ length: 31 }, (_, i) => `old${i}`);
  const session = open({ formTokens: old });
  const tokens = [session.createFormToken(), session.createFormToken()];
  assertFalse(session.hasFormToken("old0"));
  assert(session.hasFormToken("old1"));
  const kept = commitTo(session, { formTokens: [...old, "other"] });
  assertEquals(kept!.formTokens, [...old.slice(2), "other", ...tokens]);
  for (let i = 0; i < 40; i++) tokens.push(session.createFormToken());
  assertEquals(commitTo(session)!.formTokens, tokens.slice(-32));
});

Deno.test("destroy() goes on with a new, empty session", () => {
  const session = open({
    data: { a: 1 },
    user: "ann",
    signedInAt: 1_000,
    label: "a phone",
    flash: { a: 1 },
    formTokens: ["t"],
  });
  session.flash("bye", "early");
  session.setLabel("early");
  session.destroy();
  const { id } = session;
  assertNotEquals(id, ID);
  assertEquals([session.createdAt, session.lastAccess], [5_000, 5_000]);
  assertEquals([session.user, session.signedInAt], [null, null]);
  assertEquals([session.isNew, session.hasInfo, session.label], [
    true,
    false,
    null,
  ]);
  assertEquals(session.get("a"), undefined);
  assertEquals([...session.keys()], []);
  assertEquals(session.flash("a"), undefined);
  assertFalse(session.hasFormToken("t"));
  session.flash("bye", "late");
  session.set("a", 2);
  assertEquals(session.id, id);
  assert(stateOf(session).begin()!.isEnded);
  stateOf(session).unlock();
  assertEquals(commitTo(session), {
    data: { a: 2 },
    createdAt: 1_000,
    flash: { bye: "late" },
  });
});

Deno.test("destroy() of a new session begins another", () => {
  const session = new Session();
  const { id } = session;
  session.set("a", 1);
  session.destroy();
  assertNotEquals(session.id, id);
  assertFalse(isChanged(session));
});

Deno.test("a session that is being committed takes no changes", () => {
  const session = open();
  session.set("a", 1);
  const state = stateOf(session);
  state.begin();
  assertThrows(() => session.set("b", 1), TypeError, "being committed");
  assertThrows(() => state.begin(), TypeError, "being committed");
  state.unlock();
  session.set("b", 1);
  assertEquals(commitData(session, {}), { a: 1, b: 1 });
});

Deno.test("a value that was returned stays the same object after a commit", () => {
  const session = open({ data: { mine: [1], ours: [1] } });
  const mine = session.get("mine") as number[];
  const ours = session.get("ours") as number[];
  mine.push(2);
  ours.push(2);
  const state = stateOf(session);
  const kept = state.begin()!.apply(
    { data: {}, createdAt: 1_000 },
    undefined,
  )!;
  const record = { ...kept, data: { ...kept.data, ours: [7] } };
  state.finish({ id: ID, record });
  state.unlock();
  assertStrictEquals(session.get("mine"), mine);
  assertEquals(session.get("ours"), [7]);
  assertFalse(isChanged(session));
  mine.push(3);
  assertEquals(commitData(session, {}), { mine: [1, 2, 3] });
});

Deno.test("Deno.inspect() shows the ID and the keys, never a value", () => {
  const session = open({
    data: { card: "4711", "a\n": { deep: "4712" } },
    user: "ann4713",
    secretHash: "4714",
    flash: { f: "4715" },
    formTokens: ["4716"],
  });
  const text = Deno.inspect({ session });
  assertEquals(text, `{ session: Session ${ID} { "card", "a\\n" } }`);
  assertEquals(Deno.inspect(new Session()), "Session (new) {  }");
  assertEquals(JSON.stringify(session), "{}");
});
