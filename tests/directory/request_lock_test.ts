/** The lock files of a directory, which are not sessions. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  SessionDirectoryError,
  SessionLockTimeoutError,
} from "../../src/core/errors.ts";
import { createSessionId } from "../../src/core/token.ts";
import { openLocked } from "../../src/directory/file_lock.ts";
import { AGAIN } from "../../src/system/waiting.ts";
import { lockPath } from "../../src/directory/layout.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { actBefore, fakeWaiting, recordSystem } from "../replaced_system.ts";
import { makeLinks, makePipe } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { entriesOf } from "../contract/contract.ts";

const LONG_AGO = new Date(1_000);

/** Finds another session ID that has the same lock file. */
function findNeighbour(): string {
  for (;;) {
    const id = createSessionId();
    if (lockPath("", id) === lockPath("", ID)) return id;
  }
}

function lockFile(directory: TemporaryDirectory, id = ID): string {
  return lockPath(directory.path, id);
}

Deno.test("lock() makes an empty lock file, which stays", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const names = [".latchkey", lockFile(directory).split("/").at(-1)!];
  for (let time = 0; time < 2; time++) {
    {
      await using _held = await store.lock(ID);
      assertEquals(directory.list(), names);
    }
    assertEquals(directory.list(), names);
  }
  const { size, mode } = Deno.lstatSync(lockFile(directory));
  assertEquals([size, mode! & 0o777], [0, 0o600]);
});

Deno.test("lock files are private, whatever the umask", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  const before = Deno.umask(0o277);
  try {
    await using _held = await store.lock(ID);
  } finally {
    Deno.umask(before);
  }
  assertEquals(Deno.lstatSync(lockFile(directory)).mode! & 0o777, 0o600);
});

Deno.test("lock() calls fstat and lstat once each, and freeing it unlocks before it closes", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await (await store.lock(ID))[Symbol.asyncDispose]();
  using record = recordSystem(directory.path);
  const held = await store.lock(ID);
  // The recorder calls every name a session that it does not know.
  assertEquals(record.take(), [
    "open session",
    "tryLock session",
    "fstat session",
    "lstat session",
  ]);
  await held[Symbol.asyncDispose]();
  assertEquals(record.take(), ["unlock session", "close session"]);
});

Deno.test("two sessions that share a lock file wait for each other", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const neighbour = findNeighbour();
  await using _held = await store.lock(ID);
  await assertRejects(
    () => store.lock(neighbour, { timeout: 0 }),
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

Deno.test("lock files are not sessions, and a cleanup leaves them, however old", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(OTHER_ID, recordOf());
  for (let number = 0; number < 1024; number++) {
    const name = `.lock-${number.toString(16).padStart(3, "0")}`;
    Deno.writeFileSync(directory.join(name), new Uint8Array());
    Deno.utimeSync(directory.join(name), LONG_AGO, LONG_AGO);
  }
  const names = directory.list();
  assertEquals(Object.keys(await entriesOf(store)), [OTHER_ID]);
  assertEquals(await store.deleteOldSessions(30), {
    deleted: 0,
    remaining: 1,
    orphans: 0,
  });
  assertEquals(directory.list(), names);
  assert(names.includes(lockFile(directory).split("/").at(-1)!));
});

Deno.test("lock() makes a lock file again that was removed between open and lock", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await (await store.lock(ID))[Symbol.asyncDispose]();
  using removal = actBefore(
    "tryLock",
    () => true,
    () => Deno.removeSync(lockFile(directory)),
  );
  await using _held = await store.lock(ID);
  assert(removal.hasActed);
  assert(Deno.lstatSync(lockFile(directory)).isFile);
  assertStrictEquals(openLocked(lockFile(directory), true), AGAIN);
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
