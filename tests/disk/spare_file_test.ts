import { assert, assertEquals } from "@std/assert";
import { decodeRecord, encodeRecord, MARK_AT } from "../../src/core/codec.ts";
import { type Place, replaceFile } from "../../src/disk/atomic_file.ts";
import { temporaryPath } from "../../src/disk/layout.ts";
import { spares, takeSpare } from "../../src/disk/spare_file.ts";
import { system } from "../../src/disk/system.ts";
import { recordSystem, replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const ID = "0123456789abcdef0123456789abcdef";
const OTHER_ID = "fedcba9876543210fedcba9876543210";

/** A directory with a session in it that has been replaced once. */
class Scene extends TemporaryDirectory {
  readonly place: Place = {
    directory: this.path,
    durability: "process",
    needsMode: false,
    isOwner: true,
  };
  readonly session: string = this.join(ID);

  constructor() {
    super();
    const options = { mode: 0o600 };
    Deno.writeFileSync(this.session, encodeSession(1), options);
    this.replace(2);
  }

  replace(n: number, length = 0): void {
    assertEquals(
      replaceFile(this.place, this.session, encodeSession(n, length)),
      true,
    );
  }

  /** The number that the session holds, and its mark. */
  read(path = this.session): [unknown, string] {
    const bytes = Deno.readFileSync(path);
    const found = decodeRecord(ID, bytes);
    const mark = String.fromCharCode(bytes[MARK_AT]!);
    return [typeof found === "string" ? found : found.data.n, mark];
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

Deno.test("what was replaced becomes the spare, and the spare what replaces it", () => {
  using scene = new Scene();
  assertEquals(scene.read(scene.spare), [1, " "]);
  const first = inodeOf(scene.spare);
  scene.replace(3);
  assertEquals(inodeOf(scene.session), first);
  assertEquals(scene.read(), [3, " "]);
  assertEquals(scene.read(scene.spare), [2, " "]);
  assertEquals(scene.list(), [ID]);
});

Deno.test("a spare of any length ends where the record ends", () => {
  using scene = new Scene();
  for (const length of [10_000, 0, 9_999, 1, 100_000, 5_000, 0, 0]) {
    scene.replace(length, length);
    assertEquals(
      Deno.readFileSync(scene.session),
      encodeSession(length, length),
    );
  }
});

Deno.test("until the rename a spare says that it is not published", () => {
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

Deno.test("a spare is locked from its first byte to its mark", () => {
  using scene = new Scene();
  using reader = Deno.openSync(scene.spare);
  const locks: [string, boolean][] = [];
  const look = (call: string) => {
    const isFree = reader.tryLockSync(false);
    if (isFree) reader.unlockSync();
    locks.push([call, isFree]);
  };
  const { write, overwrite, unlock } = system;
  using _replaced = replaceSystem({
    write: (file, bytes) => {
      look("write");
      return write(file, bytes);
    },
    overwrite: (file, at, bytes) => {
      look("mark");
      overwrite(file, at, bytes);
      look("marked");
    },
    unlock: (file) => {
      unlock(file);
      look("unlocked");
    },
  });
  scene.replace(3);
  assertEquals(locks, [
    ["write", false],
    ["mark", false],
    ["marked", false],
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

Deno.test("a spare that others may read is not used", () => {
  using scene = new Scene();
  Deno.chmodSync(scene.spare, 0o644);
  scene.replace(3);
  assertEquals(Deno.lstatSync(scene.session).mode! & 0o777, 0o600);
  assertEquals(scene.list(), [ID]);
});

Deno.test("a spare that somebody still reads is not used, and he is not disturbed", () => {
  using scene = new Scene();
  const { spare } = scene;
  using reader = Deno.openSync(spare);
  assert(reader.tryLockSync(false));
  scene.replace(3);
  const bytes = new Uint8Array(1_000);
  const length = reader.readSync(bytes)!;
  assertEquals(bytes.subarray(0, length), encodeSession(1));
  assertEquals(scene.read(), [3, " "]);
  assertEquals(scene.list(), [ID]);
});

Deno.test("without its spare, a process begins with a fresh file", () => {
  using scene = new Scene();
  Deno.removeSync(scene.spare);
  scene.replace(3);
  assertEquals(scene.read(), [3, " "]);
  scene.replace(4);
  assertEquals(scene.read(), [4, " "]);
  assertEquals(scene.list(), [ID]);
});

Deno.test("no process uses what it finds: only what it has put there", () => {
  using scene = new Scene();
  const stranger = temporaryPath(scene.path, Date.now(), "a".repeat(32));
  Deno.writeFileSync(stranger, encodeSession(9), { mode: 0o600 });
  spares.delete(scene.path);
  using recorded = recordSystem(scene.path);
  scene.replace(3);
  assertEquals(recorded.calls[0], "open temporary");
  assertEquals(scene.read(stranger), [9, " "]);
});

Deno.test("a spare is taken once", () => {
  using scene = new Scene();
  const taken = takeSpare(scene.path);
  assertEquals(taken?.size, encodeSession(1).length);
  assertEquals(takeSpare(scene.path), undefined);
  taken?.file.close();
});

Deno.test("durability power has no spare", () => {
  using scene = new Scene();
  const place: Place = { ...scene.place, durability: "power" };
  using recorded = recordSystem(scene.path);
  assertEquals(replaceFile(place, scene.session, encodeSession(3)), true);
  const calls = recorded.take();
  assertEquals(calls.filter((call) => call.startsWith("link")), []);
  assert(calls.includes("sync temporary"));
});

Deno.test("the spare of one session replaces another", () => {
  using scene = new Scene();
  const other = scene.join(OTHER_ID);
  const bytes = encodeRecord(OTHER_ID, { data: { n: 7 }, createdAt: 1 });
  Deno.writeFileSync(other, bytes, { mode: 0o600 });
  const first = inodeOf(scene.spare);
  assertEquals(replaceFile(scene.place, other, bytes.slice()), true);
  assertEquals(inodeOf(other), first);
  assertEquals(Deno.readFileSync(other), bytes);
  assertEquals(scene.read(), [2, " "]);
});
