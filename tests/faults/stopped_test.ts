/**
 * A process that is stopped (SIGSTOP) in the middle of an update, while it holds
 * the session's lock: right before the rename.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, OTHER_ID } from "../constants.ts";
import {
  callStore,
  STORE_OPERATIONS,
  type StoreOperationName,
} from "../operations.ts";
import { fakeWaiting } from "../replaced_system.ts";
import type { Child } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { goOn } from "./aftermath.ts";
import { layOut } from "./directory_state.ts";
import { replaceEveryCall } from "./every_call.ts";
import { type Scene, SCENES, sessionOf } from "./scenes.ts";
import { startDeath } from "./death_script.ts";

const INDEX = SCENES.findIndex(({ title }) => title === "an update");
const UPDATE: Scene = SCENES[INDEX]!;

/** Counts the calls of an update up to its rename. */
async function findRename(): Promise<number> {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  layOut(directory.path, UPDATE);
  const names: string[] = [];
  using _calls = replaceEveryCall((call) => {
    names.push(call.name);
    return call.make();
  });
  await UPDATE.run(store);
  return names.indexOf("rename") + 1;
}

/** A stopped process that holds the lock of a session. */
class StoppedProcess implements AsyncDisposable {
  readonly place: TemporaryDirectory = new TemporaryDirectory();
  readonly directory: string = this.place.join("sessions");
  readonly store: DirectorySessionStore;
  #child: Child | undefined;

  constructor() {
    Deno.mkdirSync(this.directory, { mode: 0o700 });
    this.store = new DirectorySessionStore(this.directory);
  }

  /** Starts it, and waits until it has the lock and is stopped. */
  async stop(): Promise<void> {
    await this.store.setup();
    layOut(this.directory, UPDATE);
    await this.store.save(OTHER_ID, sessionOf(3));
    const child = this.#child = startDeath({
      scene: INDEX,
      durability: "process",
      plays: [{ directory: this.directory, step: await findRename() }],
      how: "stop",
    }, this.place.path);
    await child.expectLine("stops");
  }

  /** Continues or kills it, and waits for its end. */
  async send(signal: "SIGCONT" | "SIGKILL"): Promise<string> {
    this.#child!.kill(signal);
    const { stdout } = await this.#child!.end();
    this.#child = undefined;
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== undefined) await this.send("SIGKILL");
    this.place[Symbol.dispose]();
  }
}

Deno.test("a process that is stopped in an update makes others wait for its session until their timeout, and for no other session", async () => {
  await using stopped = new StoppedProcess();
  const { store } = stopped;
  await stopped.stop();
  {
    using waiting = fakeWaiting();
    const change = () => sessionOf(4);
    const names = Object.keys(STORE_OPERATIONS) as StoreOperationName[];
    for (const name of [...names, "entries"] as const) {
      await assertRejects(
        () => callStore(name, { store, record: sessionOf(4), change }),
        SessionLockTimeoutError,
        undefined,
        name,
      );
      const waited = waiting.take().reduce((sum, ms) => sum + ms, 0);
      assertEquals(Math.round(waited), 5_000, name);
    }
    assertEquals(await store.load(OTHER_ID), sessionOf(3));
    assertEquals(await store.touch(OTHER_ID), true);
    // A locked session is in use, and is kept.
    const { deleted, remaining } = await store.deleteOldSessions(0);
    assertEquals([deleted, remaining], [0, 2]);
    assertEquals(waiting.take(), []);
  }
  const { answer } = JSON.parse(await stopped.send("SIGCONT"));
  assertEquals(answer, UPDATE.answer);
  assertEquals(await store.load(ID), sessionOf(2));
  await goOn(store, stopped.directory, 0);
});

for (
  const [signal, found] of [["SIGCONT", 2], ["SIGKILL", 1]] as const
) {
  Deno.test(
    `a process that waits for a stopped one gets the ${
      signal === "SIGKILL"
        ? "old record when that is killed"
        : "new record when that continues"
    }`,
    async () => {
      await using stopped = new StoppedProcess();
      const { store } = stopped;
      await stopped.stop();
      const seen: unknown[] = [];
      const waiting = store.update(ID, (record) => {
        seen.push(record.data.n);
        return sessionOf(4);
      });
      await stopped.send(signal);
      assertEquals(await waiting, sessionOf(4));
      assertEquals(seen, [found]);
      assert(await store.has(OTHER_ID));
      await goOn(store, stopped.directory, 0);
    },
  );
}
