/** The lock files of a directory, which are not sessions. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  SessionConflictError,
  SessionDirectoryError,
  SessionLockTimeoutError,
} from "../../src/core/errors.ts";
import { createSessionId } from "../../src/core/token.ts";
import { openLocked } from "../../src/directory/file_lock.ts";
import { system } from "../../src/system/system.ts";
import { AGAIN } from "../../src/system/waiting.ts";
import { lockPath } from "../../src/directory/layout.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import {
  actBefore,
  fakeWaiting,
  recordSystem,
  replaceSystem,
} from "../replaced_system.ts";
import { makeLinks, makePipe } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  ID,
  OTHER_ID,
  recordOf,
  requestOf,
  SECRET,
  SECRET_HASH,
} from "../constants.ts";
import { entriesOf } from "../contract/contract.ts";
import { type Client, startProcess } from "./clients.ts";

const LONG_AGO = new Date(1_000);

function lockFile(directory: TemporaryDirectory, id = ID): string {
  return lockPath(directory.path, id);
}

/** What a killed process leaves: a file whose lock is free. */
function leaveLock(directory: TemporaryDirectory, id = ID): void {
  Deno.writeFileSync(lockFile(directory, id), new Uint8Array(), {
    mode: 0o600,
  });
}

Deno.test("lock() makes an empty lock file, which is removed when the lock is freed", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  for (let time = 0; time < 2; time++) {
    {
      await using _held = await store.lock(ID);
      assertEquals(directory.list(), [".latchkey", `.lock-${ID}`]);
      const { size, mode } = Deno.lstatSync(lockFile(directory));
      assertEquals([size, mode! & 0o777], [0, 0o600]);
    }
    assertEquals(directory.list(), [".latchkey"]);
  }
});

Deno.test("lock files are private, whatever the umask", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  const before = Deno.umask(0o277);
  try {
    await using _held = await store.lock(ID);
    assertEquals(Deno.lstatSync(lockFile(directory)).mode! & 0o777, 0o600);
  } finally {
    Deno.umask(before);
  }
});

Deno.test("lock() looks after it has locked; freeing it looks, and removes before it unlocks and closes", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  using record = recordSystem(directory.path);
  const held = await store.lock(ID);
  // The recorder calls every name a session that it does not know.
  const look = ["fstat session", "lstat session"];
  assertEquals(record.take(), [
    "open session",
    "stat directory",
    "open session",
    "changeMode session",
    "close session",
    "open session",
    "tryLock session",
    ...look,
  ]);
  await held[Symbol.asyncDispose]();
  assertEquals(record.take(), [
    // Its size tells whether another process waits.
    "fstat session",
    ...look,
    "remove session",
    "unlock session",
    "close session",
  ]);
});

Deno.test("no session waits for another's lock, however many are held", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 300; n++) {
    stack.use(await store.lock(createSessionId(), { timeout: 0 }));
  }
  await using _held = await store.lock(ID, { timeout: 0 });
  await assertRejects(
    () => store.lock(ID, { timeout: 0 }),
    SessionLockTimeoutError,
    `Cannot lock ${lockFile(directory)}: still held elsewhere`,
  );
});

Deno.test("lock() waits for lockTimeout, unless it is given a timeout", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path, { lockTimeout: 700 });
  await using _held = await store.lock(ID);
  using _waiting = fakeWaiting();
  for (
    const [options, timeout] of [[{}, 700], [{ timeout: 30 }, 30]] as const
  ) {
    const error = await assertRejects(
      () => store.lock(ID, options),
      SessionLockTimeoutError,
    );
    assertEquals(error.timeout, timeout);
  }
});

Deno.test("a cleanup removes the lock files that killed processes left, and no other", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(OTHER_ID, recordOf());
  const others = [".lock-", ".lock-3ff", `.lock-${ID.toUpperCase()}`];
  for (const name of others) {
    Deno.writeFileSync(directory.join(name), new Uint8Array());
    Deno.utimeSync(directory.join(name), LONG_AGO, LONG_AGO);
  }
  const dead = Array.from({ length: 5 }, createSessionId);
  for (const id of dead) leaveLock(directory, id);
  await using _held = await store.lock(ID);
  const names = directory.list();
  assertEquals(Object.keys(await entriesOf(store)), [OTHER_ID]);

  const counts = { deleted: 0, remaining: 1, orphans: dead.length };
  assertEquals(await store.deleteOldSessions(30, { dryRun: true }), counts);
  assertEquals(directory.list(), names);
  assertEquals(await store.deleteOldSessions(30), counts);
  assertEquals(
    directory.list(),
    [".latchkey", ...others, `.lock-${ID}`, OTHER_ID].sort(),
  );
  assertStrictEquals(openLocked(lockFile(directory), true), AGAIN);
});

Deno.test("lock() takes over a lock file that a killed process left", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  leaveLock(directory);
  await (await store.lock(ID, { timeout: 0 }))[Symbol.asyncDispose]();
  assertEquals(directory.list(), [".latchkey"]);
});

for (
  const [when, call] of [
    ["between open and lock", "tryLock"],
    ["between lock and look", "lstat"],
  ] as const
) {
  Deno.test(`lock() makes a lock file again that was removed ${when}`, async () => {
    using directory = new TemporaryDirectory();
    const store = new DirectorySessionStore(directory.path);
    await store.setup();
    leaveLock(directory);
    using removal = actBefore(
      call,
      () => true,
      () => Deno.removeSync(lockFile(directory)),
    );
    await using _held = await store.lock(ID);
    assert(removal.hasActed);
    assert(Deno.lstatSync(lockFile(directory)).isFile);
    assertStrictEquals(openLocked(lockFile(directory), true), AGAIN);
  });
}

Deno.test("lock() makes a lock file again that was removed before its mode was set", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  const { changeMode } = system;
  let count = 0;
  using _replaced = replaceSystem({
    changeMode: (path, mode) => {
      if (++count === 1) Deno.removeSync(path);
      changeMode(path, mode);
    },
  });
  await using _held = await store.lock(ID);
  assertEquals(count, 2);
});

Deno.test("lock() refuses a name that leads to anything but a file, and leaves it", async () => {
  for (const what of ["link", "directory", "pipe"]) {
    using directory = new TemporaryDirectory();
    const store = new DirectorySessionStore(directory.path);
    await store.save(OTHER_ID, recordOf());
    const path = lockFile(directory);
    if (what === "link") makeLinks({ [path]: directory.join(OTHER_ID) });
    else if (what === "pipe") makePipe(path);
    else Deno.mkdirSync(path);
    await assertRejects(() => store.lock(ID, { timeout: 50 }));
    assertEquals((await store.deleteOldSessions(30)).orphans, 0);
    assertEquals(Deno.lstatSync(path).isFile, false);
    assertEquals(await store.load(OTHER_ID), recordOf());
    await using _other = await store.lock(OTHER_ID);
  }
});

Deno.test("lock() throws when the directory was removed, and marks one that replaced it", async () => {
  using parent = new TemporaryDirectory();
  const path = parent.join("sessions");
  const store = new DirectorySessionStore(path, { create: true });
  await store.setup();
  Deno.removeSync(path, { recursive: true });
  await assertRejects(
    () => store.lock(ID),
    SessionDirectoryError,
    "it was removed or replaced",
  );
  Deno.mkdirSync(path, { mode: 0o700 });
  {
    await using _lock = await store.lock(ID);
  }
  const names = [...Deno.readDirSync(path)].map(({ name }) => name);
  assertEquals(names.includes(".latchkey"), true);
});

Deno.test("a lock whose file was removed is lost, and leaves the next one's file", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const held = await store.lock(ID);
  assertFalse(held.isLost);
  Deno.removeSync(lockFile(directory));
  assert(held.isLost);
  // Another process.
  leaveLock(directory);
  using _next = openLocked(lockFile(directory), true) as Disposable;
  assert(held.isLost);
  await held[Symbol.asyncDispose]();
  assertStrictEquals(openLocked(lockFile(directory), true), AGAIN);
});

Deno.test("an exclusive request whose lock file was removed commits no change", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const sessions = new SessionManager<{ n: number }>({
    store,
    isolation: "exclusive",
  });
  const record = recordOf({ n: 1 }, { secretHash: SECRET_HASH });
  await store.save(ID, record);
  const add = (act: () => void) =>
    sessions.run(requestOf(ID + SECRET), (session) => {
      session.set("n", session.get("n")! + 1);
      act();
      return new Response();
    });
  await assertRejects(
    () => add(() => Deno.removeSync(lockFile(directory))),
    SessionConflictError,
  );
  assertEquals((await store.load(ID))?.data, { n: 1 });
  assertEquals(sessions.counters.conflicts, 1);
  await add(() => {});
  assertEquals((await store.load(ID))?.data, { n: 2 });
});

Deno.test("a lock file that cannot be removed is told of, and its lock is free", async () => {
  using directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory.path, {
    onWarning: (warning) => warnings.push(warning),
  });
  const error = new Error("not now");
  const held = await store.lock(ID);
  {
    using _replaced = replaceSystem({
      remove: () => {
        throw error;
      },
    });
    await held[Symbol.asyncDispose]();
  }
  const path = lockFile(directory);
  assertEquals(warnings, [{
    type: "unwritten",
    path,
    error,
    message: `Cannot free ${path}: not now`,
  }]);
  await (await store.lock(ID, { timeout: 0 }))[Symbol.asyncDispose]();
  assertEquals(directory.list(), [".latchkey"]);
});

Deno.test("the flows of a process, in any number of stores, take turns", async () => {
  using directory = new TemporaryDirectory();
  const stores = [1, 2, 3].map(() => new DirectorySessionStore(directory.path));
  const counts = new Array<number>(60).fill(0);
  let turns = 0;
  await Promise.all(counts.map(async (_, n) => {
    while (turns < 600) {
      await using _held = await stores[n % 3]!.lock(ID);
      counts[n]!++;
      turns++;
      await system.pause();
    }
  }));
  assert(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`);
  assertEquals(directory.list(), [".latchkey"]);
});

/** Locks the file as another process does, which does not know our flows. */
async function lockElsewhere(directory: TemporaryDirectory): Promise<Client> {
  const path = lockFile(directory);
  Deno.writeFileSync(path, new Uint8Array(), { mode: 0o600 });
  return await startProcess({ act: "hold", path });
}

Deno.test("a process that waits for another's lock file makes it a byte long, and gets its lock when that is killed", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  await using other = await lockElsewhere(directory);
  const waiting = store.lock(ID, { timeout: 60_000 });
  while (Deno.lstatSync(lockFile(directory)).size === 0) await system.pause();
  await other.kill();
  await using _held = await waiting;
});

/** As another process says that it waits. */
function askFor(directory: TemporaryDirectory): void {
  Deno.truncateSync(lockFile(directory), 1);
}

Deno.test("a process leaves a lock for which another waits to it for 8 ms", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const held = await store.lock(ID);
  const next = store.lock(ID, { timeout: 60_000 });
  askFor(directory);
  using clock = fakeWaiting();
  await held[Symbol.asyncDispose]();
  await using _other = await store.lock(OTHER_ID, { timeout: 0 });
  {
    await using _held = await next;
    assertEquals(clock.take(), [8]);
    assertEquals(Deno.lstatSync(lockFile(directory)).size, 0);
  }
  await using _held = await store.lock(ID, { timeout: 0 });
  assertEquals(clock.take(), []);
});

Deno.test("a process leaves a lock to another also when none of its flows waits", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  using clock = fakeWaiting();
  {
    await using _held = await store.lock(ID);
    askFor(directory);
  }
  await assertRejects(
    () => store.lock(ID, { timeout: 0 }),
    SessionLockTimeoutError,
  );
  assertEquals(clock.take(), []);
  await using _held = await store.lock(ID);
  assertEquals(clock.take(), [8]);
});

Deno.test("a process that waits writes nothing into a session to which a lock file's name was linked", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(OTHER_ID, recordOf());
  makeLinks({ [lockFile(directory)]: directory.join(OTHER_ID) });
  {
    using _used = openLocked(directory.join(OTHER_ID), true) as Disposable;
    await assertRejects(
      () => store.lock(ID, { timeout: 0 }),
      Deno.errors.InvalidData,
    );
  }
  assertEquals(await store.load(OTHER_ID), recordOf());
});
