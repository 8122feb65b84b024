import { assertEquals } from "@std/assert";
import { EXPORTS, readExports } from "./exports.ts";

Deno.test("mod.ts exports what tests/exports.txt says; deno task exports writes it anew, for review", async () => {
  assertEquals(await readExports(), Deno.readTextFileSync(EXPORTS));
});
