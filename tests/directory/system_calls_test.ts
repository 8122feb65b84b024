/** The system calls of a directory store, and the files that it leaves. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import { openLocked } from "../../src/directory/file_lock.ts";
import { system } from "../../src/system/system.ts";
import {
  DirectorySessionStore,
  type DirectorySessionStoreOptions,
} from "../../src/directory/directory_store.ts";
import {
  actBefore,
  fakeWaiting,
  type RecordedCalls,
  recordSystem,
  replaceSystem,
  stopClock,
} from "../replaced_system.ts";
import { lastAccessIn, setLastAccess } from "../session_file.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { HOUR, ID, recordOf } from "../constants.ts";
import { lastAccessOf } from "../contract/contract.ts";

interface Scene extends Disposable {
  readonly directory: TemporaryDirectory;
  readonly store: DirectorySessionStore;
  readonly recorded: RecordedCalls;
}

/** A store in use, whose further calls are recorded. */
async function openScene(
  options: DirectorySessionStoreOptions = {},
): Promise<Scene> {
  const stack = new DisposableStack();
  const directory = stack.use(new TemporaryDirectory());
  const store = new DirectorySessionStore(directory.path, options);
  await store.setup();
  const recorded = stack.use(recordSystem(directory.path));
  return {
    directory,
    store,
    recorded,
    [Symbol.dispose]: () => stack.dispose(),
  };
}

function ageFile(directory: TemporaryDirectory, at: number): void {
  setLastAccess(directory.join(ID), at);
}

function accessIn(directory: TemporaryDirectory): number | undefined {
  return lastAccessIn(directory.join(ID));
}

const READ_TO_END = [
  "open session",
  "tryLock session shared",
  "read session",
  "close session",
];
const LET_GO = ["unlock session", "close session"];
const HOLD = [
  "open session",
  "tryLock session",
  "fstat session",
  "lstat session",
  "read session",
];

Deno.test("a load is one open file and one shared lock", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  const lifetimes = [
    {},
    { expiresAt: Date.now() + HOUR },
    { idleTimeout: HOUR },
  ];
  for (const lifetime of lifetimes) {
    await store.save(ID, recordOf({}, lifetime));
    recorded.take();
    assert(await store.load(ID));
    assertEquals(recorded.take(), READ_TO_END);
    assert(await store.has(ID));
    assertEquals(recorded.take(), READ_TO_END);
  }
});

Deno.test("a load whose touch is not due makes no further calls", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  await store.save(ID, recordOf());
  recorded.take();
  assert(await store.load(ID, { touch: () => false }));
  assertEquals(recorded.take(), READ_TO_END);
});

Deno.test("a load whose touch is due opens and locks again, and never converts a lock", async () => {
  using scene = await openScene();
  const { store, recorded, directory } = scene;
  await store.save(ID, recordOf());
  ageFile(directory, Date.now() - HOUR);
  recorded.take();
  assert(await store.load(ID, { touch: () => true }));
  assertEquals(recorded.take(), [
    ...READ_TO_END,
    ...HOLD,
    "overwrite session",
    ...LET_GO,
  ]);
});

Deno.test("a load of a missing session opens no file", async () => {
  using scene = await openScene();
  assertEquals(await scene.store.load(ID), undefined);
  assertEquals(scene.recorded.take(), ["open session"]);
});

Deno.test("a load of an expired session looks at the name before it answers", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  await store.save(ID, recordOf({}, { expiresAt: 1 }));
  recorded.take();
  assertEquals(await store.load(ID), undefined);
  assertEquals(recorded.take(), [
    "open session",
    "tryLock session shared",
    "read session",
    "fstat session",
    "lstat session",
    "close session",
  ]);
});

Deno.test("a change is written and renamed under one lock", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  await store.save(ID, recordOf());
  recorded.take();
  await store.update(ID, () => recordOf({ n: 2 }));
  assertEquals(recorded.take(), [
    ...HOLD,
    "open temporary",
    "write temporary",
    "link session to temporary",
    "rename temporary to session",
    "close temporary",
  ]);
  // The replaced file stays open and locked, and is the next one to be written.
  const recycling = [
    "fstat session",
    "rewind session",
    "write session",
    "link session to temporary",
    "rename temporary to session",
    "overwrite session",
    "unlock session",
    "close session",
  ];
  await store.save(ID, recordOf());
  assertEquals(recorded.take(), [...HOLD, ...recycling]);
  await store.update(ID, (record) => record);
  assertEquals(recorded.take(), [...HOLD, ...recycling]);
});

const SHARE = [
  "open bucket-lock",
  "tryLock bucket-lock shared",
  "fstat bucket-lock",
  "link bucket-lock to entry",
];
const LET_BUCKET_GO = ["unlock bucket-lock", "close bucket-lock"];
const UNLINK = ["open bucket-lock", "tryLock bucket-lock"];
const CREATE = [
  "open temporary",
  "write temporary",
  "link temporary to session",
  "remove temporary",
  "close temporary",
];

Deno.test("a login makes an entry first, and a logout removes one last", async () => {
  using scene = await openScene({ durability: "power" });
  const { store, recorded } = scene;
  const ann = (record: SessionRecord) => ({ ...record, user: "ann" });
  const bucketSync = ["open bucket", "sync bucket", "close bucket"];
  const sync = ["sync directory", "close directory"];
  const replace = [
    "open temporary",
    "write temporary",
    "sync temporary",
    "tryLock temporary",
    "open directory",
    "rename temporary to session",
    ...sync,
    "unlock temporary",
    "close temporary",
  ];
  await store.save(ID, recordOf());
  recorded.take();

  await store.update(ID, ann);
  assertEquals(recorded.take(), [
    ...HOLD,
    "open bucket-lock",
    "stat directory",
    "makeDirectory users",
    "changeMode users",
    "makeDirectory bucket",
    "changeMode bucket",
    "open bucket-lock",
    "changeMode bucket-lock",
    "close bucket-lock",
    "open users",
    "sync users",
    "close users",
    ...SHARE,
    ...bucketSync,
    ...replace,
    ...LET_BUCKET_GO,
    ...LET_GO,
  ]);
  await store.update(ID, ann);
  assertEquals(recorded.take(), [...HOLD, ...replace, ...LET_GO]);
  await store.update(ID, ({ user: _user, ...rest }) => rest);
  assertEquals(recorded.take(), [
    ...HOLD,
    ...replace,
    ...UNLINK,
    "lstat session",
    "open session",
    "fstat session",
    "read session",
    "close session",
    "remove entry",
    ...LET_BUCKET_GO,
    ...LET_GO,
  ]);
  await store.update(ID, ann);
  assertEquals(recorded.take(), [
    ...HOLD,
    ...SHARE,
    ...bucketSync,
    ...replace,
    ...LET_BUCKET_GO,
    ...LET_GO,
  ]);
  const removing = [
    ...HOLD,
    ...UNLINK,
    "open directory",
    "remove session",
    ...sync,
    "remove entry",
    ...LET_BUCKET_GO,
    ...LET_GO,
  ];
  await store.update(ID, () => undefined);
  assertEquals(recorded.take(), removing);
  await store.save(ID, ann(recordOf()));
  recorded.take();
  await store.delete(ID);
  assertEquals(recorded.take(), removing);
});

Deno.test("a change without a user, or of the same user, makes no call in the index", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  const ann = recordOf({}, { user: "ann" });
  await store.create(ID, ann);
  recorded.take();
  await store.update(ID, (record) => record);
  await store.save(ID, ann);
  await store.load(ID, { touch: () => true });
  await store.touch(ID);
  await store.save(ID, recordOf());
  await store.save(ID, recordOf());
  await store.update(ID, (record) => record);
  await store.delete(ID);
  await store.create(ID, recordOf());
  const calls = recorded.take().filter((call) =>
    /users|bucket|entry/.test(call)
  );
  assertEquals(calls, []);
  await store.delete(ID);
  recorded.take();
  await store.create(ID, ann);
  assertEquals(recorded.take(), [
    "stat directory",
    ...SHARE,
    ...CREATE,
    ...LET_BUCKET_GO,
  ]);
});

Deno.test("a cleanup locks a bucket for the entries of deleted sessions, and for stale ones", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  const ann = { user: "ann" };
  const calls = () =>
    recorded.take().filter((call) => /users|bucket|entry/.test(call));
  await store.save(ID, recordOf({}, ann));
  calls();
  const look = ["lstat users"];
  const lookAtBucket = ["lstat bucket", "lstat bucket-lock"];
  const sweep = [
    "readDirectory users",
    ...lookAtBucket,
    "readDirectory bucket",
  ];
  const refresh = [
    "open bucket-lock",
    "fstat bucket-lock",
    "setModified bucket-lock",
    "close bucket-lock",
  ];
  await store.deleteOldSessions(30);
  assertEquals(calls(), [...look, ...sweep, ...refresh]);
  await store.save(ID, recordOf());
  await store.deleteOldSessions(30);
  const removing = [...UNLINK, "remove entry", ...LET_BUCKET_GO];
  assertEquals(calls(), [...look, ...sweep, ...removing, ...refresh]);
  await store.save(ID, recordOf({}, { ...ann, expiresAt: 1 }));
  calls();
  await store.deleteOldSessions(30);
  assertEquals(calls(), [
    ...look,
    ...lookAtBucket,
    ...removing,
    ...sweep,
    ...refresh,
  ]);
});

Deno.test("a touch is one write, of 16 digits", async () => {
  using scene = await openScene();
  const { store, recorded, directory } = scene;
  await store.save(ID, recordOf());
  ageFile(directory, Date.now() - HOUR);
  recorded.take();
  const written: number[][] = [];
  const { overwrite } = system;
  using _replaced = replaceSystem({
    overwrite: (file, at, bytes) => {
      written.push([at, bytes.length]);
      return overwrite(file, at, bytes);
    },
  });
  assertEquals(await store.touch(ID), true);
  assertEquals(recorded.take(), [...HOLD, "overwrite session", ...LET_GO]);
  assertEquals(written, [[11, 16]]);
});

Deno.test("durability power: every change is on the disk before its answer", async () => {
  using scene = await openScene({ durability: "power" });
  const { store, recorded } = scene;
  const write = [
    "open temporary",
    "write temporary",
    "sync temporary",
    "tryLock temporary",
    "open directory",
  ];
  const sync = ["sync directory", "close directory"];
  const done = ["unlock temporary", "close temporary"];

  await store.create(ID, recordOf());
  const creating = [
    "stat directory",
    ...write,
    "link temporary to session",
    "remove temporary",
    ...sync,
    ...done,
  ];
  assertEquals(recorded.take(), creating);

  const replacing = [
    ...write,
    "rename temporary to session",
    ...sync,
    ...done,
    ...LET_GO,
  ];
  await store.save(ID, recordOf());
  assertEquals(recorded.take(), [...HOLD, ...replacing]);
  await store.update(ID, (record) => record);
  assertEquals(recorded.take(), [...HOLD, ...replacing]);

  const removing = [
    ...HOLD,
    "open directory",
    "remove session",
    ...sync,
    ...LET_GO,
  ];
  await store.delete(ID);
  assertEquals(recorded.take(), removing);
  await store.save(ID, recordOf());
  assertEquals(recorded.take(), ["open session", ...creating]);
  await store.update(ID, () => undefined);
  assertEquals(recorded.take(), removing);
});

Deno.test("durability process: nothing is synced", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  await store.save(ID, recordOf());
  await store.save(ID, recordOf());
  await store.update(ID, (record) => record);
  await store.touch(ID);
  await store.delete(ID);
  await store.create(ID, recordOf());
  const synced = recorded.calls.filter((call) => call.startsWith("sync"));
  assertEquals(synced, []);
});

Deno.test("every operation closes each file that it opened, and unlocks each that it locked to write", async () => {
  using scene = await openScene({ onWarning: () => {} });
  const { store, recorded, directory } = scene;
  const operations: (() => Promise<unknown>)[] = [
    () => store.load(ID),
    () => store.touch(ID),
    () => store.load(ID, { touch: () => true }),
    () => store.create(ID, recordOf()),
    () => store.update(ID, (record) => record),
    () => Array.fromAsync(store.entries()),
    () => store.deleteOldSessions(30),
    () => store.delete(ID),
    () => store.save(ID, recordOf({}, { expiresAt: 1 })),
    () => store.load(ID),
    () => store.deleteOldSessions(30),
    () => Deno.writeTextFile(directory.join(ID), "junk"),
    () => store.load(ID),
  ];
  for (const present of [true, false]) {
    for (const [n, operate] of operations.entries()) {
      if (present) await store.save(ID, recordOf());
      recorded.take();
      await operate();
      const calls = recorded.take();
      const count = (call: string) =>
        calls.filter((one) => one.startsWith(`${call} `)).length;
      assertEquals(count("open"), count("close") + missingOpens(calls), `${n}`);
      const reads = calls.filter((call) => call === "tryLock session shared");
      // The marker's lock is tried twice more, to see that it excludes.
      const trials = calls.includes("tryLock marker") ? 2 : 0;
      const locks = count("tryLock") - reads.length - trials;
      assertEquals(locks, count("unlock"), `${n}`);
    }
  }
});

/** Counts the opens that found nothing: no call on the file follows. */
function missingOpens(calls: readonly string[]): number {
  return calls.filter((call, at) =>
    call === "open session" && !calls[at + 1]?.endsWith("session") &&
    !calls[at + 1]?.endsWith("session shared")
  ).length;
}

Deno.test("no operation leaves any file but its session's", async () => {
  using scene = await openScene({ onWarning: () => {} });
  const { store, directory } = scene;
  const steps: [() => Promise<unknown>, string[]][] = [
    [() => store.load(ID), []],
    [() => store.touch(ID), []],
    [() => store.update(ID, (record) => record), []],
    [() => store.create(ID, recordOf()), [ID]],
    [() => store.create(ID, recordOf()), [ID]],
    [() => store.save(ID, recordOf()), [ID]],
    [() => store.update(ID, (record) => record), [ID]],
    [() => store.load(ID, { touch: () => true }), [ID]],
    [() => store.touch(ID), [ID]],
    [() => Array.fromAsync(store.entries()), [ID]],
    [() => store.deleteOldSessions(30), [ID]],
    [() => store.delete(ID), []],
    [() => store.delete(ID), []],
    [() => store.save(ID, recordOf()), [ID]],
    [() => store.update(ID, () => undefined), []],
    [() => store.save(ID, recordOf({}, { expiresAt: 1 })), [ID]],
    [() => store.create(ID, recordOf()), [ID]],
    [() => store.save(ID, recordOf({}, { expiresAt: 1 })), [ID]],
    [() => store.deleteOldSessions(30), []],
  ];
  for (const [n, [operate, names]] of steps.entries()) {
    await operate();
    assertEquals(directory.list(), [".latchkey", ...names], `step ${n}`);
  }
});

Deno.test("the last access is in the file, whatever the file's times are", async () => {
  using scene = await openScene();
  const { store, directory } = scene;
  await store.save(ID, recordOf());
  for (const at of [0, 1, 999, 1_763_629_200_123, 4_000_000_000_007]) {
    ageFile(directory, at);
    for (const time of [0, 4_000_000_000]) {
      Deno.utimeSync(directory.join(ID), time, time);
      assertEquals(await lastAccessOf(store, ID), at);
    }
  }
  const now = 1_763_629_201_567;
  ageFile(directory, now - HOUR);
  using _clock = stopClock(now);
  await store.touch(ID);
  assertEquals(accessIn(directory), now);
  assertEquals(await lastAccessOf(store, ID), now);
});

Deno.test("a session that has timed out stays so in a copy of its directory, whatever times the copy has", async () => {
  using scene = await openScene();
  const { store, directory } = scene;
  await store.save(ID, recordOf({}, { idleTimeout: HOUR }));
  ageFile(directory, Date.now() - HOUR);
  using copy = new TemporaryDirectory();
  const before = Date.now() - HOUR;
  for (const name of directory.list()) {
    Deno.copyFileSync(directory.join(name), copy.join(name));
  }
  const copied = new DirectorySessionStore(copy.path);
  assert(Deno.lstatSync(copy.join(ID)).mtime!.getTime() > before);
  assertEquals(await copied.load(ID), undefined);
  assertEquals(await copied.touch(ID), false);
  assertEquals((await copied.deleteOldSessions(0)).deleted, 1);
});

Deno.test("the clock is read anew under the lock at each try", async () => {
  const writes = {
    save: (store: DirectorySessionStore) => store.save(ID, recordOf()),
    create: (store: DirectorySessionStore) => store.create(ID, recordOf()),
    update: (store: DirectorySessionStore) => store.update(ID, (same) => same),
    touch: (store: DirectorySessionStore) => store.touch(ID),
    load: (store: DirectorySessionStore) =>
      store.load(ID, { touch: () => true }),
  };
  const past = 1_763_629_200_000;
  for (const [name, write] of Object.entries(writes)) {
    using scene = await openScene();
    const { store, directory } = scene;
    let now = past;
    using _clock = replaceSystem({ now: () => now });
    const lifetime = name === "create" ? { expiresAt: 1 } : {};
    await store.save(ID, recordOf({}, lifetime));
    // The first try finds it locked; by the next one time has passed.
    const held = openLocked(directory.join(ID), false) as Disposable;
    using _waiting = fakeWaiting(() => {
      now = past + HOUR;
      held[Symbol.dispose]();
    });
    now = past + 1;
    await write(store);
    assertEquals(accessIn(directory), past + HOUR, name);
  }
});

Deno.test("a touch of which not all digits were written is an error", async () => {
  using scene = await openScene();
  const { store, directory } = scene;
  await store.save(ID, recordOf());
  ageFile(directory, Date.now() - HOUR);
  using _replaced = replaceSystem({ overwrite: () => 15 });
  await assertRejects(() => store.touch(ID), Deno.errors.WriteZero);
});

Deno.test("a touch lowers a last access that lies in the future", async () => {
  using scene = await openScene();
  const { store, directory } = scene;
  await store.save(ID, recordOf());
  const now = 1_763_629_201_567;
  using _clock = stopClock(now);
  for (const touch of [() => true, undefined]) {
    ageFile(directory, now + HOUR);
    if (touch) await store.load(ID, { touch });
    else await store.touch(ID);
    assertEquals(accessIn(directory), now);
  }
});

Deno.test("a load calls touch again under the lock", async () => {
  using scene = await openScene();
  const { store, directory } = scene;
  const past = 1_763_629_200_000;
  await store.save(ID, recordOf({}, { secretHash: "old" }));
  ageFile(directory, past);
  const other = new DirectorySessionStore(directory.path);
  await other.setup();
  // Between the shared lock and the exclusive one it gets a new secret.
  using hook = actBefore("open", (_path, { write }) => write === true, () => {
    void other.save(ID, recordOf({}, { secretHash: "new" }));
    ageFile(directory, past);
  });
  const asked: (string | undefined)[] = [];
  const loaded = await store.load(ID, {
    touch: ({ secretHash }) => {
      asked.push(secretHash);
      return secretHash === "old";
    },
  });
  assert(hook.hasActed);
  assertEquals(asked, ["old", "new"]);
  assertEquals(loaded?.secretHash, "new");
  assertEquals(accessIn(directory), past);
});

Deno.test("a load returns a live session that replaced an expired one before the lock", async () => {
  using scene = await openScene();
  const { store, directory } = scene;
  await store.save(ID, recordOf({}, { expiresAt: 1 }));
  const other = new DirectorySessionStore(directory.path);
  await other.setup();
  // Between open and lock a live session replaces the expired one.
  using hook = actBefore("tryLock", () => true, () => {
    void other.save(ID, recordOf({ n: 2 }));
  });
  assertEquals(await store.load(ID), recordOf({ n: 2 }));
  assert(hook.hasActed);
});

Deno.test("a touch at the same instant writes nothing", async () => {
  using scene = await openScene();
  const { store, directory, recorded } = scene;
  await store.save(ID, recordOf());
  const now = Date.now();
  using _clock = stopClock(now);
  ageFile(directory, now);
  recorded.take();
  assertEquals(await store.touch(ID), true);
  assertEquals(recorded.calls.includes("overwrite session"), false);
});

Deno.test("the clock is read under the lock, before the file", async () => {
  using scene = await openScene();
  const { store, recorded } = scene;
  await store.save(ID, recordOf());
  const { now } = system;
  const order: string[] = [];
  using _replaced = replaceSystem({
    now: () => {
      order.push(...recorded.take(), "now");
      return now();
    },
  });
  recorded.take();
  await store.touch(ID);
  order.push(...recorded.take());
  const part = order.slice(0, 4);
  assertEquals(part, [
    "open session",
    "tryLock session",
    "now",
    "fstat session",
  ]);
});
