/** Values of more types than JSON has, by the real codec, `npm:devalue`. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import * as devalue from "npm:devalue@6.0.3";
import * as z from "npm:zod@4.6.7";
import type { SessionRecord } from "../../src/core/record.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { Session } from "../../src/session/session.ts";
import { Browser, serve, STORES } from "./session_server.ts";
import { cookieIn, type Data, setUp } from "./set_up.ts";

const TYPES = { types: devalue };

const VALUES: Readonly<Record<string, unknown>> = {
  date: new Date(86_400_000),
  map: new Map<unknown, unknown>([["a", 1], [2, new Map([["b", [3n]]])]]),
  set: new Set(["a", 1, new Date(0)]),
  // Keys of a map are values: any text will do.
  odd: new Map([['a"\n<', 1], ["\\", 2], ["__proto__", 3]]),
  bigint: 2n ** 70n,
  url: new URL("https://example.org/a?b=c#d"),
  bytes: new Uint8Array([0, 1, 254, 255]),
  regexp: /a+/gi,
  inside: { list: [{ due: new Date(1) }, new Uint8Array(2)] },
  rest: [NaN, Infinity, -0, undefined],
};

Deno.test("types: what JSON cannot hold comes back as it was, as data and as a flash", async () => {
  const { open, commit } = setUp(TYPES);
  const session = await open();
  for (const [key, value] of Object.entries(VALUES)) {
    session.set(key, value);
    session.flash(key, value);
  }
  const cookie = cookieIn(await commit(session));
  const again = await open(cookie);
  assertEquals(Object.fromEntries(again.entries()), VALUES);
  for (const [key, value] of Object.entries(VALUES)) {
    assertEquals(again.flash(key), value, key);
  }
  assertInstanceOf(again.get("url"), URL);
  await commit(again);
  const last = await open(cookie);
  assertEquals(Object.fromEntries(last.entries()), VALUES);
  assertEquals(last.flash("date"), undefined);
});

Deno.test("types: a change inside is noticed, and reading is not a change", async () => {
  const { open, commit, store } = setUp(TYPES);
  const session = await open();
  for (const [key, value] of Object.entries(VALUES)) session.set(key, value);
  const cookie = cookieIn(await commit(session));
  const reader = await open(cookie);
  for (const key of Object.keys(VALUES)) reader.get(key);
  store.takeCalls();
  await commit(reader);
  assertEquals(store.takeCalls(), []);

  const writer = await open(cookie);
  (writer.get("date") as Date).setTime(5);
  (writer.get("map") as Map<string, unknown>).set("new", 1n);
  (writer.get("set") as Set<unknown>).delete("a");
  (writer.get("url") as URL).hash = "#e";
  (writer.get("bytes") as Uint8Array)[0] = 9;
  await commit(writer);
  const after = await open(cookie);
  assertEquals(after.get("date"), new Date(5));
  assertEquals((after.get("map") as Map<string, unknown>).get("new"), 1n);
  assertEquals(after.get("set"), new Set([1, new Date(0)]));
  assertEquals(after.get("url"), new URL("https://example.org/a?b=c#e"));
  assertEquals(after.get("bytes"), new Uint8Array([9, 1, 254, 255]));
  assertEquals(after.get("inside"), VALUES.inside);
});

Deno.test("types: update() gets a copy, and adds up over parallel requests", async () => {
  const { open, commit, begin } = setUp(TYPES);
  const { cookie } = await begin({ total: 0n, seen: new Set() });
  const sessions = await Promise.all(
    Array.from({ length: 20 }, () => open(cookie)),
  );
  for (const [at, session] of sessions.entries()) {
    session.update("total", (total = 0n) => (total as bigint) + 1n);
    session.update("seen", (seen) => (seen as Set<number>).add(at));
    session.set(`at-${at}`, new Date(at));
  }
  await Promise.all(sessions.map(commit));
  const session = await open(cookie);
  assertEquals(session.get("total"), 20n);
  assertEquals((session.get("seen") as Set<number>).size, 20);
  assertEquals(session.get("at-7"), new Date(7));
});

Deno.test("types: JSON values are stored as JSON, the rest as texts whose keys are listed", async () => {
  const { open, commit, store } = setUp(TYPES);
  const session = await open();
  session.set("plain", { a: [1, "~"] });
  // What looks like a text of the codec, and is not.
  session.set("text", '[["Date","1970-01-01T00:00:00.000Z"]]');
  session.set("list", [["Date", "1970-01-01T00:00:00.000Z"]]);
  session.set("date", new Date(0));
  session.flash("note", new Date(0));
  const cookie = cookieIn(await commit(session));
  const { data, typed, flash, typedFlash } = (await store.load(session.id))!;
  const text = '[["Date","1970-01-01T00:00:00.000Z"]]';
  assertEquals(data, {
    plain: { a: [1, "~"] },
    text,
    list: JSON.parse(text),
    date: text,
  });
  assertEquals([typed, flash, typedFlash], [["date"], { note: text }, [
    "note",
  ]]);
  const again = await open(cookie);
  assertEquals(again.get("text"), text);
  assertEquals(again.get("list"), JSON.parse(text));
  assertEquals(again.get("date"), new Date(0));
});

Deno.test("types: a value that changes from JSON to another type, or back, is noticed", async () => {
  const { open, commit, begin } = setUp(TYPES);
  const text = '[[1],["Date","1970-01-01T00:00:00.000Z"]]';
  const { cookie } = await begin({ list: JSON.parse(text) });
  const session = await open(cookie);
  const list = session.get("list") as unknown[];
  // The codec's text of this is the JSON of what it was.
  list.splice(0, 2, new Date(0));
  assertEquals(devalue.stringify(list), text);
  await commit(session);
  assertEquals((await open(cookie)).get("list"), [new Date(0)]);
  list.splice(0, 1, ...JSON.parse(text));
  await commit(session);
  assertEquals((await open(cookie)).get("list"), JSON.parse(text));
});

Deno.test("types: sessions from before the codec load, and change key by key", async () => {
  const { begin, restart, store } = setUp();
  const { id, cookie } = await begin({ n: 1, cart: ["tea"] });
  const manager = restart(TYPES);
  const request = new Request("http://localhost/", { headers: { cookie } });
  const session = await manager.open(request);
  assertEquals(session.get("cart"), ["tea"]);
  session.set("due", new Date(0));
  await manager.commit(session, new Headers());
  assertEquals((await store.load(id))?.typed, ["due"]);
  const again = await manager.open(request);
  assertEquals([...again.entries()], [
    ["n", 1],
    ["cart", ["tea"]],
    ["due", new Date(0)],
  ]);
  again.set("due", "never");
  await manager.commit(again, new Headers());
  assertEquals((await store.load(id))?.typed, undefined);
});

Deno.test("types: without a codec, other types are refused, and a record that holds some gives a new session", async () => {
  const { restart, begin, open, events } = setUp(TYPES);
  const { id, cookie } = await begin({ due: new Date(0) });
  const request = new Request("http://localhost/", { headers: { cookie } });
  assert((await restart().open(request)).isNew);
  const [event] = events;
  assert(event?.type === "invalid");
  assertEquals(event.sessionId, id);
  assertStringIncludes(event.error.message, "types");
  // The record is as it was.
  assertEquals((await open(cookie)).get("due"), new Date(0));
  assertThrows(() => new Session().set("due", new Date(0)), TypeError);
});

Deno.test("types: a manager of data that JSON cannot hold does not compile without a codec", async () => {
  interface Order {
    due: Date;
    note?: string;
  }
  const { store } = setUp();
  new SessionManager<Order>({ store, ...TYPES });
  // @ts-expect-error: a Date.
  const manager = new SessionManager<Order>({ store });
  const session = await manager.open(new Request("http://localhost/"));
  assertThrows(() => session.set("due", new Date(0)), TypeError, "types");
  // @ts-expect-error: a Date.
  new SessionManager<{ due?: Date | null }>({ store });
  // @ts-expect-error: a bigint.
  new SessionManager<{ cents: bigint }>({ store, types: undefined });
  // @ts-expect-error: a Map.
  new SessionManager<{ seen: Map<string, number> }>({ store });
  const schema = z.object({ due: z.date().optional() });
  new SessionManager({ store, schema, ...TYPES });
  // @ts-expect-error: a Date.
  new SessionManager({ store, schema });
  new SessionManager<{ note: Pick<Order, "note">; rest?: unknown }>({ store });
  new SessionManager<Record<string, unknown>>({ store });
});

Deno.test("types: what neither JSON nor the codec can hold is refused, and never shown", () => {
  class Card {
    number = "4711";
  }
  const session = new Session<Data>(TYPES);
  session.set("kept", new Date(0));
  let deep: unknown = new Date(0);
  for (let level = 0; level < 1_000_000; level++) deep = [deep];
  for (
    const value of [
      undefined,
      () => 4711,
      Symbol("4711"),
      new Card(),
      new Map([["4711", new Card()]]),
      Promise.resolve(4711),
      { [Symbol("4711")]: new Date(0) },
      deep,
      // Keys of objects that its text would have to escape, or cannot hold.
      [new Date(0), { "a\n": 1 }],
      [new Date(0), JSON.parse('{"__proto__":1}')],
    ]
  ) {
    for (
      const act of [
        () => session.set("kept", value as Data[string]),
        () => session.flash("kept", value),
        () => session.update("kept", () => value as Data[string]),
      ]
    ) {
      const error = assertThrows(act, TypeError, "Cannot keep");
      assertFalse(Deno.inspect(error).includes("4711"));
    }
  }
  assertEquals(session.get("kept"), new Date(0));
});

Deno.test("types: a commit fails on what cannot be kept inside a value, and the record is as it was", async () => {
  const { open, commit, begin } = setUp(TYPES);
  const { cookie } = await begin({ map: new Map([["a", 1]]) });
  const session = await open(cookie);
  (session.get("map") as Map<string, unknown>).set("f", () => 0);
  let problem: unknown;
  try {
    await commit(session);
  } catch (error) {
    problem = error;
  }
  assertInstanceOf(problem, TypeError);
  assertEquals((await open(cookie)).get("map"), new Map([["a", 1]]));
});

const HOSTILE: Readonly<Record<string, Partial<SessionRecord>>> = {
  "no JSON": { data: { a: "[[" }, typed: ["a"] },
  "an empty text": { data: { a: "" }, typed: ["a"] },
  "no text": { data: { a: [1] }, typed: ["a"] },
  "a key that is not there": { data: { a: 1 }, typed: ["b"] },
  "a name of a prototype": { data: { a: 1 }, typed: ["__proto__"] },
  "undefined": { data: { a: "-1" }, typed: ["a"] },
  "an index that leads nowhere": { data: { a: "[[7]]" }, typed: ["a"] },
  "an unknown type": { data: { a: '[["Function","x"]]' }, typed: ["a"] },
  "a method of arrays": { data: { a: '[["push",1]]' }, typed: ["a"] },
  "a prototype": {
    data: { a: '[{"__proto__":1},{"polluted":2},true]' },
    typed: ["a"],
  },
  "an escaped key": { data: { a: '[{"x\\n":1},2]' }, typed: ["a"] },
  "no URL": { data: { a: '[["URL","no url"]]' }, typed: ["a"] },
  "no number": { data: { a: '[["BigInt","x"]]' }, typed: ["a"] },
  "no Base64": { data: { a: '[["Uint8Array","%"]]' }, typed: ["a"] },
  "a hostile flash": { flash: { a: "[[" }, typedFlash: ["a"] },
  "a flash that is not there": { typedFlash: ["a"] },
};

for (const [what, members] of Object.entries(HOSTILE)) {
  Deno.test(`types: a stored text that is ${what} gives a new session, never an error`, async () => {
    const { open, begin, store, events } = setUp(TYPES);
    const { id, cookie } = await begin({ n: 1 });
    const record = (await store.load(id))!;
    await store.save(id, { ...record, ...members });
    const session = await open(cookie);
    assert(session.isNew, Deno.inspect([...session.entries()]));
    assertEquals(events.map(({ type }) => type), ["invalid"]);
    assertFalse(Deno.inspect(events).includes("[["));
    assertEquals(({} as { polluted?: unknown }).polluted, undefined);
  });
}

Deno.test("types: sealed, the store sees no value", async () => {
  const { open, commit, store } = setUp({ ...TYPES, seal: true });
  const session = await open();
  session.set("due", new Date(0));
  session.flash("note", new Date(0));
  const cookie = cookieIn(await commit(session));
  const text = JSON.stringify(await store.load(session.id));
  for (const hidden of ["due", "note", "Date", "typed"]) {
    assertFalse(text.includes(hidden), hidden);
  }
  const again = await open(cookie);
  assertEquals(again.get("due"), new Date(0));
  assertEquals(again.flash("note"), new Date(0));
});

Deno.test("types: any codec of that shape is accepted, also one with methods", async () => {
  class Dates {
    readonly #mark = "date ";
    stringify(value: unknown): string {
      if (value instanceof Date) return this.#mark + value.getTime();
      throw new Error("not a date");
    }
    parse(text: string): unknown {
      return new Date(Number(text.slice(this.#mark.length)));
    }
  }
  const { begin, open } = setUp({ types: new Dates() });
  const { cookie } = await begin({ due: new Date(7), n: 1 });
  assertEquals((await open(cookie)).get("due"), new Date(7));
  assertThrows(
    () => new Session<Data>({ types: new Dates() }).set("a", new Map()),
    TypeError,
  );
  for (const types of [null, {}, { parse() {} }, "devalue"]) {
    const { store } = setUp();
    assertThrows(
      () => new SessionManager({ store, types: types as never }),
      TypeError,
      "types has no stringify and parse",
    );
  }
});

for (const medium of STORES) {
  Deno.test(`types: parallel requests change one key of a map and other keys, over sockets: ${medium}`, async () => {
    await using server = await serve(medium, {
      "/begin": (session) => {
        session.set("seen", new Map());
        return new Response();
      },
      "/see": (session, { url }) => {
        const at = Number(new URL(url).search.slice(1));
        session.set(`at-${at}`, new Date(at));
        session.update("seen", (seen) => {
          return (seen as Map<number, bigint>).set(at, BigInt(at));
        });
        return new Response();
      },
      "/tell": (session) =>
        new Response(devalue.stringify(Object.fromEntries(session.entries()))),
    }, TYPES);
    const browser = new Browser(server);
    await browser.get("/begin");
    const places = Array.from({ length: 30 }, (_, at) => at);
    await Promise.all(
      places.map((at) => new Browser(server, browser.cookie).get(`/see?${at}`)),
    );
    assertEquals(devalue.parse(await browser.get("/tell")), {
      seen: new Map(places.map((at) => [at, BigInt(at)])),
      ...Object.fromEntries(places.map((at) => [`at-${at}`, new Date(at)])),
    });
  });
}
