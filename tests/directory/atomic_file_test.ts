import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { FLAG_AT, PUBLISHED } from "../../src/core/codec.ts";
import {
  createFile,
  type DirectoryContext,
  removeFile,
  replaceFile,
} from "../../src/directory/atomic_file.ts";
import { HeldFile, openHeld } from "../../src/directory/file_lock.ts";
import { AGAIN, type Again } from "../../src/system/waiting.ts";
import { readOnce, readWhole } from "../../src/directory/read_file.ts";
import { removeIfThere } from "../../src/system/files.ts";
import { type System, system } from "../../src/system/system.ts";
import { recordSystem, replaceSystem } from "../replaced_system.ts";
import { makeLinks } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const NAME = "0123456789abcdef";
const MODE = { mode: 0o600 };

function placeOf(
  { path: directory }: TemporaryDirectory,
  rest: Partial<DirectoryContext> = {},
): DirectoryContext {
  return {
    directory,
    durability: "process",
    needsMode: false,
    isOwner: true,
    ...rest,
  };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes that are not the same anywhere, so that a shifted piece shows. */
function longBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff;
  return bytes;
}

function hold(path: string): HeldFile {
  const held = openHeld(path);
  assertInstanceOf(held, HeldFile);
  return held;
}

/** One of both ways to put a record behind a name. */
interface Put extends Disposable {
  put(place: DirectoryContext, bytes: Uint8Array): boolean | Again;
}

const PUTS = {
  createFile: (path: string): Put => ({
    put: (place, bytes) => createFile(place, path, bytes),
    [Symbol.dispose]: () => {},
  }),
  replaceFile: (path: string): Put => {
    const held = hold(path);
    return {
      put: (place, bytes) => replaceFile(place, held, bytes),
      [Symbol.dispose]: () => held[Symbol.dispose](),
    };
  },
};

const SIZES = [0, 1, 500, 65_535, 65_536, 65_537, 131_072, 200_000, 1_048_577];

Deno.test("readOnce() and readWhole() give all that a file holds", () => {
  using directory = new TemporaryDirectory();
  for (const size of SIZES) {
    const bytes = longBytes(size);
    Deno.writeFileSync(directory.join(NAME), bytes);
    for (
      const read of [readOnce, (file: Deno.FsFile) => readWhole(file, size)]
    ) {
      using file = Deno.openSync(directory.join(NAME));
      assertEquals(read(file).slice(), bytes, `${size}`);
    }
  }
});

Deno.test("readOnce() reads a small file with one call", () => {
  using directory = new TemporaryDirectory();
  Deno.writeFileSync(directory.join(NAME), longBytes(4_096));
  using file = system.open(directory.join(NAME), { read: true });
  using recorded = recordSystem(directory.path);
  readOnce(file);
  assertEquals(recorded.calls.length, 1);
});

Deno.test("readWhole() reads on where a file comes in pieces", () => {
  using directory = new TemporaryDirectory();
  const { read } = system;
  for (const piece of [1, 7, 4_096, 60_000]) {
    using _replaced = replaceSystem({
      read: (file, into) => read(file, into.subarray(0, piece)),
    });
    const bytes = longBytes(piece === 1 ? 3_000 : 150_000);
    Deno.writeFileSync(directory.join(NAME), bytes);
    using file = Deno.openSync(directory.join(NAME));
    assertEquals(readWhole(file, bytes.length).slice(), bytes);
    using again = Deno.openSync(directory.join(NAME));
    assert(readOnce(again).length <= piece, "readOnce() reads once");
  }
});

Deno.test("reading keeps no memory of a large file", () => {
  using directory = new TemporaryDirectory();
  const sizes: number[] = [];
  const { read } = system;
  using _replaced = replaceSystem({
    read: (file, into) => {
      sizes.push(into.length);
      return read(file, into);
    },
  });
  for (const size of [10, 500_000, 10]) {
    Deno.writeFileSync(directory.join(NAME), longBytes(size));
    using file = Deno.openSync(directory.join(NAME));
    sizes.length = 0;
    assertEquals(readOnce(file).length, size);
  }
  assertEquals(sizes, [65_536]);
});

Deno.test("createFile() puts a whole file behind a missing name", () => {
  using directory = new TemporaryDirectory();
  for (const [n, size] of SIZES.entries()) {
    const bytes = longBytes(size);
    const path = directory.join(`${NAME}${n}`);
    assertEquals(createFile(placeOf(directory), path, bytes), true);
    assertEquals(Deno.readFileSync(path), bytes);
    assertEquals(Deno.lstatSync(path).nlink, 1);
  }
  assertEquals(directory.list().length, SIZES.length);
});

Deno.test("createFile() is false, and nothing changed, for a taken name", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  Deno.writeTextFileSync(path, "first");
  const before = Deno.lstatSync(path);
  assertEquals(createFile(placeOf(directory), path, bytesOf("second")), false);
  assertEquals(Deno.readTextFileSync(path), "first");
  assertEquals(Deno.lstatSync(path).ino, before.ino);
  assertEquals(Deno.lstatSync(path).mtime, before.mtime);
  assertEquals(directory.list(), [NAME]);
});

Deno.test("createFile() is false for a name that a link or directory has", () => {
  using directory = new TemporaryDirectory();
  makeLinks({ [directory.join("dangling")]: directory.join("nowhere") });
  Deno.mkdirSync(directory.join("directory"));
  for (const name of ["dangling", "directory"]) {
    const path = directory.join(name);
    assertEquals(createFile(placeOf(directory), path, bytesOf("x")), false);
  }
  assertEquals(directory.list(), ["dangling", "directory"]);
});

Deno.test("replaceFile() puts another file behind the name", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  Deno.writeTextFileSync(path, "first, and longer");
  using old = Deno.openSync(path);
  using held = hold(path);
  assertEquals(replaceFile(placeOf(directory), held, bytesOf("second")), true);
  assertEquals(Deno.readTextFileSync(path), "second");
  // Its bytes are those of a recycled file now: who has it still reads them.
  assertEquals(
    new TextDecoder().decode(readWhole(old, 17)),
    "first, and longer",
  );
  assert(old.statSync().ino !== Deno.lstatSync(path).ino);
  assertEquals(directory.list(), [NAME]);
});

Deno.test("a file written in pieces is whole", () => {
  using directory = new TemporaryDirectory();
  const { write } = system;
  const bytes = longBytes(10_000);
  bytes[FLAG_AT] = PUBLISHED;
  for (const [name, prepare] of Object.entries(PUTS)) {
    for (const piece of [1, 999, 10_000]) {
      using _replaced = replaceSystem({
        write: (file, from) => write(file, from.subarray(0, piece)),
      });
      const path = directory.join(`${name}-${piece}`);
      if (name === "replaceFile") Deno.writeFileSync(path, bytes, MODE);
      using way = prepare(path);
      assertEquals(way.put(placeOf(directory), bytes.slice()), true);
      assertEquals(Deno.readFileSync(path), bytes);
    }
  }
});

Deno.test("a temporary file that was collected means AGAIN", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  const collect = (original: (from: string, to: string) => void) =>
  (
    from: string,
    to: string,
  ) => {
    Deno.removeSync(from);
    original(from, to);
  };
  using _replaced = replaceSystem({
    link: collect(system.link),
    rename: collect(system.rename),
  });
  assertStrictEquals(createFile(placeOf(directory), path, bytesOf("x")), AGAIN);
  Deno.writeTextFileSync(path, "old");
  using held = hold(path);
  assertStrictEquals(
    replaceFile(placeOf(directory), held, bytesOf("x")),
    AGAIN,
  );
  assertEquals(Deno.readTextFileSync(path), "old");
  assertEquals(directory.list(), [NAME]);
});

Deno.test("a temporary file collected after its link does not matter", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  const { link } = system;
  using _replaced = replaceSystem({
    link: (from, to) => {
      link(from, to);
      Deno.removeSync(from);
    },
  });
  assertEquals(createFile(placeOf(directory), path, bytesOf("x")), true);
  assertEquals(directory.list(), [NAME]);
});

const STEPS: (keyof System)[] = ["changeMode", "write", "sync", "tryLock"];

for (const [name, prepare] of Object.entries(PUTS)) {
  const isReplacing = name === "replaceFile";
  const last = isReplacing ? "rename" : "link";
  for (const step of [...STEPS, last] as const) {
    Deno.test(`${name}() whose ${step} fails leaves nothing`, () => {
      using directory = new TemporaryDirectory();
      const path = directory.join(NAME);
      if (isReplacing) Deno.writeTextFileSync(path, "old");
      using way = prepare(path);
      const before = directory.list();
      const error = new Error(`${step} failed`);
      const fail = () => {
        throw error;
      };
      using _replaced = replaceSystem({ [step]: fail });
      using recorded = recordSystem(directory.path);
      const place = placeOf(directory, {
        durability: "power",
        needsMode: true,
      });
      const thrown = assertThrows(() => way.put(place, bytesOf("new")));
      assertStrictEquals(thrown, error);
      assertEquals(directory.list(), before);
      if (isReplacing) assertEquals(Deno.readTextFileSync(path), "old");
      assertEquals(recorded.calls.at(-1), "close temporary");
    });
  }
}

Deno.test("an error is not hidden by one on the way out", () => {
  using directory = new TemporaryDirectory();
  const error = new Error("write failed");
  const { remove } = system;
  using _replaced = replaceSystem({
    write: () => {
      throw error;
    },
    remove: (path) => {
      remove(path);
      throw new Error("remove failed");
    },
  });
  const path = directory.join(NAME);
  const put = () => createFile(placeOf(directory), path, bytesOf("x"));
  assertStrictEquals(assertThrows(put), error);
});

Deno.test("a temporary file is made anew, private, beside the name", () => {
  using directory = new TemporaryDirectory();
  const opened: [string, Deno.OpenOptions][] = [];
  const { open } = system;
  using _replaced = replaceSystem({
    now: () => 1_763_629_200_000,
    random: () => "0123456789abcdef0123456789abcdef",
    open: (path, options) => {
      opened.push([path, options]);
      return open(path, options);
    },
  });
  createFile(placeOf(directory), directory.join(NAME), bytesOf("x"));
  assertEquals(opened, [[
    directory.join(".tmp-001763629200000-0123456789abcdef0123456789abcdef"),
    { write: true, createNew: true, mode: 0o600 },
  ]]);
});

Deno.test("removeFile() removes", () => {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(directory.join(NAME), "x");
  removeFile(placeOf(directory), directory.join(NAME));
  assertEquals(directory.list(), []);
  assertThrows(
    () => removeFile(placeOf(directory), directory.join(NAME)),
    Deno.errors.NotFound,
  );
});

Deno.test("removeIfThere() is false for what is gone", () => {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(directory.join(NAME), "x");
  assertEquals(removeIfThere(directory.join(NAME)), true);
  assertEquals(removeIfThere(directory.join(NAME)), false);
  Deno.mkdirSync(directory.join("full"));
  Deno.writeTextFileSync(directory.join("full/x"), "x");
  assertThrows(() => removeIfThere(directory.join("full")));
});

/** What a change does to files, in its order: without clock and close. */
function changesOf(
  durability: DirectoryContext["durability"],
  change: "createFile" | "replaceFile" | "removeFile",
  existing: boolean,
): string[] {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  if (existing) Deno.writeTextFileSync(path, "old", MODE);
  const place = placeOf(directory, { durability });
  if (change === "removeFile") {
    using recorded = recordSystem(directory.path);
    removeFile(place, path);
    return recorded.take();
  }
  using way = PUTS[change](path);
  using recorded = recordSystem(directory.path);
  way.put(place, bytesOf("new"));
  return recorded.take();
}

const SYNC_DIRECTORY = ["open directory", "sync directory", "close directory"];

Deno.test("changes are the calls that are drawn, for process", () => {
  assertEquals(changesOf("process", "replaceFile", true), [
    "open temporary",
    "write temporary",
    "link session to temporary",
    "rename temporary to session",
    "close temporary",
  ]);
  assertEquals(changesOf("process", "createFile", false), [
    "open temporary",
    "write temporary",
    "link temporary to session",
    "remove temporary",
    "close temporary",
  ]);
  assertEquals(changesOf("process", "removeFile", true), ["remove session"]);
});

Deno.test("changes are the calls that are drawn, for power", () => {
  assertEquals(changesOf("power", "replaceFile", true), [
    "open temporary",
    "write temporary",
    "sync temporary",
    "tryLock temporary",
    "rename temporary to session",
    ...SYNC_DIRECTORY,
    "unlock temporary",
    "close temporary",
  ]);
  assertEquals(changesOf("power", "createFile", false), [
    "open temporary",
    "write temporary",
    "sync temporary",
    "tryLock temporary",
    "link temporary to session",
    "remove temporary",
    ...SYNC_DIRECTORY,
    "unlock temporary",
    "close temporary",
  ]);
  assertEquals(changesOf("power", "removeFile", true), [
    "remove session",
    ...SYNC_DIRECTORY,
  ]);
});

Deno.test("nothing is synced for a name that was taken", () => {
  assertEquals(changesOf("power", "createFile", true), [
    "open temporary",
    "write temporary",
    "sync temporary",
    "tryLock temporary",
    "link temporary to session",
    "remove temporary",
    "unlock temporary",
    "close temporary",
  ]);
});

Deno.test("a mode is set before anything is written, where it must be", () => {
  using directory = new TemporaryDirectory();
  const place = placeOf(directory, { needsMode: true });
  using recorded = recordSystem(directory.path);
  createFile(place, directory.join(NAME), bytesOf("x"));
  assertEquals(recorded.calls.slice(0, 3), [
    "open temporary",
    "changeMode temporary",
    "write temporary",
  ]);
});
