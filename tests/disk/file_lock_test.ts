import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import {
  AGAIN,
  isNoFile,
  leadsTo,
  LockedFile,
  openExisting,
  openLocked,
  persist,
} from "../../src/disk/file_lock.ts";
import { system } from "../../src/disk/system.ts";
import {
  fakeWaiting,
  recordSystem,
  replaceSystem,
} from "../replaced_system.ts";
import { makeLinks } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

function makeFile(directory: TemporaryDirectory, name = "file"): string {
  const path = directory.join(name);
  Deno.writeTextFileSync(path, name);
  return path;
}

function openAndLook(path: string): Deno.FileInfo {
  using file = Deno.openSync(path);
  return file.statSync();
}

Deno.test("openLocked() is undefined for a missing name", () => {
  using directory = new TemporaryDirectory();
  for (const exclusive of [false, true]) {
    assertEquals(openLocked(directory.join("none"), exclusive), undefined);
  }
  assertEquals(directory.list(), []);
});

Deno.test("openLocked() excludes all but readers from readers", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  using one = openLocked(path, false) as LockedFile;
  using other = openLocked(path, false) as LockedFile;
  assertInstanceOf(one, LockedFile);
  assertInstanceOf(other, LockedFile);
  assertStrictEquals(openLocked(path, true), AGAIN);
});

Deno.test("openLocked() excludes everybody from a writer", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  {
    using writer = openLocked(path, true) as LockedFile;
    assertInstanceOf(writer, LockedFile);
    assertStrictEquals(openLocked(path, true), AGAIN);
    assertStrictEquals(openLocked(path, false), AGAIN);
  }
  using reader = openLocked(path, false) as LockedFile;
  assertInstanceOf(reader, LockedFile);
});

Deno.test("openLocked() keeps no file open when the lock is held", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  using _writer = openLocked(path, true) as LockedFile;
  using recorded = recordSystem(directory.path);
  openLocked(path, true);
  assertEquals(recorded.calls, [
    "open session",
    "tryLock session",
    "close session",
  ]);
});

Deno.test("openLocked() closes what it cannot lock, and passes the error on", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  const error = new Deno.errors.NotSupported("no locks here");
  using _replaced = replaceSystem({
    tryLock: () => {
      throw error;
    },
  });
  using recorded = recordSystem(directory.path);
  assertStrictEquals(assertThrows(() => openLocked(path, true)), error);
  assertEquals(recorded.calls.at(-1), "close session");
});

Deno.test("a locked file is unlocked, then closed", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  using recorded = recordSystem(directory.path);
  {
    using _file = openLocked(path, false) as LockedFile;
    recorded.take();
  }
  assertEquals(recorded.calls, ["unlock session", "close session"]);
});

Deno.test("a locked file is closed even if it cannot be unlocked", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  const error = new Error("cannot unlock");
  using _replaced = replaceSystem({
    unlock: () => {
      throw error;
    },
  });
  using recorded = recordSystem(directory.path);
  const file = openLocked(path, true) as LockedFile;
  assertStrictEquals(assertThrows(() => file[Symbol.dispose]()), error);
  assertEquals(recorded.calls.at(-1), "close session");
});

Deno.test("leadsTo() is true for the very file behind the name", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  assertEquals(leadsTo(path, openAndLook(path)), true);
});

Deno.test("leadsTo() is false for another file, and for none", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  const other = makeFile(directory, "other");
  using file = Deno.openSync(path);
  const info = file.statSync();
  assertEquals(leadsTo(other, info), false);
  assertEquals(leadsTo(directory.join("none"), info), false);
  Deno.renameSync(other, path);
  assertEquals(leadsTo(path, info), false);
  Deno.removeSync(path);
  assertEquals(leadsTo(path, info), false);
});

Deno.test("leadsTo() compares the device as well as the inode", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  const info = openAndLook(path);
  assertEquals(leadsTo(path, { ...info, dev: info.dev + 1 }), false);
  assertEquals(leadsTo(path, { ...info, ino: info.ino! + 1 }), false);
  assertEquals(leadsTo(path, { ...info }), true);
});

Deno.test("leadsTo() throws for what will never be a file", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  const info = openAndLook(path);
  makeLinks({
    [directory.join("link")]: path,
    [directory.join("dangling")]: directory.join("none"),
  });
  Deno.mkdirSync(directory.join("directory"));
  for (const name of ["link", "dangling", "directory"]) {
    assertThrows(
      () => leadsTo(directory.join(name), info),
      Deno.errors.InvalidData,
      "it is not a file",
    );
  }
});

Deno.test("leadsTo() passes on what it does not know", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  const info = openAndLook(path);
  const error = new Deno.errors.PermissionDenied("not yours");
  using _replaced = replaceSystem({
    lstat: () => {
      throw error;
    },
  });
  assertStrictEquals(assertThrows(() => leadsTo(path, info)), error);
});

Deno.test("openExisting() passes on what is not a missing name", () => {
  using directory = new TemporaryDirectory();
  assertEquals(openExisting(directory.join("none"), true), undefined);
  assertThrows(
    () => openExisting(directory.path, true),
    Deno.errors.IsADirectory,
  );
  assertThrows(
    () => openExisting(`${makeFile(directory)}/below`, false),
    Deno.errors.NotADirectory,
  );
});

Deno.test("isNoFile() is true for links and directories alone", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  makeLinks({ [directory.join("link")]: path });
  assertEquals(isNoFile(path), false);
  assertEquals(isNoFile(directory.join("none")), false);
  assertEquals(isNoFile(directory.join("link")), true);
  assertEquals(isNoFile(directory.path), true);
});

const PATIENCE = { path: "sessions/x", timeout: 5_000, signal: undefined };

Deno.test("persist() gives the step's result without waiting", async () => {
  using clock = fakeWaiting();
  for (const result of [undefined, false, 0, "", { a: 1 }]) {
    assertStrictEquals(await persist(() => result, PATIENCE), result);
  }
  assertEquals(clock.waits, []);
});

Deno.test("persist() takes its first step before it returns", () => {
  let steps = 0;
  const promise = persist(() => ++steps, PATIENCE);
  assertEquals(steps, 1);
  return promise.then((result) => assertEquals(result, 1));
});

Deno.test("persist() tries at once, twice after a pause, then waits before each try", async () => {
  for (const tries of [1, 2, 3, 4, 6]) {
    using clock = fakeWaiting();
    let steps = 0;
    await persist(() => ++steps < tries ? AGAIN : true, PATIENCE);
    assertEquals(steps, tries);
    assertEquals(clock.pauses, Math.min(tries - 1, 2));
    assertEquals(clock.waits.length, tries - 1 - clock.pauses);
  }
});

Deno.test("persist() takes no step when it was aborted in a pause", async () => {
  using _clock = fakeWaiting();
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  let steps = 0;
  const step = () => {
    steps++;
    queueMicrotask(() => controller.abort(reason));
    return AGAIN;
  };
  const patience = { ...PATIENCE, signal: controller.signal };
  const thrown = await assertRejects(() => persist(step, patience));
  assertStrictEquals(thrown, reason);
  assertEquals(steps, 1);
});

Deno.test("persist() waits random whiles that grow to 8 ms", async () => {
  using clock = fakeWaiting();
  const rounds = 200;
  const longest: number[] = [];
  for (let round = 0; round < rounds; round++) {
    let steps = 0;
    await persist(() => ++steps < 13 ? AGAIN : true, PATIENCE);
    for (const [at, wait] of clock.take().entries()) {
      longest[at] = Math.max(longest[at] ?? 0, wait);
      assert(wait >= 0);
    }
  }
  assertEquals(longest.length, 10);
  for (const [at, wait] of longest.entries()) {
    const most = Math.min(2 ** at, 8);
    // Of 200 products of two draws none in the upper half: once in 10 ** 14.
    assert(wait <= most && wait > most / 2, `wait ${at}: ${wait} of ${most}`);
  }
});

Deno.test("persist() gives up when the time is over, not before", async () => {
  using clock = fakeWaiting();
  let steps = 0;
  const step = () => {
    steps++;
    return AGAIN;
  };
  const error = await assertRejects(
    () => persist(step, PATIENCE),
    SessionLockTimeoutError,
    "Cannot lock sessions/x: still held by somebody else after 5000 ms",
  );
  assertEquals(error.timeout, 5_000);
  const waited = clock.waits.reduce((sum, wait) => sum + wait);
  assert(Math.abs(waited - 5_000) < 1e-6, `${waited}`);
  // It has looked again after the last wait.
  assertEquals(steps, clock.pauses + clock.waits.length + 1);
});

Deno.test("persist() with no time tries, and does not wait", async () => {
  using clock = fakeWaiting();
  const patience = { ...PATIENCE, timeout: 0 };
  await assertRejects(() => persist(() => AGAIN, patience));
  assertEquals(clock.waits, []);
  assertEquals(await persist(() => 1, patience), 1);
});

Deno.test("persist() with Infinity never gives up", async () => {
  using _clock = fakeWaiting();
  const patience = { ...PATIENCE, timeout: Infinity };
  let steps = 0;
  const result = await persist(
    () => ++steps < 10_000 ? AGAIN : steps,
    patience,
  );
  assertEquals(result, 10_000);
});

Deno.test("persist() takes no step when the signal is aborted", async () => {
  const reason = new Error("no longer wanted");
  const signal = AbortSignal.abort(reason);
  let steps = 0;
  const thrown = await assertRejects(() =>
    persist(() => ++steps, { ...PATIENCE, signal })
  );
  assertStrictEquals(thrown, reason);
  assertEquals(steps, 0);
});

Deno.test("persist() stops waiting when the signal is aborted", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error("no longer wanted");
  let steps = 0;
  const waiting = persist(() => {
    if (++steps === 5) queueMicrotask(() => controller.abort(reason));
    return AGAIN;
  }, { ...PATIENCE, timeout: Infinity, signal });
  assertStrictEquals(await assertRejects(() => waiting), reason);
  assertEquals(steps, 5);
});

Deno.test("persist() passes on what the step throws", async () => {
  const error = new Error("thrown by the step");
  const thrown = await assertRejects(() =>
    persist(() => {
      throw error;
    }, PATIENCE)
  );
  assertStrictEquals(thrown, error);
});

Deno.test("system.wait() resolves, and leaves no listener or timer", async () => {
  const controller = new AbortController();
  await system.wait(0, controller.signal);
  controller.abort();
  await system.wait(0, undefined);
});

Deno.test("system.wait() rejects with the reason, at once or later", async () => {
  const reason = new Error("no longer wanted");
  const hours = 1e8;
  const aborted = AbortSignal.abort(reason);
  assertStrictEquals(
    await assertRejects(() => system.wait(hours, aborted)),
    reason,
  );
  const controller = new AbortController();
  const waiting = system.wait(hours, controller.signal);
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => waiting), reason);
});
