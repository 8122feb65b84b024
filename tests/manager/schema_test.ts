/** Data that a schema checks, with the real Zod and Valibot. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import * as v from "npm:valibot@1.5.0";
import * as z from "npm:zod@4.6.7";
import { SessionDataError } from "../../src/core/errors.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { SchemaResult } from "../../src/manager/standard_schema.ts";
import { MINUTE } from "../constants.ts";
import { Browser, serve, STORES } from "./session_server.ts";
import { cookieIn, requestWith, setUp } from "./set_up.ts";

const ZOD = z.object({
  n: z.number().optional(),
  cart: z.array(z.string()).max(3).optional(),
});
const VALIBOT = v.object({
  n: v.optional(v.number()),
  cart: v.optional(v.pipe(v.array(v.string()), v.maxLength(3))),
});
const SCHEMAS = [["Zod", ZOD], ["Valibot", VALIBOT]] as const;

/** A schema by hand. */
function schemaOf(validate: (value: unknown) => unknown) {
  return {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: validate as (value: unknown) => SchemaResult,
    },
  } as const;
}

/** Wants a text under `name`. */
const NAMED = schemaOf((value) => {
  const { name } = value as { name?: unknown };
  return typeof name === "string"
    ? { value }
    : { issues: [{ message: `bad: ${name}`, path: [{ key: "name" }] }] };
});

for (const [name, schema] of SCHEMAS) {
  Deno.test(`${name}: a commit of invalid data is refused, and the record is as it was`, async () => {
    const { open, commit, begin, store } = setUp({ schema });
    const { id, cookie } = await begin({ n: 1, cart: ["tea"] });
    const before = await store.load(id);
    const session = await open(cookie);
    session.set("n", "a private text" as unknown as number);
    session.update("cart", (cart = []) => [...cart, 4711 as never]);
    const error = await assertRejects(() => commit(session), SessionDataError);
    assertEquals(error.sessionId, id);
    assertEquals(error.paths, [["n"], ["cart", 1]]);
    assertEquals(
      error.message,
      `Cannot use the data of session ${id}: it does not fit the schema at .n, .cart[1]`,
    );
    assertFalse(/private|4711/.test(Deno.inspect(error)));
    assertEquals(await store.load(id), before);

    // It still holds its changes, and can be put right.
    session.set("n", 2);
    session.set("cart", []);
    await commit(session);
    assertEquals((await open(cookie)).get("n"), 2);
  });
}

Deno.test("schema: a new session with invalid data never reaches the store", async () => {
  const { open, commit, store } = setUp({ schema: ZOD });
  const session = await open();
  session.set("n", "1" as unknown as number);
  await assertRejects(() => commit(session), SessionDataError);
  assertEquals(store.takeCalls(), []);
});

Deno.test("schema: the merged data has to be valid", async () => {
  const { open, commit, begin, store } = setUp({ schema: ZOD });
  const { id, cookie } = await begin({ cart: [] });
  const sessions = await Promise.all(
    ["a", "b", "c", "d", "e"].map(async (name) => {
      const session = await open(cookie);
      session.update("cart", (cart = []) => [...cart, name]);
      return session;
    }),
  );
  const results = await Promise.allSettled(sessions.map(commit));
  const failed = results.filter(({ status }) => status === "rejected");
  assertEquals(failed.length, 2);
  for (const result of failed) {
    assertInstanceOf(
      (result as PromiseRejectedResult).reason,
      SessionDataError,
    );
  }
  assertEquals((await store.load(id))?.data.cart, ["a", "b", "c"]);

  // What would not fit alone, and does by what another has done meanwhile.
  const slow = await open(cookie);
  slow.update("cart", (cart = []) => [...cart, "f"]);
  const quick = await open(cookie);
  quick.set("cart", []);
  await commit(quick);
  await commit(slow);
  assertEquals((await store.load(id))?.data.cart, ["f"]);
});

Deno.test("schema: empty data is valid, whatever is required", async () => {
  const { open, commit, manager } = setUp({ schema: NAMED });
  const session = await open();
  session.setUser("ann");
  const token = session.createFormToken();
  const cookie = cookieIn(await commit(session));
  const again = await open(cookie);
  assertEquals(again.user, "ann");
  assert(await manager.consumeFormToken(again, token));
  again.set("other", 1);
  await assertRejects(() => commit(again), SessionDataError);
});

Deno.test("schema: invalid stored data gives a new session and an event, and stays as it is", async () => {
  const { begin, restart, open, events, store } = setUp();
  const { id, cookie } = await begin({ cart: ["a", "b", "c", "d"] });
  const before = await store.load(id);
  const manager = restart({ schema: ZOD });
  const session = await manager.open(requestWith(cookie));
  assert(session.isNew);
  assertEquals(session.user, null);
  assertEquals([...session.keys()], []);
  const [event] = events;
  assert(event?.type === "invalid" && events.length === 1);
  assertEquals(event.sessionId, id);
  assertEquals(event.error.paths, [["cart"]]);
  session.set("n", 1);
  const headers = new Headers();
  await manager.commit(session, headers);
  assertFalse(headers.get("set-cookie")!.includes(id));
  assertEquals(await store.load(id), before);
  assertEquals((await open(cookie)).get("cart"), ["a", "b", "c", "d"]);
});

Deno.test('schema: onInvalid: "throw" makes open() throw', async () => {
  const { begin, restart, events } = setUp();
  const { id, cookie } = await begin({ n: "1" as unknown as number });
  const manager = restart({ schema: ZOD, onInvalid: "throw" });
  const error = await assertRejects(
    () => manager.open(requestWith(cookie)),
    SessionDataError,
  );
  assertEquals([error.sessionId, error.paths], [id, [["n"]]]);
  assertEquals(events, []);
});

Deno.test("schema: a session whose data is no longer valid can be destroyed", async () => {
  const { begin, open, commit, store } = setUp({ schema: NAMED });
  const { id, cookie } = await begin({ name: "ann" });
  const session = await open(cookie);
  const record = (await store.load(id))!;
  await store.save(id, { ...record, data: { name: 1 } });
  session.destroy();
  await commit(session);
  assertFalse(await store.has(id));
});

Deno.test("schema: a promise is refused with a TypeError, also if it rejects later", async () => {
  for (
    const answer of [
      () => Promise.resolve({ value: {} }),
      () => Promise.reject(new Error("later")),
    ]
  ) {
    const { open, commit } = setUp({ schema: schemaOf(answer) });
    const session = await open();
    session.set("n", 1);
    const error = await assertRejects(() => commit(session), TypeError);
    assert(error.message.includes("promise"));
  }
  const schema = v.pipeAsync(
    v.object({}),
    v.checkAsync(() => Promise.resolve(true)),
  );
  const { open, commit, restart, begin } = setUp();
  const { cookie } = await begin();
  await commit(await open());
  await assertRejects(
    () => restart({ schema }).open(requestWith(cookie)),
    TypeError,
  );
});

Deno.test("schema: an error of the schema is the cause of the SessionDataError", async () => {
  const cause = new Error("no such member");
  const schema = schemaOf(() => {
    throw cause;
  });
  const { begin, restart, events, open } = setUp();
  const { cookie } = await begin();
  const manager = restart({ schema });
  assert((await manager.open(requestWith(cookie))).isNew);
  assert(events[0]?.type === "invalid");
  assertEquals(events[0].error.cause, cause);
  assertEquals((await open(cookie)).get("n"), 1);
});

Deno.test("schema: the error has paths of any kind, the first ten in its message", async () => {
  const path = ["list", 0, { key: "a b" }, Symbol("s"), "x".repeat(100)];
  const issues = Array.from({ length: 11 }, () => ({ message: "", path }));
  const schema = schemaOf(() => ({ issues: [{ message: "" }, ...issues] }));
  const { open, commit } = setUp({ schema });
  const session = await open();
  session.set("n", 1);
  const error = await assertRejects(() => commit(session), SessionDataError);
  assertEquals(error.paths.length, 12);
  assertEquals(error.paths[0], []);
  assertEquals(error.paths[1], [
    "list",
    0,
    "a b",
    "Symbol(s)",
    "x".repeat(100),
  ]);
  assert(error.message.includes('.list[0]["a b"]["Symbol(s)"]["xxx'));
  assert(error.message.endsWith(", …") && error.message.length < 1_000);
});

Deno.test("schema: a manager learns the type of its data from it", async () => {
  const { store } = setUp();
  for (const schema of [ZOD, VALIBOT]) {
    const manager = new SessionManager({ store, schema });
    const session = await manager.open(new Request("http://localhost/"));
    session.set("cart", ["tea"]);
    const cart: string[] | undefined = session.get("cart");
    assertEquals(cart, ["tea"]);
    // @ts-expect-error: there is no such key.
    session.set("other", 1);
    // @ts-expect-error: it is a number.
    session.set("n", "1");
  }
  const schema = z.object({ other: z.string() });
  // @ts-expect-error: the schema is for other data.
  new SessionManager<{ other: number }>({ store, schema });
});

/** Version 2 of NAMED, which was `{ first, last }` once. */
const MIGRATING: Partial<SessionManagerOptions> = {
  schema: NAMED,
  version: 2,
  migrate: ({ first, last, ...rest }, from) => ({
    ...rest,
    name: `${first} ${last}`,
    from,
  }),
};

Deno.test("migrate: older data is migrated for the request, and kept at the next commit", async () => {
  const { begin, restart, store } = setUp({ touchAfter: Infinity });
  const { id, cookie } = await begin({ first: "Ann", last: "Lee", n: 1 });
  const before = await store.load(id);
  const manager = restart({ ...MIGRATING, touchAfter: Infinity });
  const reader = await manager.open(requestWith(cookie));
  assertEquals(reader.get("name"), "Ann Lee");
  await manager.commit(reader, new Headers());
  assertEquals(await store.load(id), before);

  const writer = await manager.open(requestWith(cookie));
  writer.update("n", (n = 0) => n + 1);
  await manager.commit(writer, new Headers());
  const { data, dataVersion } = (await store.load(id))!;
  assertEquals(data, { n: 2, name: "Ann Lee", from: 0 });
  assertEquals(dataVersion, 2);
  assertEquals((await manager.open(requestWith(cookie))).get("from"), 0);
});

Deno.test("migrate: N requests at once on old data add N, and migrate once", async () => {
  const { begin, restart, store } = setUp();
  const { id, cookie } = await begin({ first: "Ann", last: "Lee", n: 0 });
  const manager = restart(MIGRATING);
  const sessions = await Promise.all(
    Array.from({ length: 20 }, () => manager.open(requestWith(cookie))),
  );
  for (const [at, session] of sessions.entries()) {
    session.update("n", (n = 0) => n + 1);
    session.set(`at-${at}`, at);
  }
  await Promise.all(
    sessions.map((session) => manager.commit(session, new Headers())),
  );
  const { data } = (await store.load(id))!;
  assertEquals([data.n, data.name, data.from], [20, "Ann Lee", 0]);
  assertEquals(Object.keys(data).length, 23);
});

Deno.test("migrate: data that it fails at, or leaves invalid, gives a new session", async () => {
  const failure = new Error("no way");
  const ways: SessionManagerOptions["migrate"][] = [
    () => ({ name: 1 }),
    () => ({ name: "ann", due: new Date(0) }),
    () => ({ name: "ann", "a\n": 1 }),
    () => [] as never,
    () => undefined as never,
    () => Promise.resolve({ name: "ann" }) as never,
    () => {
      throw failure;
    },
  ];
  for (const migrate of ways) {
    const { begin, restart, events, store } = setUp();
    const { id, cookie } = await begin({ first: "Ann" });
    const before = await store.load(id);
    const manager = restart({ ...MIGRATING, migrate });
    assert((await manager.open(requestWith(cookie))).isNew, `${migrate}`);
    assertEquals(events.map(({ type }) => type), ["invalid"]);
    assertEquals(await store.load(id), before);
  }
});

Deno.test("migrate: data of a newer version gives a new session, and is not overwritten", async () => {
  const { begin, restart, store } = setUp({ version: 3 });
  const { id, cookie } = await begin({ name: "ann" });
  assertEquals((await store.load(id))?.dataVersion, 3);
  for (const options of [{ version: 2 }, {}]) {
    assert((await restart(options).open(requestWith(cookie))).isNew);
  }
  assertEquals(
    (await restart({ version: 3 }).open(requestWith(cookie))).get("name"),
    "ann",
  );
});

Deno.test("migrate: a commit of an old process after that of a new one is refused", async () => {
  const { begin, open, commit, restart, store } = setUp();
  const { id, cookie } = await begin({ first: "Ann", last: "Lee" });
  const old = await open(cookie);
  old.set("last", "Ray");
  const manager = restart(MIGRATING);
  const session = await manager.open(requestWith(cookie));
  session.set("n", 1);
  await manager.commit(session, new Headers());
  await assertRejects(() => commit(old), SessionDataError);
  assertEquals((await store.load(id))?.data.name, "Ann Lee");
});

Deno.test("migrate: keys keep their expiry, if they are still there", async () => {
  const { open, commit, restart, store, clock } = setUp();
  const session = await open();
  session.set("first", "Ann", { ttl: MINUTE });
  session.set("last", "Lee");
  session.set("code", 1, { ttl: MINUTE });
  const cookie = cookieIn(await commit(session));
  const manager = restart(MIGRATING);
  const migrated = await manager.open(requestWith(cookie));
  migrated.set("n", 1);
  await manager.commit(migrated, new Headers());
  const { keyExpiry } = (await store.load(session.id))!;
  assertEquals(keyExpiry, { code: clock.now + MINUTE });
});

Deno.test("SessionManager() refuses invalid options for data", () => {
  const { store } = setUp();
  const wrong: [options: object, error: typeof TypeError][] = [
    [{ schema: {} }, TypeError],
    [{ schema: null }, TypeError],
    [{ schema: { "~standard": { version: 2, validate() {} } } }, TypeError],
    [{ version: "1" }, TypeError],
    [{ version: -1 }, RangeError],
    [{ version: 0.5 }, RangeError],
    [{ migrate: {} }, TypeError],
    [{ onInvalid: "migrate" }, TypeError],
    [{ maxBytes: "1" }, TypeError],
    [{ maxBytes: 0 }, RangeError],
    [{ maxBytes: NaN }, RangeError],
  ];
  for (const [options, error] of wrong) {
    assertThrows(
      () => new SessionManager({ store, ...options }),
      error,
      "Cannot manage sessions: ",
    );
  }
});

for (const medium of STORES) {
  Deno.test(`schema: over sockets, invalid changes are errors, and invalid stored data is not: ${medium}`, async () => {
    await using server = await serve(medium, {
      "/add": (session) => {
        const cart = session.update("cart", (cart = []) => [...cart, "x"]);
        return new Response(`${cart.length}`);
      },
      "/read": (session) => new Response(`${session.get("cart")?.length}`),
    }, { schema: ZOD });
    const browser = new Browser(server);
    await browser.get("/add");
    const texts = await Promise.all(
      Array.from(
        { length: 10 },
        () => new Browser(server, browser.cookie).get("/add"),
      ),
    );
    assertEquals(texts.filter((text) => text === "failed").length, 8);
    assertEquals(await browser.get("/read"), "3");
    for (const [id, record] of await server.records()) {
      await server.store.save(id, { ...record, data: { cart: "spoilt" } });
    }
    const response = await server.get("/read", browser.cookie);
    assertEquals([response.status, await response.text()], [200, "undefined"]);
    assertEquals(response.headers.getSetCookie(), []);
    assertEquals(server.events.map(({ type }) => type), ["invalid"]);
  });
}
