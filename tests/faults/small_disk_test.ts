/** A disk that is full, or read-only, for real. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { SessionDirectoryError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { ID, OTHER_ID } from "../constants.ts";
import { callStore } from "../operations.ts";
import { goOn } from "./aftermath.ts";
import { beginSession, sessionOf } from "./scenes.ts";
import { SmallDisk } from "./small_disk.ts";
import { describeError, type ErrorName, makeError } from "./system_errors.ts";

const obstacle = SmallDisk.findObstacle();

function testOnSmallDisk(name: string, fn: () => Promise<void>): void {
  const skipped = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
  Deno.test({ name: name + skipped, ignore: obstacle !== undefined, fn });
}

/** Checks that an operation fails with an error of the operating system. */
async function assertFails(
  name: ErrorName,
  operate: () => Promise<unknown>,
): Promise<void> {
  const error = await operate().then(() => "no error", (error) => error);
  assertEquals(describeError(error), describeError(makeError(name)));
}

function list(disk: SmallDisk): string[] {
  return [...Deno.readDirSync(disk.path)].map(({ name }) => name).sort();
}

/** A record of two blocks, so that the second one may not fit. */
function largeRecord(n: number): SessionRecord {
  return sessionOf(n, { data: { n, text: "x".repeat(5_000) } });
}

/** Saves sessions until there is an error; their IDs. */
async function fill(
  store: DirectorySessionStore,
  make: (n: number) => SessionRecord,
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0;; n++) {
    const id = `filling-the-disk-${n}`;
    try {
      await store.save(id, make(n));
    } catch (error) {
      assertEquals(describeError(error), describeError(makeError("ENOSPC")));
      break;
    }
    ids.push(id);
  }
  stuff(store.directory);
  return ids;
}

/** Fills the rest, by files that are not sessions. */
function stuff(directory: string): void {
  for (let n = 0;; n++) {
    const path = `${directory}/stuffing-${n}.txt`;
    try {
      Deno.writeFileSync(path, new Uint8Array(1), { createNew: true });
    } catch {
      // It may have a name, but no bytes.
      const isThere = [...Deno.readDirSync(directory)]
        .some(({ name }) => path.endsWith(`/${name}`));
      if (isThere) Deno.removeSync(path);
      return;
    }
  }
}

const FULL: Readonly<Record<string, [string, typeof sessionOf]>> = {
  "no block": ["size=64k", largeRecord],
  "no inode": ["size=1m,nr_inodes=20", sessionOf],
};

for (const [what, [limits, make]] of Object.entries(FULL)) {
  const title =
    `a disk with ${what} left: sessions are read, touched and deleted; a change fails with the caller's error and changes nothing`;
  testOnSmallDisk(title, async () => {
    using disk = new SmallDisk(limits);
    const store = new DirectorySessionStore(disk.path);
    await store.setup();
    const ids = await fill(store, make);
    assert(ids.length > 3);
    const names = list(disk);
    const isTemporary = (name: string) => name.startsWith(".tmp-");
    assert(!names.some(isTemporary), "a failed save left a file");

    for (const [n, id] of ids.entries()) {
      const changes = [
        () => store.update(id, (record) => record),
        () => store.save(id, make(n)),
        () => store.create("one-more-session", make(n)),
        () => beginSession(store),
      ];
      for (const change of changes) await assertFails("ENOSPC", change);
      assertEquals(await store.load(id), make(n));
      assertEquals(await store.touch(id), true);
    }
    assertEquals(list(disk), names, "a failed change left a file");
    const { deleted, remaining } = await store.deleteOldSessions(30);
    assertEquals([deleted, remaining], [0, ids.length]);

    // A logout makes room. A new file has two names for a moment.
    const [first = "", second = ""] = ids;
    assertEquals(await store.delete(first), true);
    assertEquals(await store.delete(second), true);
    await store.save(first, make(0));
    assertEquals(await store.load(first), make(0));
    for (const id of ids) await store.delete(id);
    await goOn(store, disk.path, 0);
  });
}

testOnSmallDisk(
  "a disk that becomes read-only: sessions are read, an unreadable file is not a session, and a change is the caller's error",
  async () => {
    using disk = new SmallDisk("size=1m");
    const warnings: StoreWarning[] = [];
    const store = new DirectorySessionStore(disk.path, {
      onWarning: (warning) => warnings.push(warning),
    });
    await store.save(ID, sessionOf(1));
    Deno.writeTextFileSync(`${disk.path}/${OTHER_ID}`, "unreadable");
    const names = list(disk);
    disk.remount("ro");

    assertEquals(await store.load(ID), sessionOf(1));
    assertEquals(await store.has(ID), true);
    assertEquals(await store.load(ID, { touch: () => false }), sessionOf(1));
    assertEquals(await store.load(OTHER_ID), undefined);
    assertEquals(await store.load("no-such-session-0"), undefined);
    const [warning, ...others] = warnings;
    assertStrictEquals(others.length, 0);
    assertEquals(warning?.type, "unreadable");
    assertEquals(
      describeError(warning?.error),
      describeError(makeError("EROFS")),
    );

    // A touch that is due is told once a minute.
    for (let n = 0; n < 3; n++) {
      assertEquals(await store.load(ID, { touch: () => true }), sessionOf(1));
    }
    const [unwritten, ...more] = warnings.slice(1);
    assertEquals(more.length, 0);
    assertEquals([unwritten?.type, unwritten?.sessionId], ["unwritten", ID]);
    assertEquals(
      describeError(unwritten?.error),
      describeError(makeError("EROFS")),
    );

    for (
      const name of [
        "touch",
        "save",
        "create",
        "update",
        "delete",
      ] as const
    ) {
      const id = name === "create" ? "no-such-session-0" : ID;
      const change = () => sessionOf(2);
      const call = { store, id, record: sessionOf(2), change, minutes: 30 };
      await assertFails("EROFS", () => callStore(name, call));
    }
    const another = new DirectorySessionStore(disk.path);
    for (
      const open of [() => another.setup(), () => store.deleteOldSessions(30)]
    ) {
      const error = await assertRejects(open, SessionDirectoryError);
      assertEquals(
        describeError(error.cause),
        describeError(makeError("EROFS")),
      );
      assertMatch(error.message, /has mode 0\d00, owner uid \d+/);
    }
    assertEquals(await store.deleteOldSessions(30, { dryRun: true }), {
      deleted: 0,
      remaining: 1,
      orphans: 0,
    });

    disk.remount("rw");
    assertEquals(list(disk), names);
    assertEquals(await store.load(ID), sessionOf(1));
    await goOn(store, disk.path, 0);
  },
);

testOnSmallDisk(
  "a full disk, and sessions in SQLite: each is read, nothing is changed, and room mends it",
  async () => {
    using disk = new SmallDisk("size=400k");
    const warnings: StoreWarning[] = [];
    using store = new SqliteSessionStore(`${disk.path}/sessions.db`, {
      onWarning: (warning) => warnings.push(warning),
    });
    const old = { expiresAt: 1 };
    await store.save(ID, sessionOf(0));
    await store.save(OTHER_ID, sessionOf(0, old));
    const path = `${disk.path}/stuffing`;
    assertThrows(() => Deno.writeFileSync(path, new Uint8Array(500_000)));
    const change = (record: SessionRecord) => ({
      ...record,
      data: { text: "x".repeat(5_000) },
    });
    const isFull = "database or disk is full";

    assertEquals(
      (await store.load(ID, { touch: () => true }))?.data,
      sessionOf(0).data,
    );
    assertEquals(warnings.map(({ type }) => type), ["unwritten"]);
    for (
      const operate of [
        () => store.update(ID, change),
        () => store.delete(ID),
        () => store.deleteOldSessions(0),
      ]
    ) await assertRejects(operate, Error, isFull);
    assertEquals((await store.load(ID))?.data, sessionOf(0).data);

    Deno.removeSync(path);
    assertEquals((await store.deleteOldSessions(0)).deleted, 1);
    assertEquals(await store.delete(ID), true);
  },
);
