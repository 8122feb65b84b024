/** Cleanups from time to time; those of several processes are in tests/engines. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { CleanupOptions, CleanupResult } from "../../src/core/store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { cleanUpEvery } from "../../src/manager/clean_up_every.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { spawn } from "../spawn.ts";
import { ReplacedConsole } from "./replaced_console.ts";
import { ReplacedTimers } from "./replaced_timers.ts";
import { BEGIN } from "./set_up.ts";

const MINUTE = 60_000;
const DONE: CleanupResult = { deleted: 1, remaining: 2, orphans: 3 };
const FAILURE = new Error("the medium is away");

/** A store whose cleanups a test answers. */
class AnsweredStore {
  readonly calls: [minutes: number, options: CleanupOptions][] = [];
  answer: () => Promise<CleanupResult> = () => Promise.resolve(DONE);

  deleteOldSessions(
    minutes: number,
    options: CleanupOptions = {},
  ): Promise<CleanupResult> {
    this.calls.push([minutes, options]);
    return this.answer();
  }
}

Deno.test("cleanUpEvery() cleans up in the second half of each interval, and says what it did", async () => {
  using timers = new ReplacedTimers();
  let now = BEGIN;
  const store = new MemorySessionStore({ now: () => now });
  await store.save(ID, recordOf());
  await store.save(OTHER_ID, recordOf({}, { idleTimeout: 100 * MINUTE }));
  const results: unknown[] = [];
  using _cleanups = cleanUpEvery(store, MINUTE, {
    minutes: 30,
    grace: MINUTE,
    onResult: (result) => void results.push(result),
  });
  const waits = new Set<number>();
  for (const minutes of [30, 31, 99]) {
    now = BEGIN + minutes * MINUTE;
    const { ms, isReferenced } = await timers.end();
    assert(ms >= MINUTE / 2 && ms <= MINUTE, `${ms}`);
    assertEquals(isReferenced, false);
    waits.add(ms);
  }
  assertEquals(waits.size, 3);
  const counts = (deleted: number, remaining: number) => ({
    status: "fulfilled",
    value: { deleted, remaining, orphans: 0 },
  });
  assertEquals(results, [counts(0, 2), counts(1, 1), counts(0, 1)]);
});

Deno.test("cleanUpEvery() passes on its options, and by default keeps sessions without a lifetime", async () => {
  using timers = new ReplacedTimers();
  const store = new AnsweredStore();
  for (const options of [{}, { minutes: 5, grace: 0, maxSeconds: 7 }]) {
    using _cleanups = cleanUpEvery(store, MINUTE, options);
    await timers.end();
  }
  assertEquals(
    store.calls.map(([minutes, { grace, maxSeconds }]) => [
      minutes,
      grace,
      maxSeconds,
    ]),
    [[Infinity, 2 * MINUTE, undefined], [5, 0, 7]],
  );
});

Deno.test("cleanUpEvery() tells a failure, and tries again", async () => {
  using timers = new ReplacedTimers();
  using errors = new ReplacedConsole("error");
  const store = new AnsweredStore();
  const results: PromiseSettledResult<CleanupResult>[] = [];
  {
    using _cleanups = cleanUpEvery(store, MINUTE, {
      onResult: (result) => {
        results.push(result);
        throw FAILURE;
      },
    });
    store.answer = () => Promise.reject(FAILURE);
    await timers.end();
    store.answer = () => Promise.resolve(DONE);
    await timers.end();
  }
  assertEquals(results, [
    { status: "rejected", reason: FAILURE },
    { status: "fulfilled", value: DONE },
  ]);
  using _cleanups = cleanUpEvery(store, MINUTE);
  store.answer = () => Promise.reject(FAILURE);
  await timers.end();
  await timers.end();
  const ours = "onResult of cleanUpEvery failed:";
  const default_ = "Cannot clean up sessions:";
  assertEquals(
    errors.calls,
    [ours, ours, default_, default_].map((text) => [text, FAILURE]),
  );
});

Deno.test("cleanUpEvery() cleans up though its tracer and its meter throw", async () => {
  using timers = new ReplacedTimers();
  using errors = new ReplacedConsole("error");
  const fail = (): never => {
    throw FAILURE;
  };
  const store = new AnsweredStore();
  const results: PromiseSettledResult<CleanupResult>[] = [];
  using _cleanups = cleanUpEvery(store, MINUTE, {
    tracer: { startActiveSpan: fail },
    meter: { createHistogram: fail },
    onResult: (result) => results.push(result),
  });
  await timers.end();
  await timers.end();
  assertEquals(results.map(({ status }) => status), Array(2).fill("fulfilled"));
  assertEquals(errors.calls.length, 4);
});

for (const by of ["disposing", "its signal"]) {
  Deno.test(`cleanUpEvery() ends by ${by}, also while it cleans`, async () => {
    using timers = new ReplacedTimers();
    const store = new AnsweredStore();
    let told = 0;
    const begin = () => {
      const controller = new AbortController();
      const { signal } = controller;
      const onResult = () => void told++;
      const cleanups = cleanUpEvery(store, MINUTE, { signal, onResult });
      return by === "disposing"
        ? () => cleanups[Symbol.dispose]()
        : () => controller.abort();
    };
    begin()();
    assertEquals(timers.waiting.size, 0);

    const end = begin();
    // As the contract says: an aborted signal ends the work with its reason.
    store.answer = () =>
      new Promise((_, reject) => {
        const { signal } = store.calls[0]![1];
        signal!.onabort = () => reject(signal!.reason);
      });
    const ending = timers.end();
    end();
    await ending;
    assertEquals([timers.waiting.size, told], [0, 0]);
  });
}

Deno.test("cleanUpEvery() with a signal that is aborted does nothing", () => {
  using timers = new ReplacedTimers();
  const store = new MemorySessionStore();
  using _cleanups = cleanUpEvery(store, 1, { signal: AbortSignal.abort() });
  assertEquals(timers.waiting.size, 0);
});

Deno.test("cleanUpEvery() cleans a store once at a time in a process, however long it takes", async () => {
  using timers = new ReplacedTimers();
  const store = new AnsweredStore();
  const { promise, resolve } = Promise.withResolvers<CleanupResult>();
  store.answer = () => promise;
  using _slow = cleanUpEvery(store, MINUTE);
  const slow = timers.end();
  assertEquals(timers.waiting.size, 0);

  const told: string[] = [];
  using _other = cleanUpEvery(store, MINUTE, {
    onResult: (result) => void told.push(JSON.stringify(result)),
    onOperation: ({ name, outcome }) => void told.push(`${name}: ${outcome}`),
  });
  await timers.end();
  assertEquals(store.calls.length, 1);
  assertEquals(told[0], "cleanup: busy");
  assert(told[1]!.includes(`"isBusy":true`));
  resolve(DONE);
  await slow;
  assertEquals(timers.waiting.size, 2);
});

Deno.test("onOperation is told of cleanups", async () => {
  using timers = new ReplacedTimers();
  const store = new AnsweredStore();
  const told: string[] = [];
  using _cleanups = cleanUpEvery(store, MINUTE, {
    onResult: () => {},
    onOperation: ({ name, outcome }) => void told.push(`${name}: ${outcome}`),
  });
  const answers = [
    () => Promise.resolve(DONE),
    () => Promise.resolve({ ...DONE, isPartial: true } as const),
    () => Promise.resolve({ ...DONE, isBusy: true } as const),
    () => Promise.reject(FAILURE),
  ];
  for (const answer of answers) {
    store.answer = answer;
    await timers.end();
  }
  assertEquals(
    told,
    ["done", "partial", "busy", "error"].map((outcome) =>
      `cleanup: ${outcome}`
    ),
  );
});

Deno.test("cleanUpEvery() refuses what is not a number within bounds", () => {
  const store = new MemorySessionStore();
  for (const ms of [0, -1, NaN, 2 ** 31]) {
    assertThrows(() => cleanUpEvery(store, ms), RangeError, "ms is not");
  }
  const text = "1" as unknown as number;
  assertThrows(() => cleanUpEvery(store, text), TypeError, "ms is not");
  for (const name of ["minutes", "grace", "maxSeconds"]) {
    const options = { [name]: text };
    assertThrows(() => cleanUpEvery(store, 1, options), TypeError, name);
    const low = { [name]: -1 };
    assertThrows(() => cleanUpEvery(store, 1, low), RangeError, name);
  }
});

Deno.test("cleanUpEvery() keeps no process running", async () => {
  await using child = spawn("tests/manager/clean_up_script.ts", []);
  const { code, stdout, stderr } = await child.end();
  assertEquals([code, stdout, stderr], [0, "ended\n", ""]);
});
