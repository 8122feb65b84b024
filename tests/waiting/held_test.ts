/** 200 flows wait for a session that another process holds. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { system } from "../../src/system/system.ts";
import {
  DirectorySessionStore,
  type DirectorySessionStoreOptions,
} from "../../src/directory/directory_store.ts";
import { replaceSystem } from "../replaced_system.ts";
import { type Client, startProcess } from "../directory/clients.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const FLOWS = 200;
const READS = 2_000;

/** A directory with two sessions, one of them held by another process. */
class Scene implements AsyncDisposable {
  readonly directory: TemporaryDirectory;
  readonly holder: Client;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    directory: TemporaryDirectory,
    holder: Client,
    stack: AsyncDisposableStack,
  ) {
    this.directory = directory;
    this.holder = holder;
    this.#stack = stack;
  }

  static async open(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(new TemporaryDirectory());
    const store = new DirectorySessionStore(directory.path);
    await store.save(ID, recordOf({ n: 0 }));
    await store.save(OTHER_ID, recordOf({ n: 0 }));
    const path = directory.join(ID);
    const holder = stack.use(await startProcess({ act: "hold", path }));
    return new Scene(directory, holder, stack.move());
  }

  openStore(options: DirectorySessionStoreOptions): DirectorySessionStore {
    return new DirectorySessionStore(this.directory.path, options);
  }

  /** Checks the number of updates that were made, and that no other file is left. */
  async assertUpdates(count: number): Promise<void> {
    const store = this.openStore({ lockTimeout: 0 });
    assertEquals((await store.load(ID))?.data, { n: count });
    assertEquals(this.directory.list(), [".latchkey", ID, OTHER_ID].sort());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.holder.kill();
    await this.#stack.disposeAsync();
  }
}

function count(record: SessionRecord): SessionRecord {
  return recordOf({ n: Number(record.data.n) + 1 });
}

/** Flows that update the held session, and their results. */
class Flows {
  readonly #ends: Promise<PromiseSettledResult<unknown>[]>;
  /** The numbers of the flows whose update was made, in that order. */
  readonly done: number[] = [];

  constructor(store: DirectorySessionStore, signal?: AbortSignal) {
    this.#ends = Promise.allSettled(
      Array.from({ length: FLOWS }, async (_, number) => {
        await store.update(ID, count, { signal });
        this.done.push(number);
      }),
    );
  }

  /** The errors of all flows; `undefined` for a flow whose update was made. */
  async errors(): Promise<unknown[]> {
    return (await this.#ends).map((end) =>
      end.status === "rejected" ? end.reason : undefined
    );
  }
}

/** Reads another session, and another file, and returns how long each took. */
async function measureReads(scene: Scene): Promise<string> {
  const store = scene.openStore({ lockTimeout: 0 });
  const path = scene.directory.join(OTHER_ID);
  const ofSessions: number[] = [];
  const ofFiles: number[] = [];
  for (let read = 0; read < READS; read++) {
    const begin = performance.now();
    await new Promise(setImmediate);
    assert(await store.load(OTHER_ID) !== undefined);
    const middle = performance.now();
    await Deno.readFile(path);
    ofSessions.push(middle - begin);
    ofFiles.push(performance.now() - middle);
  }
  return `${medianOf(ofSessions)} ms a session, ${medianOf(ofFiles)} ms a file`;
}

function medianOf(numbers: number[]): string {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!.toFixed(3);
}

Deno.test("while 200 flows wait for a session, reads of other sessions do not wait", async () => {
  await using scene = await Scene.open();
  const before = await measureReads(scene);
  const store = scene.openStore({ lockTimeout: Infinity });
  const flows = new Flows(store);
  const during = await measureReads(scene);
  // Enough at once to fill a pool of threads, if a wait blocked one.
  const path = scene.directory.join(OTHER_ID);
  await Promise.all(Array.from({ length: FLOWS }, () => Deno.readFile(path)));
  assertEquals(flows.done, [], "a flow has not waited");

  await scene.holder.kill();
  await flows.errors();
  assertEquals(flows.done.length, FLOWS);
  console.log(`median of ${READS} reads before: ${before}`);
  console.log(`while ${FLOWS} flows wait:     ${during}`);
});

Deno.test("of 200 flows that wait, only the first in the line tries the lock", async () => {
  await using scene = await Scene.open();
  const store = scene.openStore({ lockTimeout: 60_000 });
  await store.setup();
  const waits: number[] = [];
  let pauses = 0;
  const { wait, pause } = system;
  using _replaced = replaceSystem({
    wait: (ms, signal) => {
      waits.push(ms);
      return wait(ms, signal);
    },
    pause: () => {
      pauses++;
      return pause();
    },
  });
  const flows = new Flows(store);
  assertEquals(waits.length, FLOWS - 1);
  assertEquals(waits.filter((ms) => ms < 1_000), []);
  assertEquals(pauses, 1);
  await scene.holder.kill();
  await flows.errors();
});

Deno.test("when the holder is killed, all 200 flows update the session, in the order in which they came", async () => {
  await using scene = await Scene.open();
  const flows = new Flows(scene.openStore({ lockTimeout: Infinity }));
  await scene.holder.kill();
  assertEquals((await flows.errors()).filter((error) => error), []);
  assertEquals(flows.done, Array.from({ length: FLOWS }, (_, n) => n));
  await scene.assertUpdates(FLOWS);
});

Deno.test("200 flows give up at their timeout", async () => {
  await using scene = await Scene.open();
  const flows = new Flows(scene.openStore({ lockTimeout: 200 }));
  for (const error of await flows.errors()) {
    assert(error instanceof SessionLockTimeoutError);
    assertEquals(error.timeout, 200);
  }
  await scene.holder.kill();
  await scene.assertUpdates(0);
});

Deno.test("200 flows stop waiting when their signal is aborted", async () => {
  await using scene = await Scene.open();
  const controller = new AbortController();
  const { signal } = controller;
  const flows = new Flows(scene.openStore({ lockTimeout: Infinity }), signal);
  const reason = new Error("no longer wanted");
  controller.abort(reason);
  for (const error of await flows.errors()) assertStrictEquals(error, reason);
  await scene.holder.kill();
  await scene.assertUpdates(0);
});

Deno.test("a flow with a shorter timeout than others in the line gives up alone", async () => {
  await using scene = await Scene.open();
  const patient = new Flows(scene.openStore({ lockTimeout: Infinity }));
  const hasty = new Flows(scene.openStore({ lockTimeout: 50 }));
  for (const error of await hasty.errors()) {
    assert(error instanceof SessionLockTimeoutError);
  }
  assertEquals(patient.done, []);
  await scene.holder.kill();
  assertEquals((await patient.errors()).filter((error) => error), []);
  await scene.assertUpdates(FLOWS);
});

Deno.test("when the first in the line stops waiting, the next one tries the lock", async () => {
  await using scene = await Scene.open();
  const controller = new AbortController();
  const { signal } = controller;
  const store = scene.openStore({ lockTimeout: Infinity });
  const first = new Flows(store, signal);
  const others = new Flows(store);
  const last = new Flows(store, signal);
  const reason = new Error("no longer wanted");
  controller.abort(reason);
  for (const flows of [first, last]) {
    for (const error of await flows.errors()) assertStrictEquals(error, reason);
  }
  assertEquals(others.done, []);
  await scene.holder.kill();
  assertEquals((await others.errors()).filter((error) => error), []);
  await scene.assertUpdates(FLOWS);
});

Deno.test("200 waiters leave no listener on the signal that they share", async () => {
  await using scene = await Scene.open();
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  const allWait = Promise.withResolvers<void>();
  let most = 0;
  signal.addEventListener = (_type: string, listener: unknown) => {
    listeners.add(listener);
    most = Math.max(most, listeners.size);
    if (listeners.size === FLOWS) allWait.resolve();
  };
  signal.removeEventListener = (_type: string, listener: unknown) => {
    listeners.delete(listener);
  };
  const flows = new Flows(scene.openStore({ lockTimeout: 60_000 }), signal);
  // The first in line looks again before it listens. If the holder ended before
  // that, it would come through without a wait.
  await Promise.race([allWait.promise, flows.errors()]);
  await scene.holder.kill();
  assertEquals((await flows.errors()).filter((error) => error), []);
  assertEquals(listeners.size, 0);
  assertEquals(most, FLOWS);
});
