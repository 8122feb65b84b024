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
import { readWhole } from "../../src/directory/read_file.ts";
import { type System, system } from "../../src/system/system.ts";
import { recordSystem, replaceSystem } from "../replaced_system.ts";
import { makeLinks } from "../special_files.ts";
import { contextOf } from "./directory_context.ts";
import { LENGTHS, longBytes } from "./long_bytes.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const NAME = "0123456789abcdef";
const MODE = { mode: 0o600 };

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function hold(path: string): HeldFile {
  const held = openHeld(path);
  assertInstanceOf(held, HeldFile);
  return held;
}

/** One of the two ways to store a record under a name. */
interface Put extends Disposable {
  put(context: DirectoryContext, bytes: Uint8Array): boolean | Again;
}

const PUTS = {
  createFile: (path: string): Put => ({
    put: (context, bytes) => createFile(context, path, bytes),
    [Symbol.dispose]: () => {},
  }),
  replaceFile: (path: string): Put => {
    const held = hold(path);
    return {
      put: (context, bytes) => replaceFile(context, held, bytes),
      [Symbol.dispose]: () => held[Symbol.dispose](),
    };
  },
};

Deno.test("createFile() puts a whole file under a missing name", () => {
  using directory = new TemporaryDirectory();
  for (const [n, size] of LENGTHS.entries()) {
    const bytes = longBytes(size);
    const path = directory.join(`${NAME}${n}`);
    assertEquals(createFile(contextOf(directory.path), path, bytes), true);
    assertEquals(Deno.readFileSync(path), bytes);
    assertEquals(Deno.lstatSync(path).nlink, 1);
  }
  assertEquals(directory.list().length, LENGTHS.length);
});

Deno.test("createFile() is false, and changes nothing, for a name that exists", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  Deno.writeTextFileSync(path, "first");
  const before = Deno.lstatSync(path);
  assertEquals(
    createFile(contextOf(directory.path), path, bytesOf("second")),
    false,
  );
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
    assertEquals(
      createFile(contextOf(directory.path), path, bytesOf("x")),
      false,
    );
  }
  assertEquals(directory.list(), ["dangling", "directory"]);
});

Deno.test("replaceFile() puts another file under the name", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  Deno.writeTextFileSync(path, "first, and longer");
  using old = Deno.openSync(path);
  using held = hold(path);
  assertEquals(
    replaceFile(contextOf(directory.path), held, bytesOf("second")),
    true,
  );
  assertEquals(Deno.readTextFileSync(path), "second");
  // It is the recycled file now, and a reader that opened it reads its old bytes.
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
      assertEquals(way.put(contextOf(directory.path), bytes.slice()), true);
      assertEquals(Deno.readFileSync(path), bytes);
    }
  }
});

Deno.test("createFile() and replaceFile() return AGAIN when their temporary file was collected", () => {
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
  assertStrictEquals(
    createFile(contextOf(directory.path), path, bytesOf("x")),
    AGAIN,
  );
  Deno.writeTextFileSync(path, "old");
  using held = hold(path);
  assertStrictEquals(
    replaceFile(contextOf(directory.path), held, bytesOf("x")),
    AGAIN,
  );
  assertEquals(Deno.readTextFileSync(path), "old");
  assertEquals(directory.list(), [NAME]);
});

Deno.test("createFile() does not need its temporary file after the link", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  const { link } = system;
  using _replaced = replaceSystem({
    link: (from, to) => {
      link(from, to);
      Deno.removeSync(from);
    },
  });
  assertEquals(createFile(contextOf(directory.path), path, bytesOf("x")), true);
  assertEquals(directory.list(), [NAME]);
});

const STEPS: (keyof System)[] = ["changeMode", "write", "sync", "tryLock"];

for (const [name, prepare] of Object.entries(PUTS)) {
  const isReplacing = name === "replaceFile";
  const last = isReplacing ? "rename" : "link";
  for (const step of [...STEPS, last] as const) {
    Deno.test(`${name}() whose ${step} fails leaves no file`, () => {
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
      const context = contextOf(directory.path, {
        durability: "power",
        needsMode: true,
      });
      const thrown = assertThrows(() => way.put(context, bytesOf("new")));
      assertStrictEquals(thrown, error);
      assertEquals(directory.list(), before);
      if (isReplacing) assertEquals(Deno.readTextFileSync(path), "old");
      assertEquals(recorded.calls.at(-1), "close temporary");
    });
  }
}

Deno.test("createFile() throws the first error, not one of the removal after it", () => {
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
  const put = () => createFile(contextOf(directory.path), path, bytesOf("x"));
  assertStrictEquals(assertThrows(put), error);
});

Deno.test("a temporary file is new, private, and in the session's directory", () => {
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
  createFile(contextOf(directory.path), directory.join(NAME), bytesOf("x"));
  assertEquals(opened, [[
    directory.join(".tmp-001763629200000-0123456789abcdef0123456789abcdef"),
    { write: true, createNew: true, mode: 0o600 },
  ]]);
});

Deno.test("removeFile() removes a file, and throws when it is missing", () => {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(directory.join(NAME), "x");
  removeFile(contextOf(directory.path), directory.join(NAME));
  assertEquals(directory.list(), []);
  assertThrows(
    () => removeFile(contextOf(directory.path), directory.join(NAME)),
    Deno.errors.NotFound,
  );
});

/** The calls of a change on files, in their order, without the clock and close. */
function changesOf(
  durability: DirectoryContext["durability"],
  change: "createFile" | "replaceFile" | "removeFile",
  existing: boolean,
): string[] {
  using directory = new TemporaryDirectory();
  const path = directory.join(NAME);
  if (existing) Deno.writeTextFileSync(path, "old", MODE);
  const context = contextOf(directory.path, { durability });
  if (change === "removeFile") {
    using recorded = recordSystem(directory.path);
    removeFile(context, path);
    return recorded.take();
  }
  using way = PUTS[change](path);
  using recorded = recordSystem(directory.path);
  way.put(context, bytesOf("new"));
  return recorded.take();
}

const SYNC_DIRECTORY = ["sync directory", "close directory"];

Deno.test("with durability process, changes make the calls that the drawing shows", () => {
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

Deno.test("with durability power, changes make the calls that the drawing shows", () => {
  assertEquals(changesOf("power", "replaceFile", true), [
    "open temporary",
    "write temporary",
    "sync temporary",
    "tryLock temporary",
    "open directory",
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
    "open directory",
    "link temporary to session",
    "remove temporary",
    ...SYNC_DIRECTORY,
    "unlock temporary",
    "close temporary",
  ]);
  assertEquals(changesOf("power", "removeFile", true), [
    "open directory",
    "remove session",
    ...SYNC_DIRECTORY,
  ]);
});

Deno.test("no directory is synced for a name that exists", () => {
  assertEquals(changesOf("power", "createFile", true), [
    "open temporary",
    "write temporary",
    "sync temporary",
    "tryLock temporary",
    "open directory",
    "link temporary to session",
    "remove temporary",
    "close directory",
    "unlock temporary",
    "close temporary",
  ]);
});

Deno.test("where the umask requires it, the mode is set before anything is written", () => {
  using directory = new TemporaryDirectory();
  const context = contextOf(directory.path, { needsMode: true });
  using recorded = recordSystem(directory.path);
  createFile(context, directory.join(NAME), bytesOf("x"));
  assertEquals(recorded.calls.slice(0, 3), [
    "open temporary",
    "changeMode temporary",
    "write temporary",
  ]);
});
