/** A manager over a store that stops to answer. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SessionStoreTimeoutError } from "../../src/core/errors.ts";
import type {
  LoadOptions,
  RecordChange,
  UpdateOptions,
} from "../../src/core/store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import {
  ID,
  MINUTE,
  OTHER_ID,
  recordOf,
  requestOf,
  SECRET,
} from "../constants.ts";

const TOKEN = `${ID}${SECRET}`;

/** A store whose calls and listings are answered when a test says so. */
class Unanswered extends MemorySessionStore {
  isHung = false;
  isWriteHung = false;
  updates = 0;
  readonly signals: (AbortSignal | undefined)[] = [];

  constructor() {
    super();
    Object.defineProperty(this, "isBounded", { value: false });
  }

  override load(id: string, options: LoadOptions = {}) {
    this.signals.push(options.signal);
    return this.isHung ? new Promise<never>(() => {}) : super.load(id, options);
  }

  /** Gets as far as the write, which is not answered. */
  override async update(
    id: string,
    change: RecordChange,
    options?: UpdateOptions,
  ) {
    this.updates++;
    if (!this.isWriteHung) return await super.update(id, change, options);
    change((await super.load(id))!);
    return await new Promise<never>(() => {});
  }

  override async *entries() {
    yield [ID, recordOf({}, { user: "ann" }), 1] as const;
    if (this.isHung) await new Promise(() => {});
    yield [OTHER_ID, recordOf({}, { user: "ann" }), 2] as const;
  }
}

Deno.test("a listing is bounded step by step, and a call that gave up is told so", async () => {
  const store = new Unanswered();
  const manager = new SessionManager({ store, storeTimeout: 50 });
  assertEquals((await manager.sessionsOf("ann")).length, 2);
  store.isHung = true;
  const calls = [
    manager.sessionsOf("ann"),
    manager.hasSession(ID),
    manager.open(requestOf(TOKEN)),
  ];
  for (const call of await Promise.allSettled(calls)) {
    assert(call.status === "rejected");
    assert(call.reason instanceof SessionStoreTimeoutError);
    assertStringIncludes(call.reason.message, "after 50 ms");
  }
  assertEquals(store.signals.at(-1)?.aborted, true);
});

Deno.test("the wait for an exclusive lock is not bounded by storeTimeout", async () => {
  const store = new Unanswered();
  const manager = new SessionManager<{ n: number }>({
    store,
    storeTimeout: 50,
    isolation: "exclusive",
  });
  const begun = await manager.run(requestOf(), (session) => {
    session.set("n", 1);
    return new Response();
  });
  const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
  const request = () =>
    new Request("http://localhost/", { headers: { cookie } });
  const first = await manager.open(request());
  const second = manager.open(request());
  await new Promise((resolve) => setTimeout(resolve, 100));
  await manager.close(first);
  assertEquals((await second).get("n"), 1);
  await manager.close(await second);
});

Deno.test("a commit with a step of the rotation that gets no answer is not tried again", async () => {
  let now = Date.now();
  const store = new Unanswered();
  const manager = new SessionManager<{ n: number }>({
    store,
    storeTimeout: 50,
    rotateEvery: MINUTE,
    now: () => now,
  });
  const visit = (
    cookie: string,
    act: (session: Session<{ n: number }>) => void,
  ) =>
    manager.run(
      new Request("http://localhost/", { headers: { cookie } }),
      (session) => {
        act(session);
        return new Response();
      },
    );
  const begun = await visit("", (session) => session.set("n", 1));
  const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
  now += MINUTE;
  store.isWriteHung = true;
  store.updates = 0;
  await assertRejects(
    () => visit(cookie, (session) => session.set("n", 2)),
    SessionStoreTimeoutError,
  );
  assertEquals(store.updates, 1);
  // Upkeep alone fails no request.
  const answer = await visit(cookie, (session) => session.get("n"));
  assertEquals([answer.status, answer.headers.getSetCookie()], [200, []]);
  assertEquals(store.updates, 2);
});

Deno.test("a storeTimeout of months is not over at once", async () => {
  const store = new Unanswered();
  store.load = async (_id, options = {}) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    options.signal?.throwIfAborted();
    return undefined;
  };
  const manager = new SessionManager({ store, storeTimeout: 2 ** 32 });
  assertEquals((await manager.open(requestOf(TOKEN))).isNew, true);
});

Deno.test("what a store throws before it has begun leaves no timer, and is thrown", async () => {
  const store = new Unanswered();
  store.load = () => {
    throw new TypeError("not now");
  };
  const manager = new SessionManager({ store, storeTimeout: 50 });
  const call = () => manager.open(requestOf(TOKEN));
  await assertRejects(call, TypeError, "not now");
  // An error that nothing catches would end the process now.
  await new Promise((resolve) => setTimeout(resolve, 100));
});

Deno.test("an exclusive request that gets no answer lets the next one have the session", async () => {
  const store = new Unanswered();
  const manager = new SessionManager<{ n: number }>({
    store,
    storeTimeout: 50,
    isolation: "exclusive",
  });
  const count = (cookie = "") =>
    manager.run(
      new Request("http://localhost/", { headers: { cookie } }),
      (session) => {
        session.update("n", (n = 0) => n + 1);
        return new Response();
      },
    );
  const begun = await count();
  const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
  store.isWriteHung = true;
  const waiting = [count(cookie), count(cookie), count(cookie)];
  for (const { status } of await Promise.allSettled(waiting)) {
    assertEquals(status, "rejected");
  }
  store.isWriteHung = false;
  assertEquals((await count(cookie)).status, 200);
});
