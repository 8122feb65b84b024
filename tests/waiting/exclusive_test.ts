/** Exclusive requests of one session, in several processes. */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import { temporaryBirth } from "../../src/directory/layout.ts";
import type { IsolationLevel } from "../../src/manager/isolation.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, OTHER_ID, recordOf, SECRET, SECRET_HASH } from "../constants.ts";
import {
  runTogether,
  startProcess,
  startWorker,
} from "../directory/clients.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const TIMES = 50;

/** A directory with one session, whose `n` is 0. */
class Scene implements Disposable {
  readonly directory: TemporaryDirectory = new TemporaryDirectory();
  readonly store: DirectorySessionStore;
  readonly manager: SessionManager<{ n: number }>;
  cookie = "";

  constructor() {
    this.store = new DirectorySessionStore(this.directory.path);
    this.manager = new SessionManager({ store: this.store });
  }

  static async open(): Promise<Scene> {
    const scene = new Scene();
    scene.cookie = await scene.begin(ID);
    return scene;
  }

  /** Begins a session, and returns its cookie. */
  async begin(id: string): Promise<string> {
    await this.store.save(id, recordOf({ n: 0 }, { secretHash: SECRET_HASH }));
    return `latchkey=${id}${SECRET}`;
  }

  /** Adds 1 to the number that it has read. */
  async add(
    isolation: IsolationLevel,
    lockTimeout: number,
    cookie = this.cookie,
  ): Promise<void> {
    const request = new Request("http://localhost/", { headers: { cookie } });
    await this.manager.run(request, (session) => {
      session.set("n", session.get("n")! + 1);
      return new Response();
    }, { isolation, lockTimeout });
  }

  async read(): Promise<unknown> {
    return (await this.store.load(ID))?.data.n;
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

for (
  const [clients, starts] of [
    ["2 processes", [startProcess, startProcess]],
    ["processes and workers", [startProcess, startWorker, startWorker]],
  ] as const
) {
  Deno.test(`exclusive: ${clients} that read, then set, lose no update`, async () => {
    using scene = await Scene.open();
    const task = {
      act: "request",
      directory: scene.directory.path,
      cookie: scene.cookie,
      times: TIMES,
      isolation: "exclusive",
    } as const;
    const reports = await runTogether(
      starts.map((start) => [start, task] as const),
    );
    assertEquals(await scene.read(), TIMES * starts.length);
    const names = scene.directory.list()
      .filter((name) => temporaryBirth(name) === undefined);
    assertEquals(names, [".latchkey", ID]);
    console.log(`${clients}: ${JSON.stringify(reports)}`);
  });
}

Deno.test("strict: 2 processes that read, then set, have one conflict for each missing update", async () => {
  using scene = await Scene.open();
  const task = {
    act: "request",
    directory: scene.directory.path,
    cookie: scene.cookie,
    times: TIMES,
    isolation: "strict",
  } as const;
  const reports = await runTogether([
    [startProcess, task],
    [startProcess, task],
  ]);
  const failed = reports.reduce((sum, { failed }) => sum + Number(failed), 0);
  assertEquals(await scene.read(), 2 * TIMES - failed);
  console.log(`${failed} of ${2 * TIMES} requests failed with a conflict`);
});

Deno.test("exclusive: while another process holds a session, only exclusive requests of it wait", async () => {
  using scene = await Scene.open();
  const { directory, cookie } = scene;
  const other = await scene.begin(OTHER_ID);
  await using _holder = await startProcess({
    act: "stay",
    directory: directory.path,
    cookie,
  });
  const error = await assertRejects(
    () => scene.add("exclusive", 50),
    SessionLockTimeoutError,
  );
  assertEquals(error.timeout, 50);
  await scene.add("exclusive", 0, other);
  await scene.add("merge", 0);
  await scene.add("strict", 0);
  assertEquals(await scene.read(), 2);
  assertEquals((await scene.store.deleteOldSessions(30)).remaining, 2);
  assertEquals((await Array.fromAsync(scene.store.entries())).length, 2);
});

for (const start of [startProcess, startWorker]) {
  Deno.test(`exclusive: when the holder is killed, the next request begins (${start.name})`, async () => {
    using scene = await Scene.open();
    const { directory, cookie, manager } = scene;
    await using holder = await start({
      act: "stay",
      directory: directory.path,
      cookie,
    });
    const added = scene.add("exclusive", 60_000);
    let isOver = false;
    added.catch(() => {}).then(() => isOver = true);
    while (manager.counters.lockWaits === 0) {
      assertFalse(isOver, "the request did not wait");
      await new Promise(setImmediate);
    }
    assertEquals(await Promise.race([added, "waits"]), "waits");
    const killed = performance.now();
    await holder.kill();
    await added;
    console.log(`free ${(performance.now() - killed).toFixed(1)} ms later`);
    assertEquals(await scene.read(), 1);
    assert(await scene.store.has(ID));
  });
}
