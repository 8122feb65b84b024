/** Requests that want a session for themselves. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  SessionConflictError,
  SessionLockTimeoutError,
} from "../../src/core/errors.ts";
import type { Session } from "../../src/session/session.ts";
import { MINUTE } from "../constants.ts";
import {
  BEGIN,
  cookieIn,
  type Data,
  requestWith,
  type SetUp,
  setUp,
} from "./set_up.ts";

const OPTIONS = { isolation: "exclusive" } as const;
/** No request waits: a lock that is held is an error at once. */
const AT_ONCE = { lockTimeout: 0, ...OPTIONS } as const;

/** Tells whether the session's lock is free. */
async function assertFree({ manager }: SetUp, cookie: string): Promise<void> {
  const session = await manager.open(requestWith(cookie), AT_ONCE);
  assertFalse(session.isNew);
  await manager.close(session);
}

async function assertHeld({ manager }: SetUp, cookie: string): Promise<void> {
  await assertRejects(
    () => manager.open(requestWith(cookie), AT_ONCE),
    SessionLockTimeoutError,
  );
}

/** Opens the session for another request, which waits. */
async function openLater(scene: SetUp, request: Request) {
  const { lockWaits } = scene.manager.counters;
  const opening = scene.manager.open(request, OPTIONS);
  let isOver = false;
  opening.catch(() => {}).then(() => isOver = true);
  while (scene.manager.counters.lockWaits === lockWaits) {
    assertFalse(isOver, "it did not wait");
    await new Promise(setImmediate);
  }
  return { opening };
}

Deno.test("exclusive: a request waits for another from its open to its commit, and sees its changes", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  const first = await scene.manager.open(requestWith(cookie), OPTIONS);
  const { opening } = await openLater(scene, requestWith(cookie));
  first.set("n", first.get("n")! + 1);
  assertEquals(await Promise.race([opening, "waits"]), "waits");
  await scene.commit(first);
  const session = await opening;
  assertEquals(session.get("n"), 2);
  session.set("n", 3);
  await scene.commit(session);
  await assertFree(scene, cookie);
  const { commits, merged, conflicts } = scene.manager.counters;
  assertEquals([commits, merged, conflicts], [3, 0, 0]);
});

Deno.test("exclusive: requests of other isolations neither wait nor make others wait", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  const holder = await scene.manager.open(requestWith(cookie), OPTIONS);
  for (const isolation of ["merge", "readOnly", "strict"] as const) {
    const session = await scene.manager.open(requestWith(cookie), {
      isolation,
    });
    assertEquals(session.get("n"), 1);
    if (isolation !== "readOnly") session.set(isolation, true);
    await scene.commit(session);
  }
  holder.set("mine", true);
  await scene.commit(holder);
  const after = Object.fromEntries((await scene.open(cookie)).entries());
  assertEquals(after, { n: 1, merge: true, strict: true, mine: true });
  assertEquals(scene.manager.counters.lockWaits, 0);
});

Deno.test("exclusive: other sessions are free", async () => {
  const scene = setUp();
  const [one, other] = [await scene.begin(), await scene.begin()];
  const holder = await scene.manager.open(requestWith(one.cookie), OPTIONS);
  await assertFree(scene, other.cookie);
  await scene.manager.close(holder);
});

Deno.test("exclusive: a request without a valid secret neither waits nor makes others wait", async () => {
  const scene = setUp();
  const { id, cookie } = await scene.begin();
  const wrong = `latchkey=${id}${"A".repeat(22)}`;
  const holder = await scene.manager.open(requestWith(cookie), OPTIONS);
  for (
    const bad of [wrong, `latchkey=${"0".repeat(32)}${"A".repeat(22)}`, ""]
  ) {
    const session = await scene.manager.open(requestWith(bad), AT_ONCE);
    assert(session.isNew);
  }
  await scene.manager.close(holder);
  const stranger = await scene.manager.open(requestWith(wrong), AT_ONCE);
  assert(stranger.isNew);
  await assertFree(scene, cookie);
});

Deno.test("exclusive: a request waits for another no longer than lockTimeout", async () => {
  const scene = setUp({ lockTimeout: 20 });
  const { cookie } = await scene.begin();
  const holder = await scene.manager.open(requestWith(cookie), OPTIONS);
  for (const [options, timeout] of [[OPTIONS, 20], [AT_ONCE, 0]] as const) {
    const error = await assertRejects(
      () => scene.manager.run(requestWith(cookie), neverRuns, options),
      SessionLockTimeoutError,
    );
    assertEquals(error.timeout, timeout);
  }
  await scene.manager.close(holder);
  await assertFree(scene, cookie);
});

function neverRuns(): never {
  throw new Error("ran");
}

Deno.test("exclusive: a request inside the handler of another of the session waits until lockTimeout", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  await scene.manager.run(requestWith(cookie), async (session) => {
    await assertRejects(
      () =>
        scene.manager.run(requestWith(cookie), neverRuns, {
          ...OPTIONS,
          lockTimeout: 20,
        }),
      SessionLockTimeoutError,
    );
    session.set("n", 2);
    return new Response();
  }, OPTIONS);
  assertEquals((await scene.open(cookie)).get("n"), 2);
  await assertFree(scene, cookie);
});

Deno.test("exclusive: a request that is aborted stops waiting, with its reason", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  const holder = await scene.manager.open(requestWith(cookie), OPTIONS);
  const controller = new AbortController();
  const { signal } = controller;
  const headers = { cookie };
  const request = new Request("http://localhost/", { headers, signal });
  const { opening } = await openLater(scene, request);
  const reason = new Error("gone home");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => opening), reason);
  await assertHeld(scene, cookie);
  await scene.manager.close(holder);
  await assertFree(scene, cookie);
});

Deno.test("exclusive: a handler that throws lets the next one in", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  const reason = new Error("failed");
  for (
    const fail of [() => Promise.reject(reason), () => {
      throw reason;
    }]
  ) {
    const thrown = await assertRejects(() =>
      scene.manager.run(requestWith(cookie), fail, OPTIONS)
    );
    assertStrictEquals(thrown, reason);
    await assertFree(scene, cookie);
  }
});

Deno.test("exclusive: a commit that fails lets the next one in", async () => {
  const scene = setUp();
  const { store, manager } = scene;
  const { cookie } = await scene.begin();
  const failures: ((session: Session<Data>) => void)[] = [
    () => store.failure = new Error("disk full"),
    (session) => session.set("n", 2),
    (session) => {
      const value: unknown[] = [];
      session.set("cycle", value);
      value.push(value);
    },
  ];
  for (const [n, fail] of failures.entries()) {
    const session = await manager.open(requestWith(cookie), OPTIONS);
    session.set("n", n);
    fail(session);
    const headers = n === 1
      ? Response.redirect("http://localhost/").headers
      : new Headers();
    await assertRejects(() => manager.commit(session, headers));
    store.failure = undefined;
    await assertFree(scene, cookie);
  }
});

Deno.test("exclusive: a store that fails when the session is read keeps no lock", async () => {
  const scene = setUp();
  const { store } = scene;
  const { cookie } = await scene.begin();
  const holder = await scene.manager.open(requestWith(cookie), OPTIONS);
  const { opening } = await openLater(scene, requestWith(cookie));
  store.failure = new Error("disk gone");
  await scene.manager.close(holder);
  assertStrictEquals(await assertRejects(() => opening), store.failure);
  store.failure = undefined;
  await assertFree(scene, cookie);
});

Deno.test("exclusive: close() frees the lock without a commit", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  const session = await scene.manager.open(requestWith(cookie), OPTIONS);
  session.set("n", 2);
  await assertHeld(scene, cookie);
  await scene.manager.close(session);
  await scene.manager.close(session);
  await assertFree(scene, cookie);
  assertEquals(session.get("n"), 2);
  assertThrows(() => session.set("n", 3), TypeError, "its request is over");
  await assertRejects(() => scene.commit(session), TypeError);
  assertEquals((await scene.open(cookie)).get("n"), 1);
});

Deno.test("close() is for sessions of this manager", async () => {
  const scene = setUp();
  const other = scene.restart();
  const { cookie } = await scene.begin();
  const session = await scene.manager.open(requestWith(cookie), OPTIONS);
  for (const end of ["close", "commit"] as const) {
    await assertRejects(
      () => other[end](session, new Headers()),
      TypeError,
      "this manager did not open it",
    );
  }
  await assertHeld(scene, cookie);
  await scene.manager.close(session);
});

Deno.test("exclusive: a second commit, without the lock, is strict", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  const session = await scene.manager.open(requestWith(cookie), OPTIONS);
  session.set("n", 2);
  await scene.commit(session);
  session.set("n", 3);
  await scene.commit(session);
  const other = await scene.open(cookie);
  other.set("n", 4);
  await scene.commit(other);
  session.set("n", 5);
  await assertRejects(() => scene.commit(session), SessionConflictError);
});

Deno.test("exclusive: a session that was deleted while the request waited is a new one, and keeps no lock", async () => {
  const scene = setUp();
  const { cookie } = await scene.begin();
  const holder = await scene.manager.open(requestWith(cookie), OPTIONS);
  const { opening } = await openLater(scene, requestWith(cookie));
  holder.setUser("ann");
  const signedIn = cookieIn(await scene.commit(holder));
  const session = await opening;
  assert(session.isNew && session.user === null);
  await assertFree(scene, signedIn);
  session.set("n", 1);
  await scene.commit(session);
});

Deno.test("exclusive: a secret that was rotated while the request waited is still valid", async () => {
  const scene = setUp({ rotateEvery: MINUTE });
  const { cookie } = await scene.begin();
  scene.clock.now += MINUTE;
  const holder = await scene.manager.open(requestWith(cookie), OPTIONS);
  const { opening } = await openLater(scene, requestWith(cookie));
  assertEquals(holder.get("n"), 1);
  const rotated = await scene.commit(holder);
  const session = await opening;
  session.set("n", session.get("n")! + 1);
  assertEquals(await scene.commit(session), rotated);
  assertEquals((await scene.open(cookie)).get("n"), 2);
});

Deno.test("exclusive: the session tells the previous access, and the new one is marked once", async () => {
  const scene = setUp({ idleTimeout: 10 * MINUTE });
  const { cookie } = await scene.begin();
  scene.clock.now += MINUTE;
  const session = await scene.manager.open(requestWith(cookie), OPTIONS);
  assertEquals(session.lastAccess, BEGIN);
  const header = await scene.commit(session);
  assert(header.includes("Max-Age=600"), header);
});

Deno.test("exclusive: a session is destroyed under its lock, and the lock is free", async () => {
  const scene = setUp();
  const { id, cookie } = await scene.begin();
  await scene.manager.run(requestWith(cookie), (session) => {
    session.destroy();
    return new Response();
  }, OPTIONS);
  assertFalse(await scene.store.has(id));
  await using _lock = await scene.store.lock(id, { timeout: 0 });
});
