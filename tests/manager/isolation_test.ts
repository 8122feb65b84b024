/** How far requests of one session are kept apart: options, readOnly, strict. */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  SessionConflictError,
  SessionGoneError,
} from "../../src/core/errors.ts";
import type { SessionStore } from "../../src/core/store.ts";
import type { IsolationLevel } from "../../src/manager/isolation.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { MINUTE } from "../constants.ts";
import {
  BEGIN,
  type Data,
  lastAccessOf,
  requestWith,
  type SetUp,
  setUp,
} from "./set_up.ts";

const READ_ONLY =
  "Cannot change the session: it was opened with the isolation readOnly";

/** Everything that changes a session, if it holds `n` and a token. */
const WRITES: Record<string, (session: Session<Data>) => unknown> = {
  "set()": (session) => session.set("n", 2),
  "delete()": (session) => session.delete("n"),
  "update()": (session) => session.update("n", (n = 0) => n + 1),
  "clear()": (session) => session.clear(),
  "setUser()": (session) => session.setUser("ann"),
  "leaving a flash()": (session) => session.flash("notice", "saved"),
  "reading a flash()": (session) => session.flash("left"),
  "createFormToken()": (session) => session.createFormToken(),
  "removeFormToken()": (session) => session.removeFormToken(formToken),
  "regenerate()": (session) => session.regenerate(),
  "setLifetime()": (session) => session.setLifetime({ idleTimeout: MINUTE }),
  "destroy()": (session) => session.destroy(),
};

/** The one that {@linkcode begin} has left. */
let formToken = "";

/** Begins a session with data, a flash and a form token. */
async function begin(scene: SetUp): Promise<{ id: string; cookie: string }> {
  const { id, cookie } = await scene.begin({ n: 1, cart: ["tea"] });
  const session = await scene.open(cookie);
  formToken = session.createFormToken();
  session.flash("left", "before");
  await scene.commit(session);
  scene.store.takeCalls();
  return { id, cookie };
}

function openAs(
  { manager }: SetUp,
  isolation: IsolationLevel,
  cookie: string | null,
): Promise<Session<Data>> {
  return manager.open(requestWith(cookie), { isolation });
}

/** Another request, which begins and ends in between. */
async function interfere(
  scene: SetUp,
  cookie: string,
  write: (session: Session<Data>) => unknown = (session) =>
    session.set("other", true),
): Promise<void> {
  const session = await scene.open(cookie);
  write(session);
  await scene.commit(session);
}

Deno.test("an unknown isolation is refused, by constructor and call", async () => {
  const { manager, restart } = setUp();
  const request = requestWith(null);
  const options = { isolation: "serial" as IsolationLevel };
  const message = "Cannot isolate requests: isolation is not one of merge, ";
  const handle = () => new Response();
  assertThrows(() => restart(options), TypeError, message);
  assertThrows(() => manager.handler(handle, options), TypeError, message);
  await assertRejects(() => manager.open(request, options), TypeError, message);
  await assertRejects(
    () => manager.run(request, handle, options),
    TypeError,
    message,
  );
});

Deno.test("an invalid lockTimeout is refused, by constructor and call", async () => {
  const { manager, restart } = setUp();
  const message = "Cannot isolate requests: lockTimeout is not a number";
  for (
    const [value, error] of [
      [-1, RangeError],
      [NaN, RangeError],
      ["1", TypeError],
    ] as const
  ) {
    const lockTimeout = value as number;
    assertThrows(() => restart({ lockTimeout }), error, message);
    await assertRejects(
      () => manager.open(requestWith(null), { lockTimeout }),
      error,
      message,
    );
  }
});

Deno.test("exclusive is refused for a store without locks, by constructor and call", async () => {
  const store = { load: () => undefined } as unknown as SessionStore;
  const options = { isolation: "exclusive" } as const;
  const message = "exclusive needs locks, and the store has none";
  const manager = new SessionManager({ store });
  assertThrows(
    () => new SessionManager({ store, ...options }),
    TypeError,
    message,
  );
  assertThrows(
    () => manager.handler(() => new Response(), options),
    TypeError,
    message,
  );
  await assertRejects(
    () => manager.open(requestWith(null), options),
    TypeError,
    message,
  );
});

Deno.test("the isolation of a call overrides the manager's", async () => {
  const scene = setUp({ isolation: "readOnly" });
  const readOnly = await scene.open();
  assertThrows(() => readOnly.set("n", 1), TypeError, READ_ONLY);
  const merging = await openAs(scene, "merge", null);
  merging.set("n", 1);
  assertNotEquals(await scene.commit(merging), "");
});

for (const [name, write] of Object.entries(WRITES)) {
  Deno.test(`readOnly: ${name} throws, and nothing is committed`, async () => {
    const scene = setUp();
    const { id, cookie } = await begin(scene);
    const before = await scene.store.load(id);
    for (const brought of [cookie, null]) {
      const session = await openAs(scene, "readOnly", brought);
      assertThrows(() => write(session), TypeError, READ_ONLY);
      scene.store.takeCalls();
      assertEquals(await scene.commit(session), "");
      assertEquals(scene.store.takeCalls(), []);
    }
    assertEquals(await scene.store.load(id), before);
  });

  Deno.test(`strict: another request's ${name} is a conflict`, async () => {
    const scene = setUp();
    const { id, cookie } = await begin(scene);
    const session = await openAs(scene, "strict", cookie);
    session.set("mine", true);
    await interfere(scene, cookie, write);
    const between = await scene.store.load(id);
    // These leave nothing to come into conflict with.
    const isGone = ["setUser()", "regenerate()", "destroy()"].includes(name);
    if (isGone) {
      await assertRejects(() => scene.commit(session), SessionGoneError);
    } else {
      await assertRejects(() => scene.commit(session), SessionConflictError);
    }
    assertEquals(await scene.store.load(id), between);
  });
}

Deno.test("readOnly: consumeFormToken() throws, and the token stays valid", async () => {
  const scene = setUp();
  const { cookie } = await begin(scene);
  const readOnly = await openAs(scene, "readOnly", cookie);
  await assertRejects(
    () => scene.manager.consumeFormToken(readOnly, formToken),
    TypeError,
    READ_ONLY,
  );
  const session = await scene.open(cookie);
  assert(await scene.manager.consumeFormToken(session, formToken));
});

Deno.test("readOnly: a change inside a value throws at commit, and is not kept", async () => {
  const scene = setUp();
  const { cookie } = await begin(scene);
  const session = await openAs(scene, "readOnly", cookie);
  session.get("cart")!.push("milk");
  await assertRejects(
    () => scene.commit(session),
    TypeError,
    "isolation readOnly, and a value in it was changed",
  );
  assertEquals((await scene.open(cookie)).get("cart"), ["tea"]);
});

Deno.test("readOnly: everything can be read", async () => {
  const scene = setUp();
  const { id, cookie } = await begin(scene);
  const session = await openAs(scene, "readOnly", cookie);
  assertEquals(session.id, id);
  assertEquals(session.get("n"), 1);
  assertEquals([...session.entries()], [["n", 1], ["cart", ["tea"]]]);
  assertEquals([session.user, session.hasInfo], [null, true]);
  assert(session.hasFormToken(formToken));
  assertEquals(await scene.commit(session), "");
});

Deno.test("readOnly: an access that is due is marked, and a cookie that is due is sent", async () => {
  const scene = setUp({ idleTimeout: 10 * MINUTE });
  const { id, cookie } = await scene.begin();
  scene.clock.now += MINUTE;
  const session = await openAs(scene, "readOnly", cookie);
  assertEquals(session.lastAccess, BEGIN);
  assertEquals(await lastAccessOf(scene.store, id), BEGIN + MINUTE);
  const header = await scene.commit(session);
  assert(header.startsWith(`${cookie};`) && header.includes("Max-Age=600"));
});

Deno.test("readOnly: a rotation that is due waits for another request", async () => {
  const scene = setUp({ rotateEvery: MINUTE });
  const { cookie } = await scene.begin();
  scene.clock.now += MINUTE;
  const session = await openAs(scene, "readOnly", cookie);
  assertEquals(await scene.commit(session), "");
  const other = await scene.commit(await scene.look(cookie));
  assert(other !== "" && !other.startsWith(`${cookie};`));
  // With the secret from before it is handed the new one.
  const late = await openAs(scene, "readOnly", cookie);
  late.get("n");
  assertEquals(await scene.commit(late), other);
  // Nor does it note that the new one was brought.
  const newer = await openAs(scene, "readOnly", other.split(";")[0]!);
  assertEquals(newer.get("n"), 1);
  scene.store.takeCalls();
  await scene.commit(newer);
  assertEquals(scene.store.takeCalls(), []);
});

Deno.test("readOnly: run() passes on the error of a handler that writes", async () => {
  const { manager, begin } = setUp();
  const { cookie } = await begin();
  const isolation = "readOnly";
  await assertRejects(
    () =>
      manager.run(requestWith(cookie), (session) => {
        session.set("n", 2);
        return new Response();
      }, { isolation }),
    TypeError,
    READ_ONLY,
  );
});

Deno.test("strict: a request that failed with a conflict can run again", async () => {
  const scene = setUp();
  const { id, cookie } = await scene.begin();
  let runs = 0;
  const handle = async (session: Session<Data>) => {
    const n = session.get("n")!;
    if (runs++ === 0) {
      await interfere(scene, cookie, (other) => other.set("n", 10));
    }
    session.set("n", n + 1);
    return new Response();
  };
  const run = () =>
    scene.manager.run(requestWith(cookie), handle, { isolation: "strict" });
  const error = await assertRejects(run, SessionConflictError);
  assertEquals(error.sessionId, id);
  assertEquals(scene.events, []);
  assertEquals((await run()).status, 200);
  assertEquals((await scene.open(cookie)).get("n"), 11);
});

Deno.test("strict: a handler's conflict reaches the server", async () => {
  const scene = setUp({ isolation: "strict" });
  const { cookie } = await scene.begin();
  const handler = scene.manager.handler<undefined>(async (_, session) => {
    session.set("mine", true);
    await interfere(scene, cookie);
    return new Response();
  });
  await assertRejects(
    () => handler(requestWith(cookie), undefined),
    SessionConflictError,
  );
});

Deno.test("strict: a request that changes nothing has no conflict", async () => {
  const scene = setUp();
  const { cookie } = await begin(scene);
  const session = await openAs(scene, "strict", cookie);
  assertEquals(session.get("n"), 1);
  await interfere(scene, cookie);
  scene.store.takeCalls();
  assertEquals(await scene.commit(session), "");
  assertEquals(scene.store.takeCalls(), []);
});

Deno.test("strict: reading, touching and rotating are not commits", async () => {
  const scene = setUp({ rotateEvery: 10 * MINUTE });
  const { cookie } = await begin(scene);
  scene.clock.now += 10 * MINUTE - 1;
  const session = await openAs(scene, "strict", cookie);
  scene.clock.now += MINUTE;
  const reader = await scene.open(cookie);
  assertEquals(reader.get("n"), 1);
  assertNotEquals(await scene.commit(reader), "");
  session.set("n", 2);
  await scene.commit(session);
  assertEquals(scene.manager.counters.conflicts, 0);
});

Deno.test("strict: a rotation that is due is done beside a change, and counts once", async () => {
  const scene = setUp({ rotateEvery: MINUTE });
  const { id, cookie } = await scene.begin();
  scene.clock.now += MINUTE;
  const session = await openAs(scene, "strict", cookie);
  session.set("n", 2);
  assertNotEquals(await scene.commit(session), "");
  assertEquals((await scene.store.load(id))?.commits, 1);
});

Deno.test("strict: a request's own commits and form tokens are not a conflict", async () => {
  const scene = setUp();
  const { id, cookie } = await begin(scene);
  const session = await openAs(scene, "strict", cookie);
  session.set("n", 2);
  await scene.commit(session);
  assert(await scene.manager.consumeFormToken(session, formToken));
  session.set("n", 3);
  await scene.commit(session);
  assertEquals((await scene.store.load(id))?.data.n, 3);
});

Deno.test("strict: a new session commits, and again", async () => {
  const scene = setUp();
  const session = await openAs(scene, "strict", null);
  session.set("n", 1);
  await scene.commit(session);
  session.set("n", 2);
  await scene.commit(session);
  assertEquals((await scene.store.load(session.id))?.data, { n: 2 });
});

Deno.test("strict: a form token that another request consumed is a conflict", async () => {
  const scene = setUp();
  const { cookie } = await begin(scene);
  const session = await openAs(scene, "strict", cookie);
  session.set("n", 2);
  const other = await scene.open(cookie);
  assert(await scene.manager.consumeFormToken(other, formToken));
  assertEquals(
    await scene.manager.consumeFormToken(session, formToken),
    false,
  );
  await assertRejects(() => scene.commit(session), SessionConflictError);
});

Deno.test("strict: consumeFormToken() fails with a conflict, and the token stays valid", async () => {
  const scene = setUp();
  const { cookie } = await begin(scene);
  const session = await openAs(scene, "strict", cookie);
  await interfere(scene, cookie);
  await assertRejects(
    () => scene.manager.consumeFormToken(session, formToken),
    SessionConflictError,
  );
  const again = await openAs(scene, "strict", cookie);
  assert(await scene.manager.consumeFormToken(again, formToken));
});

Deno.test("strict: a request that ends the session can have a conflict", async () => {
  const scene = setUp();
  const { id, cookie } = await begin(scene);
  const session = await openAs(scene, "strict", cookie);
  session.destroy();
  await interfere(scene, cookie);
  await assertRejects(() => scene.commit(session), SessionConflictError);
  assert(await scene.store.has(id));
});

Deno.test("strict: commits of another manager and of sealed records count", async () => {
  for (const seal of [false, true]) {
    const scene = setUp({ seal });
    const { cookie } = await begin(scene);
    const session = await openAs(scene, "strict", cookie);
    session.set("n", 2);
    const other = scene.restart({ seal });
    const theirs = await other.open(requestWith(cookie));
    theirs.set("n", 3);
    await other.commit(theirs, new Headers());
    await assertRejects(() => scene.commit(session), SessionConflictError);
  }
});

Deno.test("merge: read-then-set loses what came between, update() does not", async () => {
  const scene = setUp();
  for (
    const [add, sum] of [
      [(session: Session<Data>, n: number) => session.set("n", n + 1), 2],
      [WRITES["update()"]!, 3],
    ] as const
  ) {
    const { cookie } = await scene.begin();
    const [one, other] = [await scene.open(cookie), await scene.open(cookie)];
    for (const session of [one, other]) add(session, session.get("n")!);
    await scene.commit(one);
    await scene.commit(other);
    assertEquals((await scene.open(cookie)).get("n"), sum);
  }
});

Deno.test("counters count the commits since the manager was made", async () => {
  const scene = setUp({ rotateEvery: 10 * MINUTE });
  const { manager } = scene;
  const none = { commits: 0, merged: 0, refused: 0, conflicts: 0 };
  const count = () => {
    const { commits, merged, refused, conflicts } = manager.counters;
    return { commits, merged, refused, conflicts };
  };
  const atFirst = manager.counters;
  assertEquals(count(), none);
  const { cookie } = await begin(scene);
  assertEquals(count(), { ...none, commits: 2 });

  const merging = await scene.open(cookie);
  merging.set("mine", true);
  await interfere(scene, cookie);
  await scene.commit(merging);
  assertEquals(count(), { ...none, commits: 4, merged: 1 });

  const strict = await openAs(scene, "strict", cookie);
  strict.set("n", 3);
  assert(await manager.consumeFormToken(merging, formToken));
  await assertRejects(() => scene.commit(strict), SessionConflictError);
  const counted = { ...none, commits: 5, merged: 1, conflicts: 1 };
  assertEquals(count(), counted);

  // Neither a reader nor the rotation that it brings about.
  await scene.commit(await scene.open(cookie));
  scene.clock.now += 10 * MINUTE;
  assertNotEquals(await scene.commit(await scene.look(cookie)), "");
  assertEquals(count(), counted);

  const late = await scene.open(cookie);
  late.set("n", 4);
  await interfere(scene, cookie, (session) => session.destroy());
  await manager.run(requestWith(null), () => new Response());
  await assertRejects(() => scene.commit(late));
  assertEquals(count(), { ...counted, commits: 6, refused: 1 });
  assertEquals(atFirst.commits, 0);
});

Deno.test("counters: consuming a form token does not show the request earlier changes", async () => {
  const scene = setUp();
  const { cookie } = await begin(scene);
  const session = await scene.open(cookie);
  await interfere(scene, cookie);
  assert(await scene.manager.consumeFormToken(session, formToken));
  session.set("n", 2);
  await scene.commit(session);
  assertEquals(scene.manager.counters.merged, 2);
});
