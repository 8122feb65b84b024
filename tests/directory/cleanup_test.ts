/** The cleanup of a directory: which sessions it keeps, and what else it removes. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { userTag } from "../../src/core/codec.ts";
import type { CleanupResult, StoreWarning } from "../../src/core/store.ts";
import { ACCESS_AT } from "../../src/core/codec.ts";
import { openLocked } from "../../src/directory/file_lock.ts";
import { bucketLockPath, temporaryPath } from "../../src/directory/layout.ts";
import { describeIndex } from "../index_state.ts";
import { system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import {
  actBefore,
  fakeWaiting,
  recordSystem,
  replaceSystem,
  stopClock,
} from "../replaced_system.ts";
import { setLastAccess } from "../session_file.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";

const DAY = 24 * HOUR;
const RANDOM = "0123456789abcdef".repeat(2);

function age(directory: TemporaryDirectory, ms: number, name = ID): void {
  setLastAccess(directory.join(name), Date.now() - ms);
}

async function openOld(
  directory: TemporaryDirectory,
  lockTimeout?: number,
): Promise<DirectorySessionStore> {
  const store = new DirectorySessionStore(directory.path, {
    lockTimeout,
    onWarning: () => {},
  });
  await store.save(ID, recordOf());
  age(directory, HOUR);
  return store;
}

Deno.test("a cleanup never deletes a session that another process holds", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  for (const exclusive of [false, true]) {
    using _held = openLocked(directory.join(ID), exclusive) as Disposable;
    using waiting = fakeWaiting();
    assertEquals(await store.deleteOldSessions(30), {
      deleted: 0,
      remaining: 1,
      orphans: 0,
    });
    assertEquals(waiting.waits, [], "nor does it wait for it");
  }
  assertEquals((await store.deleteOldSessions(30)).deleted, 1);
});

Deno.test("a cleanup goes by the last access in the file, whatever the file's times are", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  await store.save(OTHER_ID, recordOf());
  Deno.utimeSync(directory.join(ID), new Date(), new Date());
  Deno.utimeSync(directory.join(OTHER_ID), 0, 0);
  assertEquals((await store.deleteOldSessions(30)).deleted, 1);
  assertEquals(directory.list(), [".latchkey", OTHER_ID]);
});

Deno.test("a cleanup that finds a last access half written judges the session again under its lock", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  age(directory, 0);
  const { read } = system;
  let torn = 0;
  for (const half of ["00000000", "        "]) {
    // The first read of the session is the one without a lock.
    torn = 0;
    using _replaced = replaceSystem({
      read: (file, into) => {
        const length = read(file, into);
        const isSession = new TextDecoder().decode(into).startsWith("latchkey");
        if (isSession && torn++ === 0) {
          into.set(new TextEncoder().encode(half), ACCESS_AT);
        }
        return length;
      },
    });
    assertEquals(await store.deleteOldSessions(30), {
      deleted: 0,
      remaining: 1,
      orphans: 0,
    });
    assert(torn > 1, "it was not read again");
  }
  assertEquals(await store.has(ID), true);
});

/** The cleaner's lock is taken, and then seen to exclude. */
const TRIAL = ["tryLock marker", "tryLock marker", "tryLock marker shared"];

Deno.test("a cleanup locks only sessions that are due", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  age(directory, 0);
  await store.save(OTHER_ID, recordOf({}, { expiresAt: Date.now() + HOUR }));
  age(directory, HOUR, OTHER_ID);
  using recorded = recordSystem(directory.path);
  assertEquals((await store.deleteOldSessions(30)).remaining, 2);
  const locks = recorded.calls.filter((call) => call.startsWith("tryLock"));
  assertEquals(locks, TRIAL);
});

/** What may happen to a session that is due after the cleanup has read it. */
const MEANWHILE: Record<
  string,
  (other: DirectorySessionStore, directory: TemporaryDirectory) => void
> = {
  "touched": (other) => void other.touch(ID),
  "loaded with touch": (other) => void other.load(ID, { touch: () => true }),
  "saved": (other) => void other.save(ID, recordOf({ n: 2 })),
  "updated": (other) => void other.update(ID, () => recordOf({ n: 2 })),
  "given a lifetime": (other, directory) => {
    void other.save(ID, recordOf({}, { expiresAt: Date.now() + HOUR }));
    age(directory, HOUR);
  },
  "deleted and created": (other) => {
    void other.delete(ID);
    void other.create(ID, recordOf({ n: 2 }));
  },
};

const MOMENTS = {
  "before it opens it": "open",
  "between open and lock": "tryLock",
} as const;

for (const [what, act] of Object.entries(MEANWHILE)) {
  for (const [when, call] of Object.entries(MOMENTS)) {
    Deno.test(`a cleanup keeps a session that is ${what} ${when}`, async () => {
      using directory = new TemporaryDirectory();
      const store = await openOld(directory);
      const other = new DirectorySessionStore(directory.path);
      await other.setup();
      const happen = () => act(other, directory);
      let exclusive = 0;
      using hook = call === "open"
        ? actBefore(
          call,
          (path, { write }) => path.endsWith(ID) && write === true,
          happen,
        )
        // The first exclusive locks are the marker's.
        : actBefore(call, (_file, is) => is && ++exclusive === 3, happen);
      const result = await store.deleteOldSessions(30);
      assert(hook.hasActed);
      assertEquals([result.deleted, result.remaining], [0, 1]);
      assertEquals(await store.has(ID), true);
    });
  }
}

Deno.test("a cleanup skips a session that was deleted after it was read", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  const other = new DirectorySessionStore(directory.path);
  await other.setup();
  using hook = actBefore(
    "open",
    (path) => path.endsWith(ID),
    () => Deno.removeSync(directory.join(ID)),
  );
  assertEquals(await store.deleteOldSessions(30), {
    deleted: 0,
    remaining: 0,
    orphans: 0,
  });
  assert(hook.hasActed);
});

Deno.test("a cleanup removes temporary files an hour after the birth in their name", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  const now = Date.now();
  using _clock = stopClock(now);
  const names = [HOUR + 1, HOUR, HOUR - 1, 0, -HOUR].map((old) => {
    const path = temporaryPath(directory.path, now - old, RANDOM);
    Deno.writeTextFileSync(path, "half");
    return path.slice(path.lastIndexOf("/") + 1);
  });
  // Not by mtime: a file whose maker was killed after the link is also a session.
  age(directory, 0, names[0]);
  age(directory, 10 * DAY, names[2]);
  const dry = await store.deleteOldSessions(Infinity, { dryRun: true });
  assertEquals(dry, { deleted: 0, remaining: 1, orphans: 2 });
  assertEquals(directory.list().length, 2 + names.length);
  const result = await store.deleteOldSessions(Infinity);
  assertEquals(result, { deleted: 0, remaining: 1, orphans: 2 });
  assertEquals(
    directory.list(),
    [".latchkey", ID, ...names.slice(2)].sort(),
  );
});

Deno.test("a temporary file that is a session's second name is removed without the session", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  const birth = Date.now() - HOUR;
  const path = temporaryPath(directory.path, birth, RANDOM);
  Deno.linkSync(directory.join(ID), path);
  const { orphans } = await store.deleteOldSessions(Infinity);
  assertEquals(orphans, 1);
  assertEquals(directory.list(), [".latchkey", ID]);
  assertEquals(await store.load(ID), recordOf());
});

Deno.test("a cleanup removes files that were set aside a week ago, by their mtime", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  const now = Date.now();
  using _clock = stopClock(now);
  const ages = { aaaaaaaaaaaaaaaa: 7 * DAY, bbbbbbbbbbbbbbbb: 7 * DAY - 1 };
  for (const [id, old] of Object.entries(ages)) {
    Deno.writeTextFileSync(directory.join(`${id}.bad`), "junk");
    const at = new Date(now - old);
    Deno.utimeSync(directory.join(`${id}.bad`), at, at);
  }
  const dry = await store.deleteOldSessions(0, { dryRun: true });
  assertEquals(dry.orphans, 1);
  assertEquals(directory.list().length, 3);
  assertEquals((await store.deleteOldSessions(0)).orphans, 1);
  assertEquals(directory.list(), [".latchkey", "bbbbbbbbbbbbbbbb.bad"]);
});

Deno.test("orphans that another process removes meanwhile are not an error", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  const names = [`${ID}.bad`, `.tmp-000000000000000-${RANDOM}`];
  using _replaced = replaceSystem({
    readDirectory: async function* () {
      await Promise.resolve();
      for (const name of names) {
        yield { name, isFile: true, isDirectory: false, isSymlink: false };
      }
    },
  });
  assertEquals(await store.deleteOldSessions(30), {
    deleted: 0,
    remaining: 0,
    orphans: 0,
  });
});

Deno.test("a dryRun sets no file aside, opens files to read only, and locks none", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  Deno.writeTextFileSync(directory.join(OTHER_ID), "junk");
  const names = directory.list();
  using recorded = recordSystem(directory.path);
  const result = await store.deleteOldSessions(30, { dryRun: true });
  assertEquals(result, { deleted: 1, remaining: 0, orphans: 0 });
  assertEquals(directory.list(), names);
  const changes = /tryLock|setModified|rename|remove|link|write/;
  assertEquals(recorded.calls.filter((call) => changes.test(call)), []);
  const { open } = system;
  using _readOnly = replaceSystem({
    open: (path, options) => {
      assert(!options.write, path);
      return open(path, options);
    },
  });
  assertEquals(await store.deleteOldSessions(30, { dryRun: true }), result);
});

Deno.test("one cleanup runs at a time: a second one ends at once, and says when the first began", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  const began = Date.now();
  using _clock = stopClock(began);
  using waiting = fakeWaiting();
  const first = store.deleteOldSessions(30);
  assertEquals(await store.deleteOldSessions(30), {
    deleted: 0,
    remaining: 0,
    orphans: 0,
    isBusy: true,
    busySince: began,
  });
  // A dry run changes nothing, so it need not be alone.
  const dry = await store.deleteOldSessions(30, { dryRun: true });
  assertEquals(dry.isBusy, undefined);
  assertEquals(await first, { deleted: 1, remaining: 0, orphans: 0 });
  assertEquals(waiting.waits, []);
});

Deno.test("a cleanup notes its beginning in the marker's time, but not a dryRun, and goes on if it cannot", async () => {
  using directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory.path, {
    onWarning: (warning) => warnings.push(warning),
  });
  await store.save(ID, recordOf({}, { user: "ann", idleTimeout: 2 * DAY }));
  const paths = [
    directory.join(".latchkey"),
    bucketLockPath(directory.path, userTag("ann")),
  ];
  const times = () =>
    paths.map((path) => Deno.lstatSync(path).mtime?.getTime());
  for (const path of paths) Deno.utimeSync(path, new Date(DAY), new Date(DAY));
  await store.deleteOldSessions(30, { dryRun: true });
  assertEquals(times(), [DAY, DAY]);
  const error = new Error("not the owner");
  {
    using _replaced = replaceSystem({
      setModified: () => {
        throw error;
      },
    });
    assertEquals((await store.deleteOldSessions(30)).remaining, 1);
  }
  assertEquals(times(), [DAY, DAY]);
  assertEquals(warnings.map(({ type, error }) => [type, error]), [
    ["unwritten", error],
  ]);
  const now = Date.now();
  using _clock = stopClock(now);
  await store.deleteOldSessions(30);
  assertEquals(times(), [now, now]);
});

Deno.test("maxDeletes and maxSeconds end a cleanup with what is done by then", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  for (let n = 0; n < 9; n++) {
    await store.save(`session-number-${n}`, recordOf({}, { expiresAt: 1 }));
  }
  for (const dryRun of [true, false]) {
    assertEquals(await store.deleteOldSessions(30, { maxDeletes: 4, dryRun }), {
      deleted: 4,
      remaining: 0,
      orphans: 0,
      isPartial: true,
    });
  }
  assertEquals(directory.list().length, 1 + 6);
  const none = await store.deleteOldSessions(30, { maxSeconds: 0 });
  assertEquals([none.deleted, none.isPartial], [0, true]);
  let now = 0;
  {
    using _slow = replaceSystem({ monotonic: () => now += 1_000 });
    const some = await store.deleteOldSessions(30, { maxSeconds: 8 });
    assert(some.deleted > 0 && some.deleted < 6, `${some.deleted}`);
    assertEquals(some.isPartial, true);
  }
  const rest = await store.deleteOldSessions(30, {
    maxSeconds: 1e6,
    maxDeletes: 6,
  });
  assertEquals(rest.isPartial, undefined);
  assertEquals(directory.list(), [".latchkey"]);
  for (const options of [{ maxSeconds: -1 }, { maxDeletes: NaN }]) {
    await assertRejects(() => store.deleteOldSessions(30, options));
  }
});

Deno.test("a session whose rename finds no block left is removed in place, under its lock", async () => {
  for (
    const message of [
      "No space left on device (os error 28)",
      "Disk quota exceeded (os error 122)",
    ]
  ) {
    using directory = new TemporaryDirectory();
    const store = await openOld(directory);
    await store.save(OTHER_ID, recordOf({}, { expiresAt: 1, user: "ann" }));
    using recorded = recordSystem(directory.path);
    using _full = replaceSystem({
      rename: () => {
        throw new Error(message);
      },
    });
    assertEquals(await store.deleteOldSessions(30), {
      deleted: 2,
      remaining: 0,
      orphans: 0,
    });
    assertEquals(directory.list(), [".latchkey", ".users"]);
    assertEquals(describeIndex(directory.path), {
      entries: [],
      missing: [],
      stale: [],
    });
    const at = recorded.calls.indexOf("remove session");
    assertEquals(recorded.calls[at + 1], "unlock session");
  }
});

Deno.test("a cleanup stops at an error that concerns all files, and skips a file that may not be opened", async () => {
  using directory = new TemporaryDirectory();
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory.path, {
    onWarning: (warning) => warnings.push(warning),
  });
  await store.save(ID, recordOf({}, { expiresAt: 1 }));
  await store.save(OTHER_ID, recordOf({}, { expiresAt: 1 }));
  const path = directory.join(ID);
  const denied = new Deno.errors.PermissionDenied("(os error 13)");
  /** Lets the opening of the session fail, and that of the marker. */
  const failAtOpen = (error: Error, isMarkerToo = false) => {
    const { open } = system;
    let isLocked = false;
    return replaceSystem({
      open: (name, options) => {
        if (name === path) isLocked = true;
        const isIt = name === path || (isMarkerToo && isLocked);
        if (isIt) throw error;
        return open(name, options);
      },
    });
  };
  const stopping: readonly (readonly [Error, boolean?])[] = [
    [new Error("Read-only file system (os error 30)")],
    [new Error("Too many open files (os error 24)")],
    [new Error("Too many open files in system (os error 23)")],
    [new Error("Input/output error (os error 5)")],
    [new Deno.errors.NotCapable("Requires write access")],
    [denied, true],
  ];
  for (const dryRun of [true, false]) {
    for (const [error, isMarkerToo] of stopping) {
      using _failing = failAtOpen(error, isMarkerToo);
      const clean = () => store.deleteOldSessions(30, { dryRun });
      assertStrictEquals(await assertRejects(clean), error);
    }
  }
  assertEquals(warnings, []);
  assert(directory.list().includes(ID));
  const count = { deleted: 1, remaining: 0, orphans: 0, skipped: 1 };
  await store.save(OTHER_ID, recordOf({}, { expiresAt: 1 }));
  using _failing = failAtOpen(denied);
  for (const dryRun of [true, false]) {
    assertEquals(await store.deleteOldSessions(30, { dryRun }), count);
  }
  const about = warnings.map(({ type, sessionId, path, error }) => ({
    type,
    sessionId,
    path,
    error,
  }));
  assertEquals(about, [
    { type: "not permitted", sessionId: ID, path, error: denied },
  ]);
});

Deno.test("a cleanup makes the marker when it is missing", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  Deno.removeSync(directory.join(".latchkey"));
  assertEquals((await store.deleteOldSessions(30)).deleted, 1);
  assertEquals(directory.list(), [".latchkey"]);
});

/** A clock by which every look at it is a slice of work later. */
function slowDown(): Disposable {
  let now = 0;
  return replaceSystem({ monotonic: () => now += 10 });
}

Deno.test("a long cleanup gives the event loop back, and reports its progress", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory, Infinity);
  for (let n = 0; n < 10; n++) {
    const id = `session-number-${n}`;
    await store.save(id, recordOf());
    if (n % 2) age(directory, HOUR, id);
  }
  let pauses = 0;
  const { pause } = system;
  using _slow = slowDown();
  using _replaced = replaceSystem({
    pause: () => {
      pauses++;
      return pause();
    },
  });
  const told: CleanupResult[] = [];
  const result = await store.deleteOldSessions(30, {
    onProgress: (soFar) => told.push(soFar),
  });
  assertEquals(result, { deleted: 6, remaining: 5, orphans: 0 });
  // One marker, eleven sessions: one look each.
  assertEquals(pauses, 12);
  const counted = told.map(({ deleted, remaining }) => deleted + remaining);
  assertEquals(new Set(told).size, told.length, "each is a copy");
  assertEquals(counted, counted.toSorted((a, b) => a - b));
  assertEquals([told.length, counted.at(0)], [12, 0]);
  assert(counted.at(-1)! >= 10);
});

Deno.test("a cleanup ends when its signal is aborted, and unlocks the marker", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  await store.save(OTHER_ID, recordOf());
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  {
    using _slow = slowDown();
    const thrown = await assertRejects(() =>
      store.deleteOldSessions(30, {
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      })
    );
    assertStrictEquals(thrown, reason);
  }
  assertEquals((await store.deleteOldSessions(30)).deleted, 1);
});

Deno.test("a cleanup that fails unlocks the marker", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory, 0);
  const error = new Deno.errors.PermissionDenied("not yours");
  const fail = () => {
    throw error;
  };
  const clean = () => store.deleteOldSessions(30);
  {
    using _replaced = replaceSystem({ rename: fail });
    assertStrictEquals(await assertRejects(clean), error);
    assertEquals(await store.has(ID), true);
  }
  {
    using _replaced = replaceSystem({ removeLater: fail });
    assertStrictEquals(await assertRejects(clean), error);
    // The session no longer has its name, so it is deleted; its file was removed.
    assertEquals(directory.list(), [".latchkey"]);
  }
  await store.save(ID, recordOf());
  age(directory, HOUR);
  assertEquals((await clean()).deleted, 1);
});

Deno.test("a cleanup has removed what it counts when it resolves, and throws the first error", async () => {
  using directory = new TemporaryDirectory();
  const store = await openOld(directory);
  const ids = Array.from({ length: 50 }, (_, n) => `session-number-${n}`);
  for (const id of ids) await store.save(id, recordOf({}, { expiresAt: 1 }));
  let atOnce = 0;
  let most = 0;
  let calls = 0;
  const error = new Error("the 30th");
  const { removeLater } = system;
  {
    using _replaced = replaceSystem({
      removeLater: async (path) => {
        most = Math.max(most, ++atOnce);
        if (++calls === 30) throw error;
        await removeLater(path);
        atOnce--;
      },
    });
    const clean = () => store.deleteOldSessions(30);
    assertStrictEquals(await assertRejects(clean), error);
    assertEquals((await clean()).deleted > 0, true);
  }
  assert(most > 1 && most <= 9, `${most} at once`);
  assertEquals(directory.list(), [".latchkey"]);
});
