/**
 * Volumes that come, go, fill up or are emptied under a running server: real
 * ones, which only root can mount.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  SessionDirectoryError,
  SessionStoreError,
} from "../../src/core/errors.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { SmallDisk } from "../faults/small_disk.ts";
import { callStore } from "../operations.ts";
import { recordSystem, replaceSystem } from "../replaced_system.ts";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const obstacle = SmallDisk.findObstacle();
const ANN = { user: "ann" };

function testOnDisk(name: string, fn: () => Promise<void>): void {
  const skipped = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
  Deno.test({ name: name + skipped, ignore: obstacle !== undefined, fn });
}

function empty(directory: string): void {
  for (const { name } of Deno.readDirSync(directory)) {
    Deno.removeSync(`${directory}/${name}`, { recursive: true });
  }
}

/** Uses up the blocks and the inodes of a disk. */
function fill(path: string): void {
  try {
    for (let n = 0;; n++) {
      Deno.writeFileSync(`${path}/filling-${n}.txt`, new Uint8Array(4096));
    }
  } catch {
    // It is full.
  }
}

for (const limits of ["size=64k", "size=1m,nr_inodes=20"]) {
  testOnDisk(
    `a disk that is full (${limits}) is cleaned, by a process that begins with that`,
    async () => {
      using disk = new SmallDisk(limits);
      {
        using store = new DirectorySessionStore(disk.path);
        for (let n = 0; n < 5; n++) {
          await store.save(
            `session-number-${n}`,
            recordOf({}, { expiresAt: 1 }),
          );
        }
        await store.save(ID, recordOf({}, { ...ANN, idleTimeout: HOUR }));
        await store.save(OTHER_ID, recordOf({}, { expiresAt: 1, user: "bob" }));
      }
      Deno.removeSync(`${disk.path}/.users`, { recursive: true });
      fill(disk.path);
      await assertRejects(
        () => new DirectorySessionStore(disk.path).check(),
        SessionStoreError,
        "No space left on device",
      );
      for (const flag of ["--dry-run", "--json"]) {
        const args = ["cleanup", disk.path, "--minutes=30", "--json", flag];
        const { code, stdout, stderr } = await spawn("mod.ts", args, {
          paths: [disk.path],
        }).end();
        assertEquals(code, 0, stderr);
        const { deleted, remaining, skipped } = JSON.parse(stdout);
        assertEquals([deleted, remaining, skipped], [6, 1, undefined]);
      }
      const left = [...Deno.readDirSync(disk.path)].map(({ name }) => name)
        .filter((name) => !name.startsWith("filling-") && name !== ".users");
      assertEquals(left.sort(), [".latchkey", ID].sort());
    },
  );
}

testOnDisk(
  "when another volume is mounted over the directory, what would take a session for missing or begin one throws, a revocation too, until the first is back",
  async () => {
    using disk = new SmallDisk("size=1m");
    const directory = `${disk.path}/sessions`;
    using store = new DirectorySessionStore(directory, { create: true });
    const manager = new SessionManager({ store });
    await store.save(ID, recordOf({}, { ...ANN, idleTimeout: HOUR }));
    for (const isMarked of [false, true]) {
      using _over = disk.mountOver("sessions");
      if (isMarked) {
        using other = new DirectorySessionStore(directory);
        await other.save(OTHER_ID, recordOf());
      }
      const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
      const changes = ["touch", "update", "delete", "save", "create"] as const;
      for (const name of changes) {
        await assertRejects(
          () => callStore(name, { store, record: recordOf() }),
          SessionDirectoryError,
          "another volume is there than when it was opened",
          name,
        );
      }
      const revoke = () => manager.revokeUser("ann");
      await assertRejects(revoke, SessionDirectoryError, "another volume");
      const mark = revocationId("ann");
      for (const name of ["save", "create"] as const) {
        const call = { store, id: mark, record: recordOf() };
        await assertRejects(() => callStore(name, call), SessionDirectoryError);
      }
      assertEquals(await store.load(ID), undefined);
      const now = [...Deno.readDirSync(directory)].map(({ name }) => name);
      assertEquals(now, names, "nothing was written to the wrong volume");
    }
    assertEquals((await store.load(ID))?.user, "ann");
    assertEquals(await manager.revokeUser("ann"), 1);
    assertEquals(await store.delete(ID), false);
  },
);

testOnDisk(
  "while another volume is mounted over the directory a logout fails, and the session is there when the first is back",
  async () => {
    using disk = new SmallDisk("size=1m");
    const directory = `${disk.path}/sessions`;
    using store = new DirectorySessionStore(directory, { create: true });
    const manager = new SessionManager<{ n: number }>({ store });
    const visit = (
      act: (session: Session<{ n: number }>) => void,
      cookie = "",
    ) =>
      manager.run(
        new Request("http://localhost/", { headers: { cookie } }),
        (session) => {
          act(session);
          return new Response(session.user);
        },
      );
    const begun = await visit((session) => session.setUser("ann"));
    const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
    for (const isMarked of [false, true]) {
      using _over = disk.mountOver("sessions");
      if (isMarked) {
        using other = new DirectorySessionStore(directory);
        await other.save(OTHER_ID, recordOf());
      }
      const read = await visit((session) => session.get("n"), cookie);
      assertEquals([await read.text(), read.headers.getSetCookie()], ["", []]);
      for (
        const act of [
          (session: Session<{ n: number }>) => session.destroy(),
          (session: Session<{ n: number }>) => session.setUser("bob"),
        ]
      ) {
        await assertRejects(() => visit(act, cookie), SessionDirectoryError);
      }
    }
    const back = await visit(() => {}, cookie);
    assertEquals(await back.text(), "ann");
    await visit((session) => session.destroy(), cookie);
    assertEquals(await Array.fromAsync(store.entries()), []);
  },
);

Deno.test("a directory that is emptied under a running server is marked again, and serving goes on", async () => {
  using directory = new TemporaryDirectory();
  using store = new DirectorySessionStore(directory.path);
  const operations: (() => Promise<unknown>)[] = [
    () => store.delete(ID),
    () => store.touch(ID),
    () => store.update(ID, (record) => record),
    () => store.save(OTHER_ID, recordOf({}, ANN)),
    () => store.save(OTHER_ID, recordOf()),
    () => store.create(OTHER_ID, recordOf()),
    () => store.deleteOldSessions(30),
    () => store.check(),
  ];
  for (const [n, operate] of operations.entries()) {
    await store.save(ID, recordOf({}, ANN));
    store[Symbol.dispose]();
    if (n % 2) empty(directory.path);
    else {
      Deno.removeSync(directory.path, { recursive: true });
      Deno.mkdirSync(directory.path, { mode: 0o700 });
    }
    await operate();
    assert(directory.list().includes(".latchkey"), `${n}`);
    await store.save(ID, recordOf({}, ANN));
    const found = await Array.fromAsync(store.entries(ANN));
    assert(found.some(([id]) => id === ID), `${n}`);
  }
});

Deno.test("a directory that was replaced by one that will not do is refused, and not marked", async () => {
  using directory = new TemporaryDirectory();
  using store = new DirectorySessionStore(directory.path);
  await store.save(ID, recordOf());
  store[Symbol.dispose]();
  empty(directory.path);
  Deno.chmodSync(directory.path, 0o777);
  await assertRejects(
    () => store.delete(ID),
    SessionDirectoryError,
    "others than its owner may write it",
  );
  Deno.chmodSync(directory.path, 0o700);
  const { stat } = Deno;
  const { uid } = await stat(directory.path);
  const real = Deno.statSync;
  using _other = replaceSystem({
    stat: (path) => ({ ...real(path), uid: uid! + 1 }),
  });
  await assertRejects(
    () => store.delete(ID),
    SessionDirectoryError,
    `it belonged to uid ${uid} when it was opened, and now to uid ${uid! + 1}`,
  );
  assertEquals(directory.list(), []);
});

Deno.test("a directory that is moved aside and back brings its sessions back", async () => {
  using place = new TemporaryDirectory();
  const directory = place.join("sessions");
  using store = new DirectorySessionStore(directory, { create: true });
  await store.save(ID, recordOf());
  Deno.renameSync(directory, place.join("aside"));
  Deno.mkdirSync(directory, { mode: 0o700 });
  // The absence is true of the directory that is there now.
  assertEquals(await store.delete(ID), false);
  Deno.removeSync(directory, { recursive: true });
  Deno.renameSync(place.join("aside"), directory);
  assertEquals(await store.load(ID), recordOf());
});

testOnDisk(
  "check() says which of read and write fails, each time anew",
  async () => {
    using disk = new SmallDisk("size=64k");
    const directory = `${disk.path}/sessions`;
    using store = new DirectorySessionStore(directory, { create: true });
    const fails = async (operation: "read" | "write", text: string) => {
      const error = await assertRejects(
        () => store.check(),
        SessionStoreError,
        text,
      );
      assertEquals(error.operation, operation);
    };
    await store.check();
    await store.check();
    disk.remount("ro");
    await fails("write", "Read-only file system");
    disk.remount("rw");
    await store.check();
    fill(disk.path);
    await fails("write", "No space left on device");
    empty(disk.path);
    await fails("read", "it was removed or replaced since it was opened");
    Deno.mkdirSync(directory, { mode: 0o777 });
    Deno.chmodSync(directory, 0o777);
    await fails("read", "others than its owner may write it");
    Deno.chmodSync(directory, 0o700);
    await store.check();
    {
      using _over = disk.mountOver("sessions");
      await fails("write", "another volume is there");
    }
    await store.check();
  },
);

Deno.test("check() makes one file and removes it; calls at the same moment share it", async () => {
  using directory = new TemporaryDirectory();
  using store = new DirectorySessionStore(directory.path);
  await store.setup();
  using recorded = recordSystem(directory.path);
  await Promise.all([store.check(), store.check(), store.check()]);
  const one = recorded.take();
  assertEquals(one.filter((call) => call === "write temporary").length, 1);
  assertEquals(one.filter((call) => call === "remove temporary").length, 1);
  await store.check();
  assertEquals(recorded.take(), one, "it is tried anew");
  assertEquals(directory.list(), [".latchkey"]);
  const reason = new Error("no longer wanted");
  const signal = AbortSignal.abort(reason);
  const aborted = await assertRejects(() => store.check({ signal }));
  assertStrictEquals(aborted, reason);
});
