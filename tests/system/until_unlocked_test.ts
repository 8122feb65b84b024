import { assertEquals, assertRejects } from "@std/assert";
import { system } from "../../src/system/system.ts";
import { untilUnlocked } from "../../src/system/waiting.ts";

/** Lets no time go by but what is waited. */
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

const locked = () => Promise.reject(new TypeError("database is locked"));

Deno.test("untilUnlocked() calls again while the database is locked", async () => {
  using _clock = stopTime();
  let calls = 0;
  const call = () => ++calls < 10 ? locked() : Promise.resolve("done");
  assertEquals(await untilUnlocked(call), "done");
  assertEquals(calls, 10);
});

Deno.test("untilUnlocked() gives up after five seconds, with the original error", async () => {
  using clock = stopTime();
  await assertRejects(
    () => untilUnlocked(locked),
    TypeError,
    "database is locked",
  );
  assertEquals(Math.round(clock.waited / 1000), 5);
});

Deno.test("untilUnlocked() passes every other error on at once", async () => {
  using clock = stopTime();
  for (
    const error of [new Error("database is lockable"), new TypeError("closed")]
  ) {
    const thrown = await assertRejects(() =>
      untilUnlocked(() => Promise.reject(error))
    );
    assertEquals(thrown, error);
  }
  assertEquals(clock.waited, 0);
});
