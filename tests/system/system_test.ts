import { assertRejects, assertStrictEquals } from "@std/assert";
import { system } from "../../src/system/system.ts";

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
