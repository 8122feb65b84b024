/** What a store is told to call with its problems may fail itself. */

import { assertEquals } from "@std/assert";
import { Warnings } from "../../src/core/warnings.ts";
import { ReplacedConsole } from "../manager/replaced_console.ts";

const ERROR = new Error("no log");

for (
  const [how, fail] of [
    ["throws", () => {
      throw ERROR;
    }],
    ["rejects", () => Promise.reject(ERROR)],
  ] as const
) {
  Deno.test(`Warnings.tell() goes on when onWarning ${how}`, async () => {
    using errors = new ReplacedConsole("error");
    const warnings = new Warnings(fail);
    warnings.tell({ type: "setup", message: "it is full" });
    await Promise.resolve();
    await Promise.resolve();
    assertEquals(errors.calls, [
      ['onWarning failed at "it is full":', ERROR],
    ]);
  });
}
