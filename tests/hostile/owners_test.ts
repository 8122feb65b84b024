/**
 * Directories and files of other users, for real: only root can make them. A
 * server works in a directory of its own user alone; a cleaner may be root.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { userTag } from "../../src/core/codec.ts";
import { SessionDirectoryError } from "../../src/core/errors.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import {
  bucketLockPath,
  bucketPath,
  entryPath,
  userIndexPath,
} from "../../src/directory/layout.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { system } from "../../src/system/system.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { replaceSystem } from "../replaced_system.ts";
import { makeLinks, makePipe } from "../special_files.ts";
import { runSync, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { LONGEST } from "./caller_script.ts";

const OTHER = 65534;
const ANN = { user: "ann" };
const DUE = { expiresAt: 1 };

/** Root, whose rights over the files of others are taken away. */
const WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

const obstacle = findObstacle();

function findObstacle(): string | undefined {
  using directory = new TemporaryDirectory();
  try {
    Deno.chownSync(directory.path, OTHER, OTHER);
    const [program = "", ...args] = [...WITHOUT_RIGHTS, "true"];
    const { code, stderr } = runSync(program, args);
    return code === 0 ? undefined : stderr.trim();
  } catch (error) {
    return (error as Error).message;
  }
}

function testAsRoot(name: string, fn: () => Promise<void>): void {
  const skipped = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
  Deno.test({ name: name + skipped, ignore: obstacle !== undefined, fn });
}

/** Gives a directory and all that is in it to another user. */
function giveAway(path: string): void {
  const { isDirectory, isSymlink } = Deno.lstatSync(path);
  if (!isSymlink) Deno.chownSync(path, OTHER, OTHER);
  if (!isDirectory) return;
  for (const { name } of Deno.readDirSync(path)) giveAway(`${path}/${name}`);
}

/** The owners of all files in a directory. */
function ownersOf(directory: TemporaryDirectory): Set<number | null> {
  return new Set(
    directory.listFiles().map((name) => Deno.lstatSync(directory.join(name)))
      .filter(({ isSymlink }) => !isSymlink).map(({ uid }) => uid),
  );
}

async function open(
  directory: TemporaryDirectory,
  warnings: StoreWarning[] = [],
): Promise<DirectorySessionStore> {
  const store = new DirectorySessionStore(directory.path, {
    onWarning: (warning) => warnings.push(warning),
  });
  await store.setup();
  return store;
}

testAsRoot(
  "a process refuses another user's directory, with both users and the command to run, and leaves no file",
  async () => {
    using directory = new TemporaryDirectory();
    using owned = await open(directory);
    await owned.save(ID, recordOf());
    owned[Symbol.dispose]();
    giveAway(directory.path);
    const names = directory.list();
    const store = new DirectorySessionStore(directory.path);
    const operations: (() => Promise<unknown>)[] = [
      () => store.setup(),
      () => store.load(ID),
      () => store.save(ID, recordOf()),
      () => store.delete(ID),
      () => store.check(),
    ];
    for (const operate of operations) {
      const error = await assertRejects(operate, Error);
      assert(
        error.message.includes(
          `it belongs to uid ${OTHER}, and the files of this process to uid 0; run it as the owner: setpriv --reuid ${OTHER} --regid ${OTHER} --clear-groups deno …`,
        ),
        error.message,
      );
    }
    const file = directory.join("sessions.db");
    const { code, stderr } = await spawn(
      "mod.ts",
      ["migrate", directory.path, `sqlite:${file}`],
      { paths: [directory.path] },
    ).end(LONGEST);
    assertEquals(code, 1);
    assert(stderr.includes(`setpriv --reuid ${OTHER}`), stderr);
    assertEquals(
      directory.list().filter((name) => !name.startsWith("sessions.db")),
      names,
    );
  },
);

testAsRoot(
  "root may clean another user's directory: it makes no file of its own, follows no link and hangs at no pipe",
  async () => {
    using elsewhere = new TemporaryDirectory();
    using directory = new TemporaryDirectory();
    {
      using far = await open(elsewhere);
      await far.save(ID, recordOf({}, ANN));
      using store = await open(directory);
      await store.save(ID, recordOf({}, { ...ANN, ...DUE }));
      await store.save(
        OTHER_ID,
        recordOf({}, { user: "bob", idleTimeout: HOUR }),
      );
    }
    // Without its index, whose buckets only the owner may make again.
    Deno.removeSync(userIndexPath(directory.path), { recursive: true });
    makeLinks({
      [userIndexPath(directory.path)]: userIndexPath(elsewhere.path),
    });
    makeLinks({ [directory.join("a-link-0000000000")]: elsewhere.join(ID) });
    makePipe(directory.join("a-pipe-0000000000"));
    giveAway(directory.path);
    const store = new DirectorySessionStore(directory.path);
    for (const dryRun of [true, false]) {
      assertEquals(await store.deleteOldSessions(30, { dryRun }), {
        deleted: 1,
        remaining: 1,
        orphans: 0,
      });
    }
    assertEquals(directory.list().includes(ID), false);
    const entry = { tag: userTag("ann"), id: ID };
    assert(Deno.lstatSync(entryPath(elsewhere.path, entry)).isFile);
    assertEquals(elsewhere.list(), [".latchkey", ".users", ID]);

    Deno.removeSync(userIndexPath(directory.path));
    assertEquals((await store.deleteOldSessions(30)).remaining, 1);
    assertEquals(directory.list().includes(".users"), false);
    assertEquals(ownersOf(directory), new Set([OTHER]));
  },
);

testAsRoot(
  "root tidies the index of another user's directory, and all of it stays the owner's",
  async () => {
    using directory = new TemporaryDirectory();
    {
      using store = await open(directory);
      await store.save(ID, recordOf({}, { ...ANN, ...DUE }));
      await store.save(OTHER_ID, recordOf({}, { ...ANN, idleTimeout: HOUR }));
      Deno.removeSync(
        entryPath(directory.path, { tag: userTag("ann"), id: OTHER_ID }),
      );
    }
    giveAway(directory.path);
    const store = new DirectorySessionStore(directory.path);
    assertEquals((await store.deleteOldSessions(30)).deleted, 1);
    const names = [
      ...Deno.readDirSync(bucketPath(directory.path, userTag("ann"))),
    ]
      .map(({ name }) => name).sort();
    assertEquals(names, [".lock", `${userTag("ann")}-${OTHER_ID}`]);
    assertEquals(ownersOf(directory), new Set([OTHER]));
  },
);

testAsRoot(
  "in another user's index root makes no file and opens no link, whatever leads there",
  async () => {
    using elsewhere = new TemporaryDirectory();
    using directory = new TemporaryDirectory();
    const missing = "session-number-0";
    const bucket = bucketPath(directory.path, userTag("ann"));
    const lock = bucketLockPath(directory.path, userTag("ann"));
    const entryOf = (id: string) =>
      entryPath(directory.path, { tag: userTag("ann"), id });
    {
      using store = await open(directory);
      await store.save(ID, recordOf({}, { ...ANN, idleTimeout: HOUR }));
      await store.save(OTHER_ID, recordOf({}, { ...ANN, ...DUE }));
    }
    Deno.removeSync(entryOf(ID));
    // A stale entry, whose session's name leads elsewhere.
    Deno.linkSync(lock, entryOf(missing));
    Deno.writeTextFileSync(elsewhere.join("target"), "root's");
    makeLinks({ [directory.join(missing)]: elsewhere.join("target") });
    giveAway(directory.path);
    const store = new DirectorySessionStore(directory.path);
    const real = { open: system.open, fstat: system.fstat };
    using _calls = replaceSystem({
      open: (path, options) => {
        assert(options.createNew || !Deno.lstatSync(path).isSymlink, path);
        return real.open(path, options);
      },
      // So many links that a further entry is a file of its own.
      fstat: (file) => ({ ...real.fstat(file), nlink: 30_000 }),
    });
    const counts = { deleted: 1, remaining: 1, orphans: 0 };
    assertEquals(await store.deleteOldSessions(30), counts);
    const names = () => [...Deno.readDirSync(bucket)].map(({ name }) => name);
    assertEquals(names(), [".lock"]);
    assertEquals(ownersOf(directory), new Set([OTHER]));

    Deno.removeSync(lock);
    Deno.writeTextFileSync(entryOf(missing), "");
    makeLinks({ [lock]: elsewhere.join("target") });
    giveAway(directory.path);
    assertEquals((await store.deleteOldSessions(30)).remaining, 1);
    assertEquals(names().length, 2, "without its lock nothing is tidied");
  },
);

testAsRoot(
  "a cleanup skips, counts and names a bucket of the index that it may not open",
  async () => {
    using directory = new TemporaryDirectory();
    {
      using store = await open(directory);
      await store.save(ID, recordOf({}, { ...ANN, idleTimeout: HOUR }));
      await store.save(OTHER_ID, recordOf({}, { ...ANN, ...DUE }));
    }
    giveAway(bucketPath(directory.path, userTag("ann")));
    const args = ["cleanup", directory.path, "--minutes=30", "--json"];
    const { code, stdout, stderr } = await spawn("mod.ts", args, {
      paths: [directory.path],
      through: WITHOUT_RIGHTS,
    }).end(LONGEST);
    assertEquals(code, 0, stderr);
    const { deleted, remaining } = JSON.parse(stdout);
    assertEquals([deleted, remaining], [1, 1]);
    const lock = bucketLockPath(directory.path, userTag("ann"));
    assert(stderr.includes(`Ignoring ${lock}: it may not be opened`), stderr);
  },
);

testAsRoot(
  "a marker of another user is refused by a cleaner, which says what to do",
  async () => {
    using directory = new TemporaryDirectory();
    using store = await open(directory);
    Deno.chownSync(directory.join(".latchkey"), OTHER, OTHER);
    for (const dryRun of [true, false]) {
      await assertRejects(
        () => store.deleteOldSessions(30, { dryRun }),
        SessionDirectoryError,
        `its .latchkey belongs to uid ${OTHER}, the directory to uid 0; remove that file`,
      );
    }
  },
);

testAsRoot(
  "a cleanup skips, counts and names each file that it may not open, and cleans all others",
  async () => {
    using directory = new TemporaryDirectory();
    const ids = Array.from({ length: 30 }, (_, n) => `session-number-${n}`);
    {
      using store = await open(directory);
      for (const id of ids) await store.save(id, recordOf({}, DUE));
      await store.save(ID, recordOf({}, { ...ANN, idleTimeout: HOUR }));
      await store.save(
        OTHER_ID,
        recordOf({}, { user: "bob", idleTimeout: HOUR }),
      );
    }
    const lock = bucketLockPath(directory.path, userTag("ann"));
    const barred = [ids[3]!, ids[17]!, ID].map((id) => directory.join(id));
    for (const path of [...barred, lock]) Deno.chownSync(path, OTHER, OTHER);
    Deno.removeSync(
      entryPath(directory.path, { tag: userTag("bob"), id: OTHER_ID }),
    );
    const clean = async (...flags: string[]) => {
      const args = [
        "cleanup",
        directory.path,
        "--minutes=30",
        "--json",
        ...flags,
      ];
      const { code, stdout, stderr } = await spawn("mod.ts", args, {
        paths: [directory.path],
        through: WITHOUT_RIGHTS,
      }).end(LONGEST);
      assertEquals(code, 0, stderr);
      return { counts: JSON.parse(stdout), lines: stderr.trim().split("\n") };
    };
    const dry = await clean("--dry-run");
    const counts = { deleted: 28, remaining: 1, orphans: 0 };
    assertEquals(dry.counts, { ...counts, skipped: 3, dryRun: true });
    const { counts: done, lines } = await clean();
    assertEquals(done, { ...counts, skipped: 4, dryRun: false });
    for (const path of [...barred, lock]) {
      const told = lines.filter((line) => line.includes(`Ignoring ${path}:`));
      assertEquals(told.length, 1, lines.join("\n"));
      assert(told[0]!.includes(`belongs to uid ${OTHER}`), told[0]);
    }
    assertEquals(lines.length, 4);
    const left = [".latchkey", ".users", ID, OTHER_ID, ids[3]!, ids[17]!];
    assertEquals(directory.list(), left.sort());
  },
);

testAsRoot(
  "what concerns all files ends a cleanup: a marker that may not be opened",
  async () => {
    using directory = new TemporaryDirectory();
    {
      using store = await open(directory);
      await store.save(ID, recordOf({}, DUE));
    }
    giveAway(directory.path);
    Deno.chmodSync(directory.path, 0o755);
    const args = ["cleanup", directory.path, "--minutes=30"];
    const { code, stderr } = await spawn("mod.ts", args, {
      paths: [directory.path],
      through: WITHOUT_RIGHTS,
    }).end(LONGEST);
    assertEquals(code, 1);
    assert(
      stderr.includes(
        `${directory.join(".latchkey")} has mode 0600, owner uid ${OTHER}`,
      ),
      stderr,
    );
  },
);
