import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  HeldFile,
  leadsTo,
  LockedFile,
  openHeld,
  openLocked,
} from "../../src/directory/file_lock.ts";
import { AGAIN } from "../../src/system/waiting.ts";
import {
  actBefore,
  recordSystem,
  replaceSystem,
  stopClock,
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

Deno.test("openLocked() lets readers share a lock, and excludes writers", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  using one = openLocked(path, false) as LockedFile;
  using other = openLocked(path, false) as LockedFile;
  assertInstanceOf(one, LockedFile);
  assertInstanceOf(other, LockedFile);
  assertStrictEquals(openLocked(path, true), AGAIN);
});

Deno.test("openLocked() excludes readers and writers from a writer's lock", () => {
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

Deno.test("openLocked() closes a file that it cannot lock, and throws the original error", () => {
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

Deno.test("leadsTo() is true for the file that the name leads to", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  assertEquals(leadsTo(path, openAndLook(path)), true);
});

Deno.test("leadsTo() is false for another file, and for a missing name", () => {
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

Deno.test("leadsTo() throws for a name that leads to anything but a file", () => {
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
      "it is not a regular file",
    );
  }
});

Deno.test("leadsTo() throws the original error", () => {
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

Deno.test("a locked file that is kept stays open and locked", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  const locked = openLocked(path, true) as LockedFile;
  const file = locked.keep();
  assertStrictEquals(file, locked.file);
  locked[Symbol.dispose]();
  assertStrictEquals(openLocked(path, false), AGAIN);
  file.close();
});

Deno.test("openHeld() returns what it found, with the clock read before", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  using _clock = stopClock(1_700_000_000_000);
  using recorded = recordSystem(directory.path);
  {
    using held = openHeld(path) as HeldFile;
    assertInstanceOf(held, HeldFile);
    assertEquals(held.path, path);
    assertEquals(held.now, 1_700_000_000_000);
    assertEquals(held.info.size, 4);
    assertStrictEquals(openHeld(path), AGAIN);
  }
  assertEquals(recorded.take().slice(0, 4), [
    "open session",
    "tryLock session",
    "fstat session",
    "lstat session",
  ]);
  assertEquals(openHeld(directory.join("none")), undefined);
});

Deno.test("openHeld() never holds a file that the name does not lead to", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  for (const replace of [Deno.removeSync, replaceIt]) {
    using acted = actBefore("tryLock", () => true, () => replace(path));
    assertStrictEquals(openHeld(path), AGAIN);
    assert(acted.hasActed);
    makeFile(directory);
  }
  using _link = actBefore("tryLock", () => true, () => {
    Deno.removeSync(path);
    makeLinks({ [path]: makeFile(directory, "elsewhere") });
  });
  assertThrows(() => openHeld(path), Deno.errors.InvalidData);
  using free = openHeld(directory.join("elsewhere")) as HeldFile;
  assertInstanceOf(free, HeldFile);
});

function replaceIt(path: string): void {
  Deno.writeTextFileSync(`${path}.new`, "new");
  Deno.renameSync(`${path}.new`, path);
}
