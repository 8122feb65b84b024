import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  SessionGoneError,
  SessionRevokedError,
} from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { isRevocationId, revocationId } from "../../src/core/revocation.ts";
import type { EntriesOptions } from "../../src/core/store.ts";
import type { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { MINUTE } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  BEGIN,
  cookieIn,
  type Data,
  requestWith,
  type SetUp,
  setUp,
} from "./set_up.ts";

const DAY = 24 * 60 * MINUTE;

/** A store whose listing has none of these. */
class BlindStore extends MemorySessionStore {
  readonly missed: Set<string> = new Set();
  /** Runs between the listing and its result. */
  meanwhile: (() => Promise<unknown>) | undefined;

  override async *entries(
    options?: EntriesOptions,
  ): AsyncGenerator<readonly [string, SessionRecord, number]> {
    for await (const entry of super.entries(options)) {
      await this.meanwhile?.();
      if (!this.missed.has(entry[0])) yield entry;
    }
  }
}

/** A scene whose store misses the sessions that it is told to. */
function setUpBlind(): SetUp & { blind: BlindStore } {
  const clock = { now: BEGIN };
  const now = () => clock.now;
  const blind = new BlindStore({ now });
  return { ...setUp({ store: blind, now }), clock, blind };
}

type Device = { id: string; cookie: string };

/** Begins a session of a user's. */
async function signIn(
  { open, commit }: Pick<SetUp, "open" | "commit">,
  user: string,
  label?: string,
): Promise<Device> {
  const session = await open();
  session.set("n", 1);
  session.setUser(user);
  if (label !== undefined) session.setLabel(label);
  const header = await commit(session);
  return { id: session.id, cookie: cookieIn(header) };
}

async function idsOf(
  manager: SessionManager<Data>,
  user: string,
): Promise<string[]> {
  return (await manager.sessionsOf(user)).map(({ id }) => id).sort();
}

Deno.test("sessionsOf() lists a user's devices, the one accessed last first", async () => {
  const scene = setUp();
  const { manager, clock, open, commit } = scene;
  const first = await signIn(scene, "ann", "Firefox on Linux");
  clock.now += 10 * MINUTE;
  const second = await signIn(scene, "ann");
  await signIn(scene, "bob", "a phone");
  await commit(await open());
  clock.now += 10 * MINUTE;
  await open(first.cookie);
  assertEquals(await manager.sessionsOf("ann"), [
    {
      id: first.id,
      createdAt: BEGIN,
      lastAccess: BEGIN + 20 * MINUTE,
      label: "Firefox on Linux",
    },
    {
      id: second.id,
      createdAt: BEGIN + 10 * MINUTE,
      lastAccess: BEGIN + 10 * MINUTE,
      label: null,
    },
  ]);
  assertEquals(await manager.sessionsOf("carl"), []);
});

Deno.test("revokeUser() ends all sessions of a user, and no others", async () => {
  const scene = setUp();
  const { manager, open, store } = scene;
  const anns = [await signIn(scene, "ann"), await signIn(scene, "ann")];
  const bob = await signIn(scene, "bob");
  const { id: nobody } = await scene.begin();
  assertEquals(await manager.revokeUser("ann"), 2);
  for (const { id, cookie } of anns) {
    assert((await open(cookie)).isNew);
    assertEquals(await store.has(id), false);
  }
  assertEquals((await open(bob.cookie)).user, "bob");
  assert(await store.has(nobody));
  assertEquals(await manager.sessionsOf("ann"), []);
  assertEquals(await idsOf(manager, "bob"), [bob.id]);
  assertEquals(await manager.revokeUser("ann"), 0);
  assertEquals(await manager.revokeUser("carl"), 0);
});

Deno.test("revokeUser() with except spares that session, for reads and commits, also of requests under way", async () => {
  const scene = setUp();
  const { manager, open, commit } = scene;
  const other = await signIn(scene, "ann");
  const mine = await signIn(scene, "ann");
  const running = await open(mine.cookie);
  running.set("n", 2);
  for (let time = 0; time < 3; time++) {
    const ended = await manager.revokeUser("ann", { except: mine.id });
    assertEquals(ended, time === 0 ? 1 : 0);
    assert((await open(other.cookie)).isNew);
    assertEquals((await open(mine.cookie)).user, "ann");
  }
  await commit(running);
  assertEquals((await open(mine.cookie)).get("n"), 2);
  assertEquals(await idsOf(manager, "ann"), [mine.id]);
  assertEquals(await manager.revokeUser("ann"), 1);
  assert((await open(mine.cookie)).isNew);
});

Deno.test("revokeUser() does not spare another user's session", async () => {
  const scene = setUp();
  const { manager, open } = scene;
  const bob = await signIn(scene, "bob");
  for (const except of ["", "no session", "\0", "x".repeat(1e6), bob.id]) {
    const { cookie } = await signIn(scene, "ann");
    assertEquals(await manager.revokeUser("ann", { except }), 1);
    assert((await open(cookie)).isNew);
  }
  assertEquals((await open(bob.cookie)).user, "bob");
});

Deno.test("a request of a revoked session that is still running cannot commit, whatever it did", async () => {
  const acts: Parameters<typeof cannot>[0][] = [
    (session) => session.set("n", 2),
    (session) => session.regenerate(),
    (session) => session.setLabel("mine"),
    (session) => session.setLifetime({ idleTimeout: DAY }),
    (session) => void session.createFormToken(),
  ];
  async function cannot(
    act: (session: Awaited<ReturnType<SetUp["open"]>>) => void,
    isMissed: boolean,
  ): Promise<void> {
    const scene = setUpBlind();
    const { manager, open, commit, blind } = scene;
    const { id, cookie } = await signIn(scene, "ann");
    if (isMissed) blind.missed.add(id);
    const running = await open(cookie);
    act(running);
    assertEquals(await manager.revokeUser("ann"), isMissed ? 0 : 1);
    assertEquals(await blind.has(id), isMissed);
    await assertRejects(() => commit(running), SessionGoneError);
    assertEquals(await blind.has(id), false);
    assert((await open(cookie)).isNew);
  }
  for (const act of acts) {
    for (const isMissed of [false, true]) await cannot(act, isMissed);
  }
});

Deno.test("destroy() of a session that was revoked meanwhile is no error", async () => {
  const scene = setUp();
  const { cookie } = await signIn(scene, "ann");
  const running = await scene.open(cookie);
  running.destroy();
  await scene.manager.revokeUser("ann");
  await scene.commit(running);
});

Deno.test("a revoked session that every listing misses does not open, and is deleted by a request that brings it", async () => {
  const scene = setUpBlind();
  const { manager, open, blind } = scene;
  const missed = await signIn(scene, "ann");
  const found = await signIn(scene, "ann");
  blind.missed.add(missed.id);
  assertEquals(await manager.revokeUser("ann"), 1);
  assert(await blind.has(missed.id));
  assert((await open(missed.cookie)).isNew);
  assertEquals(await blind.has(missed.id), false);
  assert((await open(found.cookie)).isNew);
});

Deno.test("a revoked session that a listing missed is not listed afterwards", async () => {
  const scene = setUpBlind();
  const { manager, blind } = scene;
  const { id } = await signIn(scene, "ann");
  blind.missed.add(id);
  await manager.revokeUser("ann");
  blind.missed.clear();
  assertEquals(await manager.sessionsOf("ann"), []);
  assertEquals(await manager.revokeUser("ann"), 1);
});

Deno.test("a revoked session that a listing missed is not brought back by sparing it later", async () => {
  const scene = setUpBlind();
  const { manager, open, blind } = scene;
  const { id, cookie } = await signIn(scene, "ann");
  blind.missed.add(id);
  await manager.revokeUser("ann");
  for (let time = 0; time < 3; time++) {
    await manager.revokeUser("ann", { except: id });
  }
  assert(await blind.has(id));
  assert((await open(cookie)).isNew);
});

Deno.test("a record that became another user's between listing and deletion stays", async () => {
  const scene = setUpBlind();
  const { manager, blind } = scene;
  const { id } = await signIn(scene, "ann");
  blind.meanwhile = () =>
    blind.update(id, (record) => ({ ...record, user: "bob" }));
  assertEquals(await manager.revokeUser("ann"), 0);
  assertEquals((await blind.load(id))?.user, "bob");
});

Deno.test("a form token of a revoked session that a listing missed is not valid", async () => {
  const scene = setUpBlind();
  const { manager, open, commit, blind } = scene;
  const { id, cookie } = await signIn(scene, "ann");
  blind.missed.add(id);
  const session = await open(cookie);
  const token = session.createFormToken();
  await commit(session);
  const running = await open(cookie);
  await manager.revokeUser("ann");
  assertEquals(await manager.consumeFormToken(running, token), false);
});

Deno.test("a login after a revocation stays, in the same millisecond and with a clock set back", async () => {
  for (const step of [0, 1, -DAY]) {
    const scene = setUpBlind();
    const { manager, open, commit, clock } = scene;
    const before = await signIn(scene, "ann");
    const { cookie } = await scene.begin();
    const visitor = await open(cookie);
    for (let time = 0; time < 3; time++) {
      await manager.revokeUser("ann");
      clock.now += step;
      const after = await signIn(scene, "ann");
      assertEquals((await open(after.cookie)).user, "ann");
      assertEquals(await idsOf(manager, "ann"), [after.id]);
      assert((await open(before.cookie)).isNew);
    }
    // It may have checked the password from before.
    visitor.setUser("ann");
    await assertRejects(() => commit(visitor), SessionRevokedError);
    assertEquals(await manager.revokeUser("ann"), 1);
  }
});

Deno.test("a revocation ends logins that a wrong clock dated into the future, also those that a listing missed", async () => {
  for (const isMissed of [false, true]) {
    const scene = setUpBlind();
    const { manager, open, clock, blind } = scene;
    await manager.revokeUser("ann");
    clock.now += 1_000 * DAY;
    await manager.revokeUser("ann");
    const { id, cookie } = await signIn(scene, "ann");
    clock.now = BEGIN;
    if (isMissed) blind.missed.add(id);
    await manager.revokeUser("ann");
    assert((await open(cookie)).isNew);
  }
});

Deno.test("a revocation ends sessions of a revocation that has expired, also those that a listing missed", async () => {
  const scene = setUpBlind();
  const { manager, open, clock, blind } = scene;
  for (let time = 0; time < 3; time++) await manager.revokeUser("ann");
  const { id, cookie } = await signIn(scene, "ann");
  clock.now += 400 * DAY + MINUTE;
  assertEquals(await blind.has(revocationId("ann")), false);
  assertEquals((await open(cookie)).user, "ann");
  blind.missed.add(id);
  await manager.revokeUser("ann");
  assert((await open(cookie)).isNew);
});

Deno.test("regenerate(), rotation and setUser() of the same user do not outlive a revocation", async () => {
  const scene = setUpBlind();
  const { manager, open, commit, clock, blind } = scene;
  const now = () => clock.now;
  const rotating = scene.restart({ store: blind, now, rotateEvery: MINUTE });
  await manager.revokeUser("ann");
  const { id, cookie } = await signIn(scene, "ann");
  const generation = (await blind.load(id))!.userGeneration;
  assert(generation !== undefined);

  const session = await open(cookie);
  session.regenerate();
  session.setUser("ann");
  const renewed = cookieIn(await commit(session));
  clock.now += 2 * MINUTE;
  const headers = new Headers();
  const reader = await rotating.open(requestWith(renewed));
  assertEquals(reader.user, "ann");
  await rotating.commit(reader, headers);
  const rotated = headers.getSetCookie()[0]!.split(";")[0]!;
  assertEquals((await blind.load(id))!.userGeneration, generation);

  blind.missed.add(id);
  await manager.revokeUser("ann");
  for (const any of [cookie, renewed, rotated]) {
    assert((await open(any)).isNew);
  }
});

Deno.test("a logout leaves no trace of the user's revocations in the record", async () => {
  const scene = setUp();
  const { manager, open, commit, store } = scene;
  await manager.revokeUser("ann");
  const { id, cookie } = await signIn(scene, "ann");
  const session = await open(cookie);
  session.setUser("bob");
  await commit(session);
  assertEquals(await store.has(id), false);
  const { user, userGeneration } = (await store.load(session.id))!;
  assertEquals([user, userGeneration], ["bob", undefined]);
  assertEquals(await manager.revokeUser("ann"), 0);
  assertEquals(await idsOf(manager, "bob"), [session.id]);
});

Deno.test("a login that began before the first revocation, and is stored after it, is revoked", async () => {
  const scene = setUp();
  const { manager, open, commit, store } = scene;
  const session = await open();
  session.setUser("ann");
  const { create } = store;
  store.create = async (id, record) => {
    store.create = create;
    // Between the look at the mark and the record.
    assertEquals(await manager.revokeUser("ann"), 0);
    return await store.create(id, record);
  };
  const cookie = (await commit(session)).split(";")[0];
  assertEquals(await manager.sessionsOf("ann"), []);
  assert((await open(cookie)).isNew);
});

Deno.test("revocations at once end all earlier sessions, and leave one record", async () => {
  const scene = setUp();
  const { manager, open, store } = scene;
  const devices = [];
  for (let n = 0; n < 5; n++) devices.push(await signIn(scene, "ann"));
  const counts = await Promise.all(
    Array.from({ length: 8 }, () => manager.revokeUser("ann")),
  );
  assertEquals(counts.reduce((sum, count) => sum + count), 5);
  for (const { cookie } of devices) assert((await open(cookie)).isNew);
  const left = await Array.fromAsync(store.entries(), ([id]) => id);
  assertEquals(left, [revocationId("ann")]);
});

Deno.test("a revocation is a record of the store, but not a session of the manager", async () => {
  const scene = setUp({ idleTimeout: MINUTE });
  const { manager, store, clock } = scene;
  await manager.revokeUser("ann");
  const id = revocationId("ann");
  assert(await store.has(id));
  assertEquals(await manager.hasSession(id), false);
  assertEquals(await manager.expire(id), false);
  assert(await store.has(id));
  assertEquals((await store.deleteOldSessions(0)).remaining, 1);
  clock.now += 400 * DAY - 1;
  assert(await store.has(id));
  clock.now += 1;
  assertEquals((await store.deleteOldSessions(0)).deleted, 1);
});

Deno.test("a user is any string, and has a revocation of its own", async () => {
  const users = [
    ..."ann|Ann|ann |../../etc|é|e\u0301|🍪|\ud83c|\ufffd|__proto__|\0|\n|-"
      .split("|"),
    "x".repeat(100_000),
  ];
  assertEquals(new Set(users.map(revocationId)).size, users.length);
  assert(users.every((user) => isRevocationId(revocationId(user))));
  using directory = new TemporaryDirectory();
  const stores = [
    new MemorySessionStore(),
    new DirectorySessionStore(directory.path),
  ];
  for (const store of stores) {
    const scene = setUp({ store, now: Date.now });
    const { manager, open } = scene;
    const devices = [];
    for (const user of users) devices.push(await signIn(scene, user));
    for (const [n, user] of users.entries()) {
      assertEquals(await idsOf(manager, user), [devices[n]!.id]);
      assertEquals(await manager.revokeUser(user), 1);
      for (const [m, { cookie }] of devices.entries()) {
        assertEquals((await open(cookie)).user, m > n ? users[m] : null);
      }
    }
  }
});

Deno.test("sessionsOf() and revokeUser() refuse what is not a name, before any I/O", async () => {
  const { manager, begin, store } = setUp();
  await begin();
  for (const user of ["", undefined, null, 1, {}, ["ann"]] as string[]) {
    await assertRejects(() => manager.sessionsOf(user), TypeError, "name");
    await assertRejects(() => manager.revokeUser(user), TypeError, "name");
  }
  const except = 1 as unknown as string;
  await assertRejects(() => manager.revokeUser("ann", { except }), TypeError);
  assertEquals(store.takeCalls(), []);
});

Deno.test("an error of the store reaches the caller, and the revocation holds once it is written", async () => {
  const scene = setUp();
  const { manager, store, open } = scene;
  const { cookie } = await signIn(scene, "ann");
  const error = new Error("the store is broken");
  store.failure = error;
  assertEquals(
    await assertRejects(() => manager.revokeUser("ann")),
    error,
  );
  assertEquals(await assertRejects(() => manager.sessionsOf("ann")), error);
  store.failure = undefined;
  assertEquals((await open(cookie)).user, "ann");
  const { update } = store;
  store.update = (id, change) =>
    isRevocationId(id) ? update.call(store, id, change) : Promise.reject(error);
  const { cause } = await assertRejects(
    () => manager.revokeUser("ann"),
    Error,
    "all of which are shut already: the store is broken",
  );
  assertEquals(cause, error);
  store.update = update;
  assert((await open(cookie)).isNew);
});

Deno.test("a session with a user costs one load more, a session without a user none", async () => {
  const scene = setUp();
  const { open, commit, store } = scene;
  const { cookie } = await scene.begin();
  const session = await open(cookie);
  session.set("n", 2);
  await commit(session);
  assertEquals(store.takeCalls(), ["load", "update"]);
  const ann = await signIn(scene, "ann");
  store.takeCalls();
  const signedIn = await open(ann.cookie);
  assertEquals(store.takeCalls(), ["load", "load"]);
  signedIn.set("n", 2);
  await commit(signedIn);
  assertEquals(store.takeCalls(), ["load", "update"]);
  // A wrong secret learns nothing, and costs nothing.
  await open(`latchkey=${ann.id}${"A".repeat(22)}`);
  assertEquals(store.takeCalls(), ["load"]);
});

Deno.test("setLabel() names a session, and a label alone is no reason to store one", async () => {
  const scene = setUp();
  const { open, commit, store } = scene;
  const stranger = await open();
  stranger.setLabel("nobody's");
  assertEquals(await commit(stranger), "");
  assertEquals(store.takeCalls(), []);
  const { id, cookie } = await signIn(scene, "ann", "Firefox");
  store.takeCalls();
  const same = await open(cookie);
  assertEquals(same.label, "Firefox");
  same.setLabel("Firefox");
  await commit(same);
  assertEquals(store.takeCalls(), ["load", "load"]);
  for (const label of ["x".repeat(256), "\0", "🍪", null]) {
    const session = await open(cookie);
    session.setLabel(label);
    assertEquals(session.label, label);
    await commit(session);
    assertEquals(session.label, label);
    assertEquals((await open(cookie)).label, label);
    assertEquals((await scene.manager.sessionsOf("ann"))[0]!.label, label);
  }
  assertEquals("label" in (await store.load(id))!, false);
});

Deno.test("setLabel() refuses what is not a label", async () => {
  const session = await setUp().open();
  for (const label of [undefined, 1, {}, ["x"]] as unknown as string[]) {
    assertThrows(() => session.setLabel(label), TypeError, "label");
  }
  assertEquals(session.label, null);
});

Deno.test("sealed, a user's sessions are listed and revoked all the same: user and label are in clear", async () => {
  const scene = setUp({ seal: true });
  const { manager, open, store } = scene;
  await manager.revokeUser("ann");
  const { id, cookie } = await signIn(scene, "ann", "Firefox");
  const { data, user, label, userGeneration } = (await store.load(id))!;
  assertEquals([data, user, label], [{}, "ann", "Firefox"]);
  assertEquals(userGeneration, BEGIN);
  assertEquals((await manager.sessionsOf("ann"))[0]!.label, "Firefox");
  assertEquals((await open(cookie)).label, "Firefox");
  assertEquals(await manager.revokeUser("ann"), 1);
  assert((await open(cookie)).isNew);
});

Deno.test("setLabel() keeps 256 characters of a longer label and splits none; an empty one is none", async () => {
  const session = await setUp().open();
  const labels: [label: string, kept: string | null][] = [
    ["x".repeat(256), "x".repeat(256)],
    ["x".repeat(257), "x".repeat(256)],
    ["x".repeat(100_000), "x".repeat(256)],
    [`${"x".repeat(255)}😀`, "x".repeat(255)],
    [`${"x".repeat(254)}😀`, `${"x".repeat(254)}😀`],
    [`${"x".repeat(254)}😀y`, `${"x".repeat(254)}😀`],
    ["😀".repeat(200), "😀".repeat(128)],
    ["", null],
  ];
  for (const [label, kept] of labels) {
    session.setLabel("before");
    session.setLabel(label);
    assertEquals(session.label, kept);
  }
});
