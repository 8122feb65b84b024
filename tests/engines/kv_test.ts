import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  SessionStoreError,
  SessionTooLargeError,
} from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { userTag } from "../../src/core/codec.ts";
import { type KvDatabase, KvSessionStore } from "../../src/engines/kv.ts";
import type { SessionEvent } from "../../src/manager/events.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import type { StorePlace } from "../contract/open_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { testEngine } from "./engine_suite.ts";
import { skipWaits } from "./sqlite_scene.ts";

const LARGEST = 65_536;

testEngine("KvSessionStore", {
  isShared: true,
  longestString: 32 * 1024,
  make: () => {
    const directory = new TemporaryDirectory();
    return Promise.resolve({
      place: { kind: "kv", path: directory.join("sessions.kv") },
      [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.dispose]()),
    });
  },
  spoil: async (place, id, text) => {
    const { path } = place as Extract<StorePlace, { kind: "kv" }>;
    using kv = await Deno.openKv(path);
    await kv.set(["latchkey", "session", id], new TextEncoder().encode(text));
  },
});

/** A store with a database in memory, and the keys that it has written. */
class Watched implements Disposable {
  readonly store: KvSessionStore;
  readonly kv: Deno.Kv;
  /** The keys that were set since this was last emptied, and their lifetimes in ms. */
  readonly sets: [key: readonly string[], expireIn: number | undefined][] = [];

  private constructor(kv: Deno.Kv) {
    this.kv = kv;
    const watched: KvDatabase = {
      getMany: (keys) => kv.getMany(keys),
      list: (selector, options) => kv.list(selector, options),
      atomic: () => {
        const operation = kv.atomic();
        const { set } = operation;
        operation.set = (key, value, options) => {
          this.sets.push([key as string[], options?.expireIn]);
          return set.call(operation, key, value, options);
        };
        return operation;
      },
    };
    this.store = new KvSessionStore(watched);
  }

  static async open(): Promise<Watched> {
    return new Watched(await Deno.openKv(":memory:"));
  }

  /** All keys, without their prefix, sorted as the database does. */
  async keys(): Promise<string[]> {
    const entries = await Array.fromAsync(this.kv.list({ prefix: [] }));
    return entries.map(({ key }) => key.slice(1).join(" "));
  }

  [Symbol.dispose](): void {
    this.kv.close();
  }
}

/** A record of this number of bytes. */
function recordOfBytes(bytes: number): SessionRecord {
  const overhead = JSON.stringify(recordOf({ text: "" })).length;
  return recordOf({ text: "x".repeat(bytes - overhead) });
}

Deno.test("KvSessionStore keeps a record of 65,536 bytes", async () => {
  using watched = await Watched.open();
  const record = recordOfBytes(LARGEST);
  await watched.store.save(ID, record);
  assertEquals(await watched.store.load(ID), record);
});

Deno.test("KvSessionStore refuses a larger record, and keeps the old one", async () => {
  using watched = await Watched.open();
  const { store } = watched;
  const tooLarge = recordOfBytes(LARGEST + 1);
  await store.save(ID, recordOf());
  for (
    const write of [
      () => store.save(ID, tooLarge),
      () => store.update(ID, () => tooLarge),
      () => store.create(OTHER_ID, tooLarge),
    ]
  ) {
    const error = await assertRejects(write, SessionTooLargeError);
    assertEquals(error.bytes, LARGEST + 1);
    assertEquals(error.maxBytes, LARGEST);
  }
  assertEquals(await store.load(ID), recordOf());
  assertEquals(await store.has(OTHER_ID), false);
});

Deno.test("KvSessionStore refuses a larger record also where the manager's limit is larger", async () => {
  using watched = await Watched.open();
  const sessions = new SessionManager<{ text: string }>({
    store: watched.store,
    maxBytes: 1024 * 1024,
  });
  const save = async (text: string, cookie = "") => {
    const request = new Request("http://localhost/", { headers: { cookie } });
    const session = await sessions.open(request);
    session.set("text", text);
    const headers = new Headers();
    await sessions.commit(session, headers);
    return headers.getSetCookie()[0]?.split(";", 1)[0] ?? cookie;
  };
  const cookie = await save("small");
  await assertRejects(
    () => save("x".repeat(LARGEST), cookie),
    SessionTooLargeError,
  );
  const headers = { cookie };
  const request = new Request("http://localhost/", { headers });
  assertEquals((await sessions.open(request)).get("text"), "small");
});

for (const seal of [false, true]) {
  Deno.test(`KvSessionStore: a session as large as a manager lets it be can be rotated, ${seal ? "sealed" : "in clear"}`, async () => {
    using watched = await Watched.open();
    let now = Date.now();
    const events: SessionEvent[] = [];
    const sessions = new SessionManager<{ text: string; n: number }>({
      store: watched.store,
      seal,
      rotateEvery: HOUR,
      idleTimeout: 24 * HOUR,
      now: () => now,
      onEvent: (event) => events.push(event),
    });
    let cookie = "";
    const visit = async (act: (session: typeof opened) => void) => {
      const request = new Request("http://localhost/", { headers: { cookie } });
      const session = await sessions.open(request);
      act(session);
      const headers = new Headers();
      await sessions.commit(session, headers);
      const sent = headers.getSetCookie()[0]?.split(";", 1)[0];
      cookie = sent ?? cookie;
      return sent !== undefined;
    };
    const opened = await sessions.open(new Request("http://localhost/"));
    const fill = (length: number) => (session: typeof opened) => {
      session.setUser("ann");
      session.setLabel("l".repeat(256));
      session.set("text", "x".repeat(length));
    };
    const error = await assertRejects(
      () => visit(fill(LARGEST)),
      SessionTooLargeError,
    );
    const most = error.maxBytes - (error.bytes - LARGEST);
    assert(await visit(fill(most)));
    await assertRejects(() => visit(fill(most + 1)), SessionTooLargeError);
    const reads = (session: typeof opened) => session.get("n");
    for (let rotation = 0; rotation < 3; rotation++) {
      now += HOUR;
      assert(await visit(reads), "rotated");
      assertEquals(await visit(reads), false, "confirmed");
    }
    assertEquals(events, []);
  });
}

Deno.test("KvSessionStore writes three keys, for as long as the session can live", async () => {
  using watched = await Watched.open();
  const { store, sets } = watched;
  const user = userTag("ann");
  const expiresAt = Date.now() + 5 * HOUR;
  await store.save(ID, recordOf({}, { user: "ann", expiresAt }));
  assertEquals(sets.map(([key]) => key), [
    ["latchkey", "session", ID],
    ["latchkey", "access", ID],
    ["latchkey", "user", user, ID],
  ]);
  for (const [, expireIn] of sets) {
    assert(expireIn! > 5 * HOUR && expireIn! <= 6 * HOUR, `${expireIn}`);
  }
  sets.length = 0;
  // It may be touched at any time, so its keys must never expire.
  await store.save(OTHER_ID, recordOf({}, { idleTimeout: HOUR }));
  assertEquals(sets.map(([, expireIn]) => expireIn), [undefined, undefined]);
});

Deno.test("KvSessionStore: a touch writes the access key alone", async () => {
  using watched = await Watched.open();
  const { store, sets } = watched;
  const expiresAt = Date.now() + HOUR;
  await store.save(ID, recordOf({}, { user: "ann", expiresAt }));
  sets.length = 0;
  assertEquals(await store.touch(ID), true);
  assertEquals(sets.map(([key]) => key), [["latchkey", "access", ID]]);
  assert(sets[0]![1]! > HOUR);
});

Deno.test("KvSessionStore: a slow touch does not move the last access back", async () => {
  using kv = await Deno.openKv(":memory:");
  let now = 1_000;
  const isHeld = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const held: KvDatabase = {
    getMany: (keys) => kv.getMany(keys),
    list: (selector, options) => kv.list(selector, options),
    atomic: () => {
      const operation = kv.atomic();
      const commit = operation.commit.bind(operation);
      operation.commit = async () => {
        isHeld.resolve();
        await go.promise;
        return await commit();
      };
      return operation;
    },
  };
  const quick = new KvSessionStore(kv, { now: () => now });
  const slow = new KvSessionStore(held, { now: () => now });
  await quick.save(ID, recordOf({}, { idleTimeout: 100 }));
  now = 1_050;
  const isTouched = slow.load(ID, { touch: (_, access) => access < 1_050 });
  await isHeld.promise;
  now = 1_099;
  assert(await quick.touch(ID));
  go.resolve();
  assert(await isTouched);
  now = 1_198;
  assert(await quick.has(ID));
});

Deno.test("KvSessionStore: the index of users is exact", async () => {
  using watched = await Watched.open();
  const { store } = watched;
  const indexed = async () =>
    (await watched.keys()).filter((key) => key.startsWith("user "));
  const [ann, bob] = ["ann", "bob"].map((name) =>
    `user ${userTag(name)} ${ID}`
  );

  await store.create(ID, recordOf());
  assertEquals(await indexed(), []);
  await store.update(ID, (record) => ({ ...record, user: "ann" }));
  assertEquals(await indexed(), [ann]);
  await store.update(ID, (record) => ({ ...record, user: "bob" }));
  assertEquals(await indexed(), [bob]);
  await store.touch(ID);
  assertEquals(await indexed(), [bob]);
  await store.update(ID, ({ user: _, ...record }) => record);
  assertEquals(await indexed(), []);

  const asAnn = recordOf({}, { user: "ann", expiresAt: 1 });
  const ways = {
    delete: () => store.delete(ID),
    update: () => store.update(ID, () => undefined),
    cleanup: () => store.deleteOldSessions(0),
  };
  for (const [way, end] of Object.entries(ways)) {
    const live = { ...asAnn, expiresAt: Date.now() + HOUR };
    await store.save(ID, way === "cleanup" ? asAnn : live);
    assertEquals(await indexed(), [ann]);
    await end();
    assertEquals(await watched.keys(), [], way);
  }
  await store.save(ID, asAnn);
  await store.save(ID, recordOf({}, { user: "bob" }));
  assertEquals(await indexed(), [bob]);
});

Deno.test("KvSessionStore finds a user's sessions among many, and ends them", async () => {
  using watched = await Watched.open();
  const { store } = watched;
  for (let n = 0; n < 250; n++) {
    const user = n % 2 === 0 ? "ann" : "bob";
    await store.save(`session-number-${n}`, recordOf({ n }, { user }));
  }
  assertEquals((await Array.fromAsync(store.entries())).length, 250);
  const sessions = new SessionManager({ store });
  assertEquals((await sessions.sessionsOf("ann")).length, 125);
  await sessions.revokeUser("ann");
  assertEquals((await sessions.sessionsOf("ann")).length, 0);
  assertEquals((await sessions.sessionsOf("bob")).length, 125);
});

Deno.test("KvSessionStore: setup() tells that the database is closed", async () => {
  const kv = await Deno.openKv(":memory:");
  kv.close();
  const store = new KvSessionStore(kv);
  await assertRejects(() => store.setup(), TypeError, "it is closed");
  await assertRejects(() => store.load(ID), TypeError, "it is closed");
});

Deno.test("KvSessionStore refuses what is not a Deno.Kv", () => {
  for (const kv of [undefined, {}, Deno.openKv]) {
    assertThrows(
      () => new KvSessionStore(kv as unknown as KvDatabase),
      TypeError,
      "Cannot use kv: it is not what Deno.openKv() returns",
    );
  }
});

Deno.test("KvSessionStore: while another process writes the file reads are answered, and a change waits five seconds", async () => {
  using directory = new TemporaryDirectory();
  const path = directory.join("sessions.kv");
  using kv = await Deno.openKv(path);
  const warnings: StoreWarning[] = [];
  const store = new KvSessionStore(kv, {
    onWarning: (warning) => void warnings.push(warning),
  });
  await store.save(ID, recordOf());
  using other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  {
    using _waits = skipWaits();
    assertEquals(await store.load(ID), recordOf());
    assertEquals(warnings, []);
    assertEquals(await store.load(ID, { touch: () => true }), recordOf());
    assertEquals(warnings.map(({ type }) => type), ["unwritten"]);
    for (
      const change of [
        () => store.save(ID, recordOf({ n: 2 })),
        () => store.update(ID, () => undefined),
        () => store.delete(ID),
      ]
    ) await assertRejects(change, TypeError, "database is locked");
  }
  other.exec("ROLLBACK");
  assertEquals(await store.load(ID), recordOf());
  assertEquals(await store.delete(ID), true);
});

Deno.test("KvSessionStore: check() tells that the database is closed", async () => {
  const kv = await Deno.openKv(":memory:");
  const store = new KvSessionStore(kv);
  await store.check();
  kv.close();
  const error = await assertRejects(() => store.check(), SessionStoreError);
  assertEquals(error.operation, "read");
});

Deno.test("KvSessionStore refuses an invalid prefix", async () => {
  using kv = await Deno.openKv(":memory:");
  for (const prefix of ["", 1, null] as string[]) {
    assertThrows(() => new KvSessionStore(kv, { prefix }), TypeError);
  }
});

Deno.test("KvSessionStore: two prefixes are two stores", async () => {
  using kv = await Deno.openKv(":memory:");
  const [one, other] = [
    new KvSessionStore(kv),
    new KvSessionStore(kv, { prefix: "other" }),
  ];
  await one.save(ID, recordOf({}, { user: "ann" }));
  assertEquals(await other.has(ID), false);
  assertEquals((await Array.fromAsync(other.entries())).length, 0);
  assertEquals((await other.deleteOldSessions(0)).remaining, 0);
  assertEquals(await one.has(ID), true);
});
