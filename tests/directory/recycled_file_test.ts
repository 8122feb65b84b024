import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import {
  decodeRecord,
  encodeRecord,
  FLAG_AT,
  putLastAccess,
} from "../../src/core/codec.ts";
import {
  type DirectoryContext,
  dropRecycled,
  recycledFiles,
  replaceFile,
  takeRecycled,
} from "../../src/directory/atomic_file.ts";
import { temporaryPath } from "../../src/directory/layout.ts";
import {
  HeldFile,
  LockedFile,
  openHeld,
  openLocked,
} from "../../src/directory/file_lock.ts";
import { system } from "../../src/system/system.ts";
import { ID, OTHER_ID } from "../constants.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { recordSystem, replaceSystem, stopClock } from "../replaced_system.ts";
import { lastAccessIn } from "../session_file.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { contextOf } from "./directory_context.ts";

/** A directory with a session in it that has been replaced once. */
class Scene extends TemporaryDirectory {
  readonly context: DirectoryContext = contextOf(this.path);
  readonly session: string = this.join(ID);

  constructor() {
    super();
    const options = { mode: 0o600 };
    Deno.writeFileSync(this.session, encodeSession(1), options);
    this.replace(2);
  }

  replace(n: number, length = 0): void {
    this.put(encodeSession(n, length));
  }

  put(
    bytes: Uint8Array,
    path = this.session,
    rest?: Partial<DirectoryContext>,
  ): void {
    using held = openHeld(path) as HeldFile;
    assertInstanceOf(held, HeldFile);
    const context = { ...this.context, ...rest };
    assertEquals(replaceFile(context, held, bytes), true);
  }

  /** The number that the session holds, and its flag. */
  read(path = this.session): [unknown, string] {
    const bytes = Deno.readFileSync(path);
    const found = decodeRecord(ID, bytes);
    const flag = String.fromCharCode(bytes[FLAG_AT]!);
    return [typeof found === "string" ? found : found.data.n, flag];
  }
}

function encodeSession(n: number, length = 0): Uint8Array {
  return encodeRecord(ID, {
    data: { n, rest: "x".repeat(length) },
    createdAt: 1,
  });
}

function inodeOf(path: string): number | null {
  return Deno.lstatSync(path).ino;
}

Deno.test("a replaced file becomes the recycled file, and the recycled file replaces it", () => {
  using scene = new Scene();
  assertEquals(scene.read(scene.recycled), [1, " "]);
  const first = inodeOf(scene.recycled);
  scene.replace(3);
  assertEquals(inodeOf(scene.session), first);
  assertEquals(scene.read(), [3, " "]);
  assertEquals(scene.read(scene.recycled), [2, " "]);
  assertEquals(scene.list(), [ID]);
});

Deno.test("a recycled file of any length ends where the record ends", () => {
  using scene = new Scene();
  for (const length of [10_000, 0, 9_999, 1, 100_000, 5_000, 0, 0]) {
    scene.replace(length, length);
    assertEquals(
      Deno.readFileSync(scene.session),
      encodeSession(length, length),
    );
  }
});

Deno.test("a recycled file is written over from its start, however far it was read", () => {
  using scene = new Scene();
  {
    using held = openHeld(scene.session) as HeldFile;
    held.file.readSync(new Uint8Array(70));
    assertEquals(replaceFile(scene.context, held, encodeSession(3)), true);
  }
  scene.replace(4);
  assertEquals(Deno.readFileSync(scene.session), encodeSession(4));
});

Deno.test("a recycled file is flagged as unpublished until the rename", () => {
  using scene = new Scene();
  const seen: [unknown, string][] = [];
  const { rename } = system;
  using _replaced = replaceSystem({
    rename: (from, to) => {
      seen.push(scene.read(from));
      rename(from, to);
    },
  });
  scene.replace(3);
  assertEquals(seen, [[3, "?"]]);
  assertEquals(scene.read(), [3, " "]);
});

Deno.test("a recycled file is locked until it is a session again, and flagged", () => {
  using scene = new Scene();
  using reader = Deno.openSync(scene.recycled);
  const locks: [string, boolean][] = [];
  const look = (call: string) => {
    const isFree = reader.tryLockSync(false);
    if (isFree) reader.unlockSync();
    locks.push([call, isFree]);
  };
  look("idle");
  const { write, overwrite, unlock } = system;
  using _replaced = replaceSystem({
    write: (file, bytes) => {
      look("write");
      return write(file, bytes);
    },
    overwrite: (file, at, bytes) => {
      look("flag");
      const length = overwrite(file, at, bytes);
      look("flagged");
      return length;
    },
    unlock: (file) => {
      unlock(file);
      look("unlocked");
    },
  });
  scene.replace(3);
  assertEquals(locks, [
    ["idle", false],
    ["write", false],
    ["flag", false],
    ["flagged", false],
    ["unlocked", true],
  ]);
});

Deno.test("a backup made of hard links keeps its bytes", () => {
  using scene = new Scene();
  const backup = scene.join("backup");
  Deno.linkSync(scene.session, backup);
  for (let n = 3; n < 6; n++) scene.replace(n);
  assertEquals(scene.read(backup), [2, " "]);
  assertEquals(scene.read(), [5, " "]);
  assertEquals(scene.list(), [ID, "backup"]);
});

Deno.test("in a backup made of hard links a touch changes the last access, and nothing else", async () => {
  using scene = new Scene();
  const backup = scene.join("backup");
  Deno.linkSync(scene.session, backup);
  const before = Deno.readFileSync(backup);
  const store = new DirectorySessionStore(scene.path);
  using _clock = stopClock(18e11);
  await store.touch(ID);
  assertEquals(lastAccessIn(backup), 18e11);
  putLastAccess(before, 18e11);
  assertEquals(Deno.readFileSync(backup), before);
});

Deno.test("a backup made of the recycled file keeps its bytes", () => {
  using scene = new Scene();
  const backup = scene.join("backup");
  Deno.linkSync(scene.recycled, backup);
  for (let n = 3; n < 6; n++) scene.replace(n);
  assertEquals(scene.read(backup), [1, " "]);
  assertEquals(scene.list(), [ID, "backup"]);
});

Deno.test("a recycled file that others may read is not used", () => {
  using scene = new Scene();
  Deno.chmodSync(scene.recycled, 0o644);
  scene.replace(3);
  assertEquals(Deno.lstatSync(scene.session).mode! & 0o777, 0o600);
  assertEquals(scene.list(), [ID]);
});

Deno.test("a reader that opened a session before it was replaced can open its new file", () => {
  using scene = new Scene();
  using reader = Deno.openSync(scene.session);
  scene.replace(3);
  assertEquals(reader.tryLockSync(false), false);
  assertEquals(reader.statSync().ino, inodeOf(scene.recycled));
  using again = openLocked(scene.session, false) as LockedFile;
  assertInstanceOf(again, LockedFile);
  dropRecycled(scene.path);
  assertEquals(reader.tryLockSync(false), true);
});

Deno.test("dropRecycled() leaves no name, no lock and no open file", () => {
  using scene = new Scene();
  const { recycled } = scene;
  const { file } = recycledFiles.get(scene.path)!;
  dropRecycled(scene.path);
  assertThrows(() => Deno.lstatSync(recycled), Deno.errors.NotFound);
  assertThrows(() => file.statSync(), Deno.errors.BadResource);
  dropRecycled(scene.path);
  scene.replace(3);
  scene.replace(4);
  assertEquals(scene.read(), [4, " "]);
});

Deno.test("a recycled file has the last access of its new session, and no other", async () => {
  using scene = new Scene();
  const store = new DirectorySessionStore(scene.path);
  for (const lastAccess of [17e11, undefined, 0]) {
    using _clock = stopClock(18e11);
    await store.update(ID, (record) => record, { lastAccess });
    assertEquals(lastAccessIn(scene.session), lastAccess ?? 18e11);
  }
});

Deno.test("a process keeps 16 recycled files, and uses new files in further directories", () => {
  using stack = new DisposableStack();
  const scenes = Array.from({ length: 17 }, () => stack.use(new Scene()));
  const last = scenes.pop()!;
  for (const scene of scenes) assert(recycledFiles.has(scene.path));
  assert(!recycledFiles.has(last.path));
  last.replace(3);
  assertEquals(last.read(), [3, " "]);
  assertEquals(last.list(), [ID]);
  dropRecycled(scenes[0]!.path);
  last.replace(4);
  assert(recycledFiles.has(last.path));
});

Deno.test("a process whose recycled file was removed begins with a new file", () => {
  using scene = new Scene();
  Deno.removeSync(scene.recycled);
  scene.replace(3);
  assertEquals(scene.read(), [3, " "]);
  scene.replace(4);
  assertEquals(scene.read(), [4, " "]);
  assertEquals(scene.list(), [ID]);
});

Deno.test("a process uses only a recycled file of its own", () => {
  using scene = new Scene();
  const stranger = temporaryPath(scene.path, Date.now(), "a".repeat(32));
  Deno.writeFileSync(stranger, encodeSession(9), { mode: 0o600 });
  dropRecycled(scene.path);
  using recorded = recordSystem(scene.path);
  scene.replace(3);
  assertEquals(
    recorded.calls.filter((call) => call.startsWith("open")),
    ["open session", "open temporary"],
  );
  assertEquals(scene.read(stranger), [9, " "]);
});

Deno.test("a recycled file is taken once", () => {
  using scene = new Scene();
  const taken = takeRecycled(scene.path);
  assertEquals(taken?.size, encodeSession(1).length);
  assertEquals(takeRecycled(scene.path), undefined);
  taken?.file.close();
});

Deno.test("durability power has no recycled file", () => {
  using scene = new Scene();
  using recorded = recordSystem(scene.path);
  scene.put(encodeSession(3), scene.session, { durability: "power" });
  const calls = recorded.take();
  assertEquals(calls.filter((call) => call.startsWith("link")), []);
  assert(calls.includes("sync temporary"));
});

Deno.test("the recycled file of one session replaces another", () => {
  using scene = new Scene();
  const other = scene.join(OTHER_ID);
  const bytes = encodeRecord(OTHER_ID, { data: { n: 7 }, createdAt: 1 });
  Deno.writeFileSync(other, bytes, { mode: 0o600 });
  const first = inodeOf(scene.recycled);
  scene.put(bytes.slice(), other);
  assertEquals(inodeOf(other), first);
  assertEquals(Deno.readFileSync(other), bytes);
  assertEquals(scene.read(), [2, " "]);
});
