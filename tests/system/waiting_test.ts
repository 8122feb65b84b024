import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { SessionLockTimeoutError } from "../../src/core/errors.ts";
import { AGAIN, retryUntilFree } from "../../src/system/waiting.ts";
import { system } from "../../src/system/system.ts";
import { fakeWaiting } from "../replaced_system.ts";

const PATIENCE = { path: "sessions/x", timeout: 5_000, signal: undefined };

Deno.test("retryUntilFree() gives the step's result without waiting", async () => {
  using clock = fakeWaiting();
  for (const result of [undefined, false, 0, "", { a: 1 }]) {
    assertStrictEquals(await retryUntilFree(() => result, PATIENCE), result);
  }
  assertEquals(clock.waits, []);
});

Deno.test("retryUntilFree() takes its first step before it returns", () => {
  let steps = 0;
  const promise = retryUntilFree(() => ++steps, PATIENCE);
  assertEquals(steps, 1);
  return promise.then((result) => assertEquals(result, 1));
});

Deno.test("retryUntilFree() tries at once, twice after a pause, then waits before each try", async () => {
  for (const tries of [1, 2, 3, 4, 6]) {
    using clock = fakeWaiting();
    let steps = 0;
    await retryUntilFree(() => ++steps < tries ? AGAIN : true, PATIENCE);
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
  const waitOptions = { ...PATIENCE, signal: controller.signal };
  const thrown = await assertRejects(() => retryUntilFree(step, waitOptions));
  assertStrictEquals(thrown, reason);
  assertEquals(steps, 1);
});

Deno.test("retryUntilFree() waits random whiles that grow to 8 ms", async () => {
  using clock = fakeWaiting();
  const rounds = 200;
  const longest: number[] = [];
  for (let round = 0; round < rounds; round++) {
    let steps = 0;
    await retryUntilFree(() => ++steps < 13 ? AGAIN : true, PATIENCE);
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

Deno.test("retryUntilFree() gives up when the time is over, not before", async () => {
  using clock = fakeWaiting();
  let steps = 0;
  const step = () => {
    steps++;
    return AGAIN;
  };
  const error = await assertRejects(
    () => retryUntilFree(step, PATIENCE),
    SessionLockTimeoutError,
    "Cannot lock sessions/x: still held elsewhere after 5000 ms",
  );
  assertEquals(error.timeout, 5_000);
  const waited = clock.waits.reduce((sum, wait) => sum + wait);
  assert(Math.abs(waited - 5_000) < 1e-6, `${waited}`);
  // It has looked again after the last wait.
  assertEquals(steps, clock.pauses + clock.waits.length + 1);
});

Deno.test("retryUntilFree() with no time tries, and does not wait", async () => {
  using clock = fakeWaiting();
  const waitOptions = { ...PATIENCE, timeout: 0 };
  await assertRejects(() => retryUntilFree(() => AGAIN, waitOptions));
  assertEquals(clock.waits, []);
  assertEquals(await retryUntilFree(() => 1, waitOptions), 1);
});

Deno.test("retryUntilFree() with Infinity never gives up", async () => {
  using _clock = fakeWaiting();
  const waitOptions = { ...PATIENCE, timeout: Infinity };
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
    retryUntilFree(() => ++steps, { ...PATIENCE, signal })
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
  }, { ...PATIENCE, timeout: Infinity, signal });
  assertStrictEquals(await assertRejects(() => waiting), reason);
  assertEquals(steps, 5);
});

Deno.test("retryUntilFree() passes on what the step throws", async () => {
  const error = new Error("thrown by the step");
  const thrown = await assertRejects(() =>
    retryUntilFree(() => {
      throw error;
    }, PATIENCE)
  );
  assertStrictEquals(thrown, error);
});

Deno.test("system.wait() resolves, and leaves no listener or timer", async () => {
  const controller = new AbortController();
  await system.wait(0, controller.signal);
  controller.abort();
  await system.wait(0, undefined);
});

Deno.test("system.wait() rejects with the reason, at once or later", async () => {
  const reason = new Error("no longer wanted");
  const hours = 1e8;
  const aborted = AbortSignal.abort(reason);
  assertStrictEquals(
    await assertRejects(() => system.wait(hours, aborted)),
    reason,
  );
  const controller = new AbortController();
  const waiting = system.wait(hours, controller.signal);
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => waiting), reason);
});
