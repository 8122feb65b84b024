/** How a directory store finds the sessions of a user: by an index of names. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FLAG_AT, UNPUBLISHED, userTag } from "../../src/core/codec.ts";
import { SessionDirectoryError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { openLocked } from "../../src/directory/file_lock.ts";
import {
  bucketLockPath,
  bucketPath,
  entryPath,
} from "../../src/directory/layout.ts";
import { system } from "../../src/system/system.ts";
import { isStale, removeStaleEntries } from "../../src/directory/user_index.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { describeIndex, putEntry } from "../index_state.ts";
import { actBefore, recordSystem, replaceSystem } from "../replaced_system.ts";
import { makeLinks } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { contextOf } from "./directory_context.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";

const ANN = { user: "ann" };
const BOB = { user: "bob" };
const ANNS = userTag("ann");
const BOBS = userTag("bob");

async function open(directory: TemporaryDirectory) {
  const store = new DirectorySessionStore(directory.path, {
    lockTimeout: 0,
    onWarning: () => {},
  });
  await store.setup();
  return store;
}

async function idsOf(store: DirectorySessionStore, user = "ann") {
  const entries = await Array.fromAsync(store.entries({ user }));
  return entries.map(([id]) => id).sort();
}

const login = (user: string) => (record: SessionRecord) => ({
  ...record,
  user,
});

const logout = ({ user: _user, ...rest }: SessionRecord): SessionRecord => rest;

/** Acts once, right before the first file is read. */
function actBeforeReading(act: () => void): Disposable {
  const { read } = system;
  let hasActed = false;
  return replaceSystem({
    read: (file, into) => {
      if (!hasActed) {
        hasActed = true;
        act();
      }
      return read(file, into);
    },
  });
}

Deno.test("a search for a user's sessions opens and locks no session of another user", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(OTHER_ID, recordOf({}, BOB));
  await store.save("somebody-0000000", recordOf());
  using recorded = recordSystem(directory.path);
  assertEquals(await idsOf(store), []);
  assertEquals(recorded.take(), ["readDirectory bucket", "stat directory"]);
  await store.save(ID, recordOf({}, ANN));
  recorded.take();
  assertEquals(await idsOf(store), [ID]);
  assertEquals(recorded.take(), [
    "readDirectory bucket",
    "open session",
    "tryLock session shared",
    "fstat session",
    "read session",
    "close session",
    "readDirectory bucket",
  ]);
});

Deno.test("a save over a damaged file keeps or makes the entry of its user", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const path = directory.join(ID);
  await store.save(ID, recordOf({}, ANN));
  const whole = Deno.readFileSync(path);
  for (const at of [0, 20, 60, 70, 100, whole.length - 1]) {
    for (const user of [ANN, BOB]) {
      const damaged = whole.slice();
      damaged[at]! ^= 1;
      Deno.writeFileSync(path, damaged);
      await store.save(ID, recordOf({}, user));
      assertEquals(await idsOf(store, user.user), [ID], `byte ${at}`);
      assertEquals(describeIndex(directory.path).missing, []);
      await store.save(ID, recordOf({}, ANN));
    }
  }
});

Deno.test("a search does not wait for a locked session of another user", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf({}, BOB));
  await store.save(OTHER_ID, recordOf({}, ANN));
  const locked = openLocked(directory.join(ID), true);
  assert(typeof locked === "object");
  using _locked = locked;
  assertEquals(await idsOf(store), [OTHER_ID]);
});

Deno.test("an entry is there from login to logout, also when the user changes", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const assertIndex = (...entries: string[]) => {
    const index = describeIndex(directory.path);
    assertEquals(index, { entries: entries.sort(), missing: [], stale: [] });
  };
  await store.save(ID, recordOf());
  assertEquals(directory.list(), [".latchkey", ID]);
  const change: [(record: SessionRecord) => SessionRecord, ...string[]][] = [
    [login("ann"), `${ANNS}-${ID}`],
    [login("ann"), `${ANNS}-${ID}`],
    [login("bob"), `${BOBS}-${ID}`],
    [logout],
    [(record) => record],
    // A change of the same record object counts as well.
    [(record) => Object.assign(record, ANN), `${ANNS}-${ID}`],
  ];
  for (const [step, ...entries] of change) {
    await store.update(ID, step);
    assertIndex(...entries);
  }
  await store.save(ID, recordOf({}, BOB));
  assertIndex(`${BOBS}-${ID}`);
  await store.save(OTHER_ID, recordOf({}, ANN));
  assertIndex(`${BOBS}-${ID}`, `${ANNS}-${OTHER_ID}`);
  assertEquals(await store.create(ID, recordOf({}, ANN)), false);
  assertIndex(`${BOBS}-${ID}`, `${ANNS}-${OTHER_ID}`);
  await store.save(ID, recordOf({}, { ...BOB, expiresAt: 1 }));
  assertEquals(await store.create(ID, recordOf({}, ANN)), true);
  assertIndex(`${ANNS}-${ID}`, `${ANNS}-${OTHER_ID}`);
  await store.delete(OTHER_ID);
  assertIndex(`${ANNS}-${ID}`);
  await store.update(ID, () => undefined);
  assertIndex();
  await store.create(ID, recordOf({}, { ...ANN, expiresAt: 1 }));
  assertIndex(`${ANNS}-${ID}`);
  assertEquals((await store.deleteOldSessions(30)).deleted, 1);
  assertIndex();
  assertEquals(directory.list(), [".latchkey", ".users"]);
});

Deno.test("a save without a user leaves the entry of the old one, and a cleanup removes it", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf({}, ANN));
  await store.save(ID, recordOf());
  assertEquals(describeIndex(directory.path).stale, [`${ANNS}-${ID}`]);
  assertEquals(await idsOf(store), []);
  await store.deleteOldSessions(30);
  assertEquals(describeIndex(directory.path).entries, []);
});

Deno.test("a login that fails leaves no entry, and the session as it was", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf());
  const error = new Error("No space left on device");
  for (const call of ["rename", "link"] as const) {
    const { link } = system;
    const fail = () => {
      throw error;
    };
    using _full = replaceSystem(
      call === "rename" ? { rename: fail } : {
        link: (from, to) => to.includes(".users") ? fail() : link(from, to),
      },
    );
    const heard = await assertRejects(() => store.update(ID, login("ann")));
    assertEquals(heard, error);
  }
  assertEquals(await store.load(ID), recordOf());
  assertEquals(describeIndex(directory.path).entries, []);
});

Deno.test("a cleanup removes entries of sessions that are missing or another user's, and leaves names that are not ours", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf({}, ANN));
  const bucket = bucketPath(directory.path, ANNS);
  const missing = "a-session-that-is-gone";
  putEntry(directory.path, { tag: BOBS, id: ID });
  putEntry(directory.path, { tag: BOBS, id: missing });
  putEntry(directory.path, { tag: ANNS, id: missing });
  const foreign = [
    `${bucket}/notes`,
    `${bucket}/${BOBS}-${missing}`,
    directory.join(".users/notes"),
    directory.join(`.users/${ANNS}-${missing}`),
  ];
  for (const path of foreign) Deno.writeTextFileSync(path, "mine");
  const directories = [
    `${bucket}/${ANNS}-a-directory-000000`,
    directory.join(".users/not-a-bucket"),
  ];
  for (const path of directories) Deno.mkdirSync(path);
  makeLinks({ [`${bucket}/${ANNS}-a-link-00000000000`]: "nowhere" });

  await store.deleteOldSessions(30, { dryRun: true });
  const before = describeIndex(directory.path).stale;
  assertEquals(before.filter((name) => name.endsWith(missing)).length, 3);
  assertEquals(await store.deleteOldSessions(30), {
    deleted: 0,
    remaining: 1,
    orphans: 0,
  });
  for (const path of foreign) {
    assertEquals(Deno.readTextFileSync(path), "mine");
  }
  for (const path of directories) assert(Deno.lstatSync(path).isDirectory);
  assertEquals(
    describeIndex(directory.path).entries.filter((name) =>
      !name.includes("-a-")
    ),
    [`${ANNS}-${ID}`],
  );
  assertEquals(await idsOf(store), [ID]);
});

Deno.test("a cleanup removes the entry of each session that it deletes, unless the user has signed in again", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const users = Array.from({ length: 4_200 }, (_, n) => `user-${n}`);
  const old = new Map(users.map((user) => [`the-session-of-${user}`, user]));
  for (const [id, user] of old) {
    await store.save(id, recordOf({}, { user, expiresAt: 1 }));
  }
  await store.save(ID, recordOf({}, ANN));
  const { removeLater } = system;
  let back: string | undefined;
  {
    using _hook = replaceSystem({
      removeLater: async (path) => {
        if (back === undefined) {
          const left = directory.list();
          back = [...old.keys()].find((id) => !left.includes(id))!;
          await store.create(back, recordOf({}, { user: old.get(back)! }));
        }
        await removeLater(path);
      },
    });
    assertEquals((await store.deleteOldSessions(30)).deleted, users.length);
  }
  const { entries, stale, missing } = describeIndex(directory.path);
  assertEquals(entries.length, 2);
  assertEquals([stale, missing], [[], []]);
  assertEquals(await idsOf(store, old.get(back!)), [back!]);
});

Deno.test("an entry whose session is about to be published stays, however old it looks", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(OTHER_ID, recordOf({}, ANN));
  putEntry(directory.path, { tag: ANNS, id: ID });
  const { link } = system;
  let tries = 0;
  {
    using _hook = replaceSystem({
      link: (from, to) => {
        if (to === directory.join(ID)) {
          const entry = { tag: ANNS, id: ID };
          assert(isStale(contextOf(directory.path), entry));
          removeStaleEntries(contextOf(directory.path), [entry]);
          tries++;
        }
        link(from, to);
      },
    });
    await store.create(ID, recordOf({}, ANN));
  }
  assertEquals(tries, 1);
  assertEquals(describeIndex(directory.path).missing, []);
  assertEquals(await idsOf(store), [ID, OTHER_ID].sort());
});

Deno.test("no login comes between the look at a session and the removal of its entry", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf());
  putEntry(directory.path, { tag: ANNS, id: ID });
  const other = await open(directory);
  const heard: Promise<unknown>[] = [];
  const { remove } = system;
  using _hook = replaceSystem({
    remove: (path) => {
      if (path.includes(".users/")) {
        heard.push(assertRejects(() => other.update(ID, login("ann"))));
      }
      remove(path);
    },
  });
  await store.deleteOldSessions(30);
  assertEquals(heard.length, 1);
  await Promise.all(heard);
  assertEquals(describeIndex(directory.path).entries, []);
  await other.update(ID, login("ann"));
  assertEquals(await idsOf(store), [ID]);
});

Deno.test("an entry stays when its session's file becomes another session's between open and read", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(ID, recordOf({ n: 0 }, ANN));
  const first = Deno.lstatSync(directory.join(ID)).ino;
  const writer = await open(directory);
  const changes: Promise<unknown>[] = [];
  {
    using _hook = actBeforeReading(() => {
      // The file that is open becomes the recycled file, and the recycled file another's file.
      changes.push(writer.update(ID, (record) => record));
      changes.push(writer.save(OTHER_ID, recordOf({}, BOB)));
      changes.push(writer.save(OTHER_ID, recordOf({}, BOB)));
    });
    await store.deleteOldSessions(30);
  }
  await Promise.all(changes);
  assertEquals(Deno.lstatSync(directory.join(OTHER_ID)).ino, first);
  assertEquals(describeIndex(directory.path).missing, []);
  assertEquals(await idsOf(store), [ID]);
});

Deno.test("an entry of an unpublished or unreadable session stays", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(OTHER_ID, recordOf({}, ANN));
  await store.save(ID, recordOf({}, BOB));
  putEntry(directory.path, { tag: ANNS, id: ID });
  const path = directory.join(ID);
  const bytes = Deno.readFileSync(path);
  bytes[FLAG_AT] = UNPUBLISHED;
  for (const text of [bytes, bytes.subarray(0, 100)]) {
    Deno.writeFileSync(path, text);
    // As after a failed login; a cleanup would set the file aside.
    using _full = replaceSystem({
      rename: () => {
        throw new Error("No space left on device");
      },
    });
    await assertRejects(() => store.save(ID, recordOf({}, ANN)));
    const { entries } = describeIndex(directory.path);
    assert(entries.includes(`${ANNS}-${ID}`));
  }
});

Deno.test("a cleanup makes missing entries, but not a dryRun", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const ids = Array.from({ length: 20 }, (_, n) => `session-number-${n}`);
  for (const id of ids) {
    await store.save(id, recordOf({}, { ...ANN, idleTimeout: HOUR }));
  }
  await store.save(ID, recordOf({}, BOB));
  Deno.removeSync(directory.join(".users"), { recursive: true });
  assertEquals(await idsOf(store), []);
  // A login finds the index missing, and makes it again.
  await store.update(ID, login("ann"));
  assertEquals(await idsOf(store), [ID]);
  await store.deleteOldSessions(30, { dryRun: true });
  assertEquals(await idsOf(store), [ID]);
  await store.deleteOldSessions(30);
  assertEquals(await idsOf(store), [ID, ...ids].sort());
  assertEquals(describeIndex(directory.path).missing, []);
});

Deno.test("a logout and a delete work without the index", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  for (const end of [logout, () => undefined]) {
    await store.save(ID, recordOf({}, ANN));
    Deno.removeSync(directory.join(".users"), { recursive: true });
    await store.update(ID, end);
    assertEquals((await store.load(ID))?.user, undefined);
    assertEquals(directory.list().includes(".users"), false);
  }
});

Deno.test("a cleanup by another user makes no bucket, which the directory's owner could not use", async () => {
  using directory = new TemporaryDirectory();
  const owner = await open(directory);
  await owner.save(ID, recordOf({}, ANN));
  await owner.save(OTHER_ID, recordOf({}, BOB));
  const cleaner = new DirectorySessionStore(directory.path);
  Deno.removeSync(directory.join(".users"), { recursive: true });
  const clean = async () => {
    const { stat, lstat } = system;
    using _other = replaceSystem({
      stat: (path) => ({ ...stat(path), uid: 1_000_000 }),
      lstat: (path) => ({ ...lstat(path), uid: 1_000_000 }),
    });
    await cleaner.deleteOldSessions(30);
  };
  await clean();
  assertEquals(directory.list().includes(".users"), false);
  putEntry(directory.path, { tag: ANNS, id: "a-session-that-is-gone" });
  await clean();
  assertEquals(describeIndex(directory.path).entries, [`${ANNS}-${ID}`]);
  await owner.deleteOldSessions(30);
  assertEquals(describeIndex(directory.path).missing, []);
});

Deno.test("an entry is a link, and a file of its own when there are too many links", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const inodeOf = (id: string) => {
    const { ino, mode } = Deno.lstatSync(
      entryPath(directory.path, { tag: ANNS, id }),
    );
    assertEquals(mode! & 0o777, 0o600);
    return ino;
  };
  await store.save(ID, recordOf({}, ANN));
  const lock = Deno.lstatSync(bucketLockPath(directory.path, ANNS));
  assertEquals(inodeOf(ID), lock.ino);
  const { fstat } = system;
  using _many = replaceSystem({
    fstat: (file) => ({ ...fstat(file), nlink: 30_000 }),
  });
  await store.save(OTHER_ID, recordOf({}, ANN));
  assert(inodeOf(OTHER_ID) !== lock.ino);
  await store.save("third-0000000000", recordOf({}, ANN));
  await store.update(OTHER_ID, logout);
  await store.update(OTHER_ID, login("ann"));
  assertEquals((await idsOf(store)).length, 3);
});

Deno.test("a file in the place of the index is an error to a login, and the session stays as it was", async () => {
  const places: ((directory: TemporaryDirectory) => void)[] = [
    ({ path }) => Deno.writeTextFileSync(`${path}/.users`, "mine"),
    ({ path }) => makeLinks({ [`${path}/.users`]: "nowhere" }),
    ({ path }) => {
      Deno.mkdirSync(`${path}/.users`);
      Deno.writeTextFileSync(bucketPath(path, ANNS), "mine");
    },
    ({ path }) => {
      Deno.mkdirSync(bucketLockPath(path, ANNS), { recursive: true });
    },
  ];
  for (const put of places) {
    using directory = new TemporaryDirectory();
    const store = await open(directory);
    await store.save(ID, recordOf());
    put(directory);
    await assertRejects(() => store.update(ID, login("ann")));
    await assertRejects(() => store.save(ID, recordOf({}, ANN)));
    await assertRejects(() => store.create(OTHER_ID, recordOf({}, ANN)));
    assertEquals(await store.load(ID), recordOf());
    assertEquals(await store.load(OTHER_ID), undefined);
    assertEquals(await store.delete(ID), true);
  }
});

Deno.test("a missing directory is an error to a search for a user's sessions, and a login does not make it again", async () => {
  using directory = new TemporaryDirectory();
  const path = directory.join("sessions");
  const store = new DirectorySessionStore(path, { create: true });
  await store.save(ID, recordOf({}, ANN));
  Deno.removeSync(path, { recursive: true });
  await assertRejects(() => idsOf(store), SessionDirectoryError);
  await assertRejects(
    () => store.save(ID, recordOf({}, ANN)),
    SessionDirectoryError,
  );
  assertEquals(directory.list(), []);
});

Deno.test("a login starts again when the index is removed meanwhile", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(ID, recordOf());
  await store.save(OTHER_ID, recordOf({}, ANN));
  using hook = actBefore(
    "tryLock",
    (_file, exclusive) => !exclusive,
    () => Deno.removeSync(directory.join(".users"), { recursive: true }),
  );
  await store.update(ID, login("ann"));
  assert(hook.hasActed);
  assertEquals(await idsOf(store), [ID]);
});

Deno.test("a search for a user's sessions sets unreadable files aside, as every load does", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  await store.save(OTHER_ID, recordOf({}, ANN));
  await store.save(ID, recordOf({}, ANN));
  Deno.writeTextFileSync(directory.join(ID), "junk");
  assertEquals(await idsOf(store), [OTHER_ID]);
  assertEquals(
    directory.list(),
    [".latchkey", ".users", `${ID}.bad`, OTHER_ID].sort(),
  );
  await store.deleteOldSessions(30);
  assertEquals(describeIndex(directory.path).stale, []);
});

Deno.test("a search finds a session of any size", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const text = "x".repeat(200_000);
  await store.save(ID, recordOf({ text }, ANN));
  await store.save(OTHER_ID, recordOf({ text }, BOB));
  assertEquals(await idsOf(store), [ID]);
});

Deno.test("a cleanup sweeps 16 buckets, chosen at random, so that all are swept in time", async () => {
  using directory = new TemporaryDirectory();
  const store = await open(directory);
  const tags = Array.from(
    { length: 64 },
    (_, n) => (4 * n).toString(16).padStart(2, "0") + "000000",
  );
  for (const tag of tags) putEntry(directory.path, { tag, id: ID });
  const left = () => describeIndex(directory.path).stale.length;
  let first = 0;
  using _random = replaceSystem({
    random: () => (first += 16).toString(16).padStart(8, "0").padEnd(32, "0"),
  });
  for (const count of [48, 32, 16, 0]) {
    await store.deleteOldSessions(30);
    assertEquals(left(), count);
  }
});
