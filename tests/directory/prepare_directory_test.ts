import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { SessionDirectoryError } from "../../src/core/errors.ts";
import {
  checkMarked,
  prepareDirectory,
} from "../../src/directory/prepare_directory.ts";
import { type System, system } from "../../src/system/system.ts";
import { recordSystem, replaceSystem } from "../replaced_system.ts";
import { makeLinks } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

function assertRefused(prepare: () => unknown, state: string): Error {
  const error = assertThrows(prepare, SessionDirectoryError, state);
  assert(error.message.startsWith("Cannot keep sessions in "));
  return error;
}

function modeOf(path: string): number {
  return Deno.lstatSync(path).mode! & 0o777;
}

Deno.test("prepareDirectory() makes the marker, and leaves no other file", () => {
  using directory = new TemporaryDirectory();
  const { dev, uid } = Deno.statSync(directory.path);
  assertEquals(prepareDirectory(directory.path, false), {
    needsMode: false,
    device: dev,
    owner: uid,
  });
  assertEquals(directory.list(), [".latchkey"]);
  assertEquals(modeOf(directory.join(".latchkey")), 0o600);
  assertEquals(
    Deno.readTextFileSync(directory.join(".latchkey")),
    "A directory of sessions of @latchkey/session, format 1.\n",
  );
});

const MARKER = "A directory of sessions of @latchkey/session, format 1.\n";

Deno.test("prepareDirectory() leaves a marker as it is, and completes one that is empty or cut off", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join(".latchkey");
  for (const text of ["", MARKER.slice(0, 20)]) {
    Deno.writeTextFileSync(path, text);
    checkMarked(directory.path);
    prepareDirectory(directory.path, false);
    assertEquals(Deno.readTextFileSync(path), MARKER);
  }
  const { ino } = Deno.lstatSync(path);
  const old = new Date(0);
  Deno.utimeSync(path, old, old);
  prepareDirectory(directory.path, true);
  const info = Deno.lstatSync(path);
  assertEquals([info.ino, info.mtime], [ino, old]);
  assertEquals(directory.list(), [".latchkey"]);
});

Deno.test("prepareDirectory() and checkMarked() refuse a marker of an unknown format", () => {
  using directory = new TemporaryDirectory();
  const later = MARKER.replace("format 1", "format 2");
  for (const text of [later, `${MARKER}more`, "my own words"]) {
    Deno.writeTextFileSync(directory.join(".latchkey"), text);
    for (
      const refuse of [
        () => prepareDirectory(directory.path, true),
        () => checkMarked(directory.path),
      ]
    ) assertRefused(refuse, "its file .latchkey is not of format 1");
    assertEquals(Deno.readTextFileSync(directory.join(".latchkey")), text);
  }
});

Deno.test("prepareDirectory() gives the marker its name when it is whole", () => {
  using directory = new TemporaryDirectory();
  const { write } = system;
  {
    using _full = replaceSystem({
      write: (file, bytes) => {
        assertEquals(directory.list().includes(".latchkey"), false);
        write(file, bytes.subarray(0, 5));
        throw new Error("No space left on device (os error 28)");
      },
    });
    assertThrows(() => prepareDirectory(directory.path, false), Error, "28");
  }
  assertEquals(directory.list(), []);
});

Deno.test("prepareDirectory() names the path, mode and owners where something is refused, missing or read-only", () => {
  using directory = new TemporaryDirectory();
  const { uid, gid } = Deno.statSync(directory.path);
  const errors = [
    new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
    new Deno.errors.NotFound("No such file or directory (os error 2)"),
    new Error("Read-only file system (os error 30)"),
  ];
  for (const error of errors) {
    for (const own of [4711, undefined]) {
      using _replaced = replaceSystem({
        uid: () => own,
        open: () => {
          throw error;
        },
      });
      const refused = assertRefused(
        () => prepareDirectory(directory.path, false),
        `${directory.path} has mode 0700, owner uid ${uid}, gid ${gid}${
          own === undefined ? ")" : "; this process has uid 4711)"
        }`,
      );
      assert(refused.message.includes(error.message));
      assertStrictEquals(refused.cause, error);
    }
  }
});

Deno.test("prepareDirectory() asks for its user only where that is granted", () => {
  using directory = new TemporaryDirectory();
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
  const uid = system.uid();
  assertEquals(uid === undefined, state !== "granted");
  prepareDirectory(directory.path, false);
});

/** A system in which a directory has another owner than new files. */
function giveAway(directory: string): Disposable {
  const { stat } = system;
  return replaceSystem({
    stat: (path) => ({
      ...stat(path),
      ...path === directory && { uid: 33, gid: 34 },
    }),
  });
}

Deno.test("prepareDirectory() refuses a directory whose owner is not that of a new file, and says how to run as the owner", () => {
  using directory = new TemporaryDirectory();
  const own = Deno.statSync(directory.path).uid;
  using _other = giveAway(directory.path);
  assertRefused(
    () => prepareDirectory(directory.path, false),
    `it belongs to uid 33, and the files of this process to uid ${own}; run it as the owner: setpriv --reuid 33 --regid 34 --clear-groups deno …`,
  );
  assertEquals(directory.list(), []);
});

Deno.test("prepareDirectory() makes a missing directory only with create", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join("a/b/c");
  const error = assertRefused(
    () => prepareDirectory(path, false),
    "it is missing (the option `create` makes it)",
  );
  assert(error.cause instanceof Deno.errors.NotFound);
  assertEquals(directory.list(), []);
  prepareDirectory(path, true);
  assertEquals([...Deno.readDirSync(path)].length, 1);
  assertEquals(modeOf(path), 0o700);
});

Deno.test("prepareDirectory() leaves the mode of an existing directory", () => {
  using directory = new TemporaryDirectory();
  for (const mode of [0o700, 0o750, 0o755, 0o711]) {
    Deno.chmodSync(directory.path, mode);
    prepareDirectory(directory.path, true);
    assertEquals(modeOf(directory.path), mode);
  }
});

Deno.test("prepareDirectory() refuses a directory that others may write", () => {
  using directory = new TemporaryDirectory();
  for (const mode of [0o777, 0o770, 0o720, 0o702, 0o1777, 0o775]) {
    Deno.chmodSync(directory.path, mode);
    const octal = (mode & 0o777).toString(8);
    assertRefused(
      () => prepareDirectory(directory.path, true),
      `others than its owner may write it (its mode is 0${octal}; chmod 0700, or use a subdirectory, with \`create: true\`)`,
    );
    assertEquals(directory.list(), []);
  }
});

Deno.test("prepareDirectory() refuses a path that is not a directory", () => {
  using directory = new TemporaryDirectory();
  const path = directory.join("file");
  Deno.writeTextFileSync(path, "mine");
  for (const create of [false, true]) {
    for (const name of ["file", "file/below", "file/below/further"]) {
      const prepare = () => prepareDirectory(directory.join(name), create);
      assertRefused(prepare, "it is not a directory");
    }
  }
  assertEquals(Deno.readTextFileSync(path), "mine");
});

Deno.test("prepareDirectory() follows a link to a directory", () => {
  using directory = new TemporaryDirectory();
  Deno.mkdirSync(directory.join("real"), { mode: 0o700 });
  makeLinks({ [directory.join("link")]: directory.join("real") });
  prepareDirectory(directory.join("link"), false);
  assertEquals([...Deno.readDirSync(directory.join("real"))].length, 1);
});

/** File systems that lack something, and the error of each. */
const LACKING: Record<string, (real: System) => [Partial<System>, string]> = {
  "has locks that exclude nothing": ({ tryLock }) => [
    { tryLock: (file, exclusive) => (tryLock(file, exclusive), true) },
    "the locks of its file system do not exclude each other",
  ],
  "has locks that exclude only writers": ({ tryLock }) => [
    { tryLock: (file, exclusive) => tryLock(file, exclusive) || !exclusive },
    "the locks of its file system do not exclude each other",
  ],
  "never grants a lock": () => [
    { tryLock: () => false },
    "the locks of its file system do not exclude each other",
  ],
  "has inode numbers beyond a double": ({ fstat, lstat }) => [
    {
      fstat: (file) => ({ ...fstat(file), ino: 9223372036854776000 }),
      lstat: (path) => ({ ...lstat(path), ino: 9223372036854776000 }),
    },
    "the inode numbers of its file system do not identify a file",
  ],
  "has no inode numbers": ({ fstat, lstat }) => [
    {
      fstat: (file) => ({ ...fstat(file), ino: null }),
      lstat: (path) => ({ ...lstat(path), ino: null }),
    },
    "the inode numbers of its file system do not identify a file",
  ],
  "has 0 for every inode": ({ fstat, lstat }) => [
    {
      fstat: (file) => ({ ...fstat(file), ino: 0 }),
      lstat: (path) => ({ ...lstat(path), ino: 0 }),
    },
    "the inode numbers of its file system do not identify a file",
  ],
  "numbers inodes by name": ({ lstat }) => [
    {
      lstat: (path) => {
        const info = lstat(path);
        return { ...info, ino: info.ino! + 1 };
      },
    },
    "the inode numbers of its file system do not identify a file",
  ],
  "numbers devices by name": ({ lstat }) => [
    {
      lstat: (path) => {
        const info = lstat(path);
        return { ...info, dev: info.dev + 1 };
      },
    },
    "the inode numbers of its file system do not identify a file",
  ],
  "does not support links": () => [
    {
      link: () => {
        throw new Deno.errors.NotSupported("os error 95");
      },
    },
    "its file system has no hard links",
  ],
  "does not permit links": () => [
    {
      link: () => {
        throw new Deno.errors.PermissionDenied("os error 1");
      },
    },
    "its file system has no hard links",
  ],
  "makes a hard link over a name that is taken": ({ link, remove }) => [
    {
      link: (from, to) => {
        try {
          remove(to);
        } catch {
          // The name was not taken.
        }
        link(from, to);
      },
    },
    "its file system makes a hard link over a name that is taken",
  ],
  "keeps a name for a removed file": ({ fstat }) => [
    { fstat: (file) => ({ ...fstat(file), nlink: 1 }) },
    "its file system keeps a name of a removed file, as NFS does",
  ],
  "does not keep the mode of a file": ({ fstat }) => [
    { fstat: (file) => ({ ...fstat(file), mode: 0o100777 }) },
    "its file system does not keep the mode of a file",
  ],
};

for (const [what, lack] of Object.entries(LACKING)) {
  Deno.test(`prepareDirectory() refuses a file system that ${what}`, () => {
    using directory = new TemporaryDirectory();
    const [members, state] = lack({ ...system });
    {
      using _replaced = replaceSystem(members);
      assertRefused(() => prepareDirectory(directory.path, false), state);
    }
    assertEquals(directory.list(), [], "it is left as it was");
    prepareDirectory(directory.path, false);
  });
}

Deno.test("prepareDirectory() checks the mode only where there are modes", () => {
  using directory = new TemporaryDirectory();
  const { fstat, stat } = system;
  using _replaced = replaceSystem({
    fstat: (file) => ({ ...fstat(file), mode: null }),
    stat: (path) => ({ ...stat(path), mode: null }),
  });
  const { needsMode } = prepareDirectory(directory.path, false);
  assertEquals(needsMode, false);
});

const CALLS = [
  "stat",
  "open",
  "tryLock",
  "fstat",
  "lstat",
  "link",
  "rename",
  "remove",
] as const;

for (const call of CALLS) {
  Deno.test(`prepareDirectory() throws the original error of ${call}`, () => {
    using directory = new TemporaryDirectory();
    const error = new Error(`${call} failed`);
    {
      const fail = () => {
        throw error;
      };
      using _replaced = replaceSystem({ [call]: fail });
      using recorded = recordSystem(directory.path);
      const prepare = () => prepareDirectory(directory.path, false);
      const thrown = assertThrows(prepare);
      assertStrictEquals(thrown, error);
      const opened = recorded.calls.filter((one) => one.startsWith("open "));
      const closed = recorded.calls.filter((one) => one.startsWith("close "));
      assert(closed.length === opened.length || call === "open");
    }
    prepareDirectory(directory.path, false);
  });
}

Deno.test("prepareDirectory() unlocks and closes every file that it opens", () => {
  using directory = new TemporaryDirectory();
  using recorded = recordSystem(directory.path);
  prepareDirectory(directory.path, false);
  const count = (call: string) =>
    recorded.calls.filter((one) => one.startsWith(`${call} `)).length;
  assertEquals(count("open"), count("close"));
});

Deno.test("checkMarked() accepts a directory that prepareDirectory() prepared", () => {
  using directory = new TemporaryDirectory();
  prepareDirectory(directory.path, false);
  using recorded = recordSystem(directory.path);
  checkMarked(directory.path);
  assertEquals(recorded.calls, [
    "stat directory",
    "lstat marker",
    "open marker",
    "read marker",
    "read marker",
    "close marker",
  ]);
});

Deno.test("checkMarked() refuses any other directory, and makes no marker", () => {
  using directory = new TemporaryDirectory();
  const refused: Record<string, string> = {
    ".": "no sessions were ever kept there (it has no file .latchkey)",
    missing: "it is missing",
    file: "it is not a directory",
    open: "others than its owner may write it",
  };
  Deno.writeTextFileSync(directory.join("file"), "");
  Deno.mkdirSync(directory.join("open"));
  Deno.chmodSync(directory.join("open"), 0o777);
  for (const [name, state] of Object.entries(refused)) {
    assertRefused(() => checkMarked(directory.join(name)), state);
  }
  assertEquals(directory.list(), ["file", "open"]);
});
