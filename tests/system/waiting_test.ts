import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import { AGAIN, retryCall, retryUntilFree } from "../../src/system/waiting.ts";
import { system } from "../../src/system/system.ts";
import { fakeWaiting } from "../replaced_system.ts";

const OPTIONS = { path: "sessions/x", timeout: 5_000, signal: undefined };

Deno.test("retryUntilFree() returns the step's result without waiting", async () => {
  using clock = fakeWaiting();
  for (const result of [undefined, false, 0, "", { a: 1 }]) {
    assertStrictEquals(await retryUntilFree(() => result, OPTIONS), result);
  }
  assertEquals(clock.waits, []);
});

Deno.test("retryUntilFree() takes its first step before it returns", () => {
  let steps = 0;
  const promise = retryUntilFree(() => ++steps, OPTIONS);
  assertEquals(steps, 1);
  return promise.then((result) => assertEquals(result, 1));
});

Deno.test("retryUntilFree() tries at once, twice after a pause, then waits before each try", async () => {
  for (const tries of [1, 2, 3, 4, 6]) {
    using clock = fakeWaiting();
    let steps = 0;
    await retryUntilFree(() => ++steps < tries ? AGAIN : true, OPTIONS);
    assertEquals(steps, tries);
    assertEquals(clock.pauses, Math.min(tries - 1, 2));
    assertEquals(clock.waits.length, tries - 1 - clock.pauses);
  }
});

Deno.test("retryUntilFree() takes no step when it was aborted in a pause", async () => {
  using _clock = fakeWaiting();
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  let steps = 0;
  const step = () => {
    steps++;
    queueMicrotask(() => controller.abort(reason));
    return AGAIN;
  };
  const waitOptions = { ...OPTIONS, signal: controller.signal };
  const thrown = await assertRejects(() => retryUntilFree(step, waitOptions));
  assertStrictEquals(thrown, reason);
  assertEquals(steps, 1);
});

Deno.test("retryUntilFree() waits random times that grow to 8 ms", async () => {
  using clock = fakeWaiting();
  const rounds = 200;
  const longest: number[] = [];
  for (let round = 0; round < rounds; round++) {
    let steps = 0;
    await retryUntilFree(() => ++steps < 13 ? AGAIN : true, OPTIONS);
    for (const [at, wait] of clock.take().entries()) {
      longest[at] = Math.max(longest[at] ?? 0, wait);
      assert(wait >= 0);
    }
  }
  assertEquals(longest.length, 10);
  for (const [at, wait] of longest.entries()) {
    const most = Math.min(2 ** at, 8);
    // Of 200 products of two draws none in the upper half: once in 10 ** 14.
    assert(wait <= most && wait > most / 2, `wait ${at}: ${wait} of ${most}`);
  }
});

Deno.test("retryUntilFree() gives up when the timeout has passed, not before", async () => {
  using clock = fakeWaiting();
  let steps = 0;
  const step = () => {
    steps++;
    return AGAIN;
  };
  const error = await assertRejects(
    () => retryUntilFree(step, OPTIONS),
    SessionLockTimeoutError,
    "Cannot lock sessions/x: still held elsewhere after 5000 ms",
  );
  assertEquals(error.timeout, 5_000);
  const waited = clock.waits.reduce((sum, wait) => sum + wait);
  assert(Math.abs(waited - 5_000) < 1e-6, `${waited}`);
  // It has looked again after the last wait.
  assertEquals(steps, clock.pauses + clock.waits.length + 1);
});

Deno.test("retryUntilFree() with a timeout of 0 tries once", async () => {
  using clock = fakeWaiting();
  const waitOptions = { ...OPTIONS, timeout: 0 };
  await assertRejects(() => retryUntilFree(() => AGAIN, waitOptions));
  assertEquals(clock.waits, []);
  assertEquals(await retryUntilFree(() => 1, waitOptions), 1);
});

Deno.test("retryUntilFree() with Infinity never gives up", async () => {
  using _clock = fakeWaiting();
  const waitOptions = { ...OPTIONS, timeout: Infinity };
  let steps = 0;
  const result = await retryUntilFree(
    () => ++steps < 10_000 ? AGAIN : steps,
    waitOptions,
  );
  assertEquals(result, 10_000);
});

Deno.test("retryUntilFree() takes no step when the signal is aborted", async () => {
  const reason = new Error("no longer wanted");
  const signal = AbortSignal.abort(reason);
  let steps = 0;
  const thrown = await assertRejects(() =>
    retryUntilFree(() => ++steps, { ...OPTIONS, signal })
  );
  assertStrictEquals(thrown, reason);
  assertEquals(steps, 0);
});

Deno.test("retryUntilFree() stops waiting when the signal is aborted", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error("no longer wanted");
  let steps = 0;
  const waiting = retryUntilFree(() => {
    if (++steps === 5) queueMicrotask(() => controller.abort(reason));
    return AGAIN;
  }, { ...OPTIONS, timeout: Infinity, signal });
  assertStrictEquals(await assertRejects(() => waiting), reason);
  assertEquals(steps, 5);
});

Deno.test("retryUntilFree() throws what the step throws", async () => {
  const error = new Error("thrown by the step");
  const thrown = await assertRejects(() =>
    retryUntilFree(() => {
      throw error;
    }, OPTIONS)
  );
  assertStrictEquals(thrown, error);
});

/** Stops the clock, but for the time that is waited. */
function stopTime(): Disposable & { waited: number } {
  const { monotonic, wait } = system;
  const clock = {
    waited: 0,
    [Symbol.dispose]: () => void Object.assign(system, { monotonic, wait }),
  };
  system.monotonic = () => clock.waited;
  system.wait = (ms) => {
    clock.waited += ms;
    return Promise.resolve();
  };
  return clock;
}

class Held extends Error {}

const held = () => Promise.reject(new Held("another process writes"));
const isHeld = (error: unknown) => error instanceof Held;

Deno.test("retryCall() calls again while another process holds the engine", async () => {
  using _clock = stopTime();
  let calls = 0;
  const call = () => ++calls < 10 ? held() : Promise.resolve("done");
  assertEquals(await retryCall(call, isHeld), "done");
  assertEquals(calls, 10);
});

Deno.test("retryCall() gives up after five seconds, with the original error", async () => {
  using clock = stopTime();
  await assertRejects(
    () => retryCall(held, isHeld),
    Held,
    "another process writes",
  );
  assertEquals(Math.round(clock.waited / 1000), 5);
});

Deno.test("retryCall() throws every other error at once", async () => {
  using clock = stopTime();
  const error = new Error("closed");
  const thrown = await assertRejects(() =>
    retryCall(() => Promise.reject(error), isHeld)
  );
  assertEquals(thrown, error);
  assertEquals(clock.waited, 0);
});
