/** Waiting for a session that another process holds. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import type {
  SessionStore,
  StoreOptions,
  StoreWarning,
} from "../../src/core/store.ts";
import { type LockedFile, openLocked } from "../../src/directory/file_lock.ts";
import { system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { fakeWaiting, replaceSystem } from "../replaced_system.ts";
import { lastAccessIn } from "../session_file.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { startProcess } from "./clients.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { entriesOf } from "../contract/contract.ts";

type Operate = (
  store: SessionStore,
  options?: StoreOptions,
) => Promise<unknown>;

/** The operations that wait for the holder of the exclusive lock. */
const READERS: Record<string, Operate> = {
  load: (store, options) => store.load(ID, options),
  has: (store, options) => store.has(ID, options),
  entries: (store, options) => Array.fromAsync(store.entries(options)),
};

/** The operations that wait for readers too. */
const WRITERS: Record<string, Operate> = {
  "load, touching": (store, options) =>
    store.load(ID, { ...options, touch: () => true }),
  save: (store, options) => store.save(ID, recordOf({ n: 2 }), options),
  create: (store, options) => store.create(ID, recordOf({ n: 2 }), options),
  update: (store, options) => store.update(ID, (same) => same, options),
  touch: (store, options) => store.touch(ID, options),
  delete: (store, options) => store.delete(ID, options),
};

const ALL = { ...READERS, ...WRITERS };

/** Takes a session's lock as another process would: by the file. */
function hold(
  directory: TemporaryDirectory,
  exclusive: boolean,
  name = ID,
): LockedFile {
  const locked = openLocked(directory.join(name), exclusive);
  assert(typeof locked === "object");
  return locked;
}

async function openStore(
  directory: TemporaryDirectory,
  lockTimeout?: number,
): Promise<DirectorySessionStore> {
  const store = new DirectorySessionStore(directory.path, { lockTimeout });
  await store.save(ID, recordOf({ n: 1 }));
  return store;
}

for (const [name, operate] of Object.entries(ALL)) {
  Deno.test(`${name}: gives up on a held session after lockTimeout`, async () => {
    using directory = new TemporaryDirectory();
    const store = await openStore(directory, 700);
    {
      using waiting = fakeWaiting();
      using _held = hold(directory, true);
      const error = await assertRejects(
        () => operate(store),
        SessionLockTimeoutError,
        `Cannot lock ${directory.join(ID)}: still held elsewhere after 700 ms`,
      );
      assertEquals(error.timeout, 700);
      const waited = waiting.waits.reduce((sum, wait) => sum + wait, 0);
      assert(Math.abs(waited - 700) < 1e-6);
    }
    assertEquals(await store.load(ID), recordOf({ n: 1 }));
    assertEquals(directory.list(), [".latchkey", ID]);
  });

  Deno.test(`${name}: continues as soon as the session is free`, async () => {
    using directory = new TemporaryDirectory();
    const store = await openStore(directory);
    using stack = new DisposableStack();
    stack.use(hold(directory, true));
    using waiting = fakeWaiting((count) => {
      if (count === 20) stack.dispose();
    });
    await operate(store);
    // Not before; entries() may give the event loop back afterwards.
    const waits = waiting.waits.filter((ms) => ms > 0);
    assertEquals(waits.length, 20);
  });

  Deno.test(`${name}: stops waiting when its signal is aborted`, async () => {
    using directory = new TemporaryDirectory();
    const store = await openStore(directory, Infinity);
    const controller = new AbortController();
    const reason = new Error("no longer wanted");
    {
      using _held = hold(directory, true);
      using waiting = fakeWaiting((count) => {
        if (count === 3) controller.abort(reason);
      });
      const { signal } = controller;
      const thrown = await assertRejects(() => operate(store, { signal }));
      assertStrictEquals(thrown, reason);
      assertEquals(waiting.waits.length, 2);
    }
    assertEquals(await entriesOf(store), { [ID]: recordOf({ n: 1 }) });
  });
}

for (const [name, operate] of Object.entries(READERS)) {
  Deno.test(`${name}: does not wait for another reader`, async () => {
    using directory = new TemporaryDirectory();
    const store = await openStore(directory, 0);
    using _held = hold(directory, false);
    using waiting = fakeWaiting();
    await operate(store);
    assertEquals(waiting.waits, []);
  });
}

for (const [name, operate] of Object.entries(WRITERS)) {
  Deno.test(`${name}: waits for a reader`, async () => {
    using directory = new TemporaryDirectory();
    const store = await openStore(directory, 50);
    using _held = hold(directory, false);
    using waiting = fakeWaiting();
    // What a load cannot mark in time, it could read all the same.
    if (name === "load, touching") await operate(store);
    else await assertRejects(() => operate(store), SessionLockTimeoutError);
    const waited = waiting.waits.reduce((sum, wait) => sum + wait, 0);
    assert(Math.abs(waited - 50) < 1e-6);
  });
}

Deno.test("a load that cannot mark the session in time, since another process reads it for long, returns it as it is, and tells", async () => {
  using directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory.path, {
    lockTimeout: 50,
    onWarning: (warning) => warnings.push(warning),
  });
  await store.save(ID, recordOf({ n: 1 }));
  const touch = () => true;
  const before = lastAccessIn(directory.join(ID));
  {
    using _held = hold(directory, false);
    using _waiting = fakeWaiting();
    assertEquals(await store.load(ID, { touch }), recordOf({ n: 1 }));
    assertEquals(warnings.map(({ type }) => type), ["unwritten"]);
    assert(warnings[0]!.error instanceof SessionLockTimeoutError);
    assertEquals(lastAccessIn(directory.join(ID)), before);
  }
  // What was read before another process held it to write is no answer.
  let reader: LockedFile | undefined = hold(directory, false);
  let writer: LockedFile | undefined;
  {
    using _waiting = fakeWaiting((count) => {
      if (count !== 2) return;
      reader?.[Symbol.dispose]();
      reader = undefined;
      writer = hold(directory, true);
    });
    const load = () => store.load(ID, { touch });
    await assertRejects(load, SessionLockTimeoutError);
  }
  writer?.[Symbol.dispose]();
});

Deno.test("a held session does not hold up the others", async () => {
  using directory = new TemporaryDirectory();
  const store = await openStore(directory, 0);
  using _held = hold(directory, true);
  await store.save(OTHER_ID, recordOf());
  await store.update(OTHER_ID, (same) => same);
  assertEquals(await store.load(OTHER_ID), recordOf());
  assertEquals(await store.delete(OTHER_ID), true);
});

Deno.test("no file is open and no lock is held while an operation waits", async () => {
  using directory = new TemporaryDirectory();
  const store = await openStore(directory);
  using stack = new DisposableStack();
  stack.use(hold(directory, false));
  // Another reader gets the lock: the waiting writer has none, and reserves none.
  using _waiting = fakeWaiting((count) => {
    hold(directory, false)[Symbol.dispose]();
    if (count === 5) stack.dispose();
  });
  await store.save(ID, recordOf({ n: 2 }));
  assertEquals(await store.load(ID), recordOf({ n: 2 }));
});

Deno.test("an operation that waited sees the holder's change", async () => {
  using directory = new TemporaryDirectory();
  const store = await openStore(directory);
  using stack = new DisposableStack();
  stack.use(hold(directory, true));
  const before = Deno.readFileSync(directory.join(ID));
  await store.save(OTHER_ID, recordOf());
  using _waiting = fakeWaiting((count) => {
    if (count !== 5) return;
    Deno.removeSync(directory.join(ID));
    stack.dispose();
  });
  assertEquals(await store.touch(ID), false);
  assertEquals(await store.update(ID, (same) => same), undefined);
  assertEquals(directory.list(), [".latchkey", OTHER_ID]);
  Deno.writeFileSync(directory.join(ID), before);
  assertEquals(await store.load(ID), recordOf({ n: 1 }));
});

Deno.test("the default lockTimeout is five seconds", async () => {
  using directory = new TemporaryDirectory();
  const store = await openStore(directory);
  using _held = hold(directory, true);
  using _waiting = fakeWaiting();
  const error = await assertRejects(
    () => store.load(ID),
    SessionLockTimeoutError,
  );
  assertEquals(error.timeout, 5_000);
});

Deno.test("an operation waits for a session that another process holds", async () => {
  using directory = new TemporaryDirectory();
  const store = await openStore(directory, 20);
  await using holder = await startProcess({
    act: "hold",
    path: directory.join(ID),
  });
  for (const operate of Object.values(ALL)) {
    await assertRejects(() => operate(store), SessionLockTimeoutError);
  }
  await holder.kill();
});

Deno.test("a session is free when its holder is killed", async () => {
  using directory = new TemporaryDirectory();
  const store = await openStore(directory, Infinity);
  await using holder = await startProcess({
    act: "hold",
    path: directory.join(ID),
  });
  const { promise: isWaiting, resolve } = Promise.withResolvers<void>();
  const { wait } = system;
  using _replaced = replaceSystem({
    wait: (ms, signal) => {
      resolve();
      return wait(ms, signal);
    },
  });
  const updated = store.update(ID, () => recordOf({ n: 2 }));
  // If the operation does not wait, the test fails instead of hanging.
  assertEquals(await Promise.race([isWaiting, updated]), undefined);
  await holder.kill();
  assertEquals(await updated, recordOf({ n: 2 }));
});
