import { assertEquals } from "@std/assert";
import { ProgressLine } from "../../src/cli/terminal.ts";
import { Screen } from "./screen.ts";

const SO_FAR = "12 sessions seen, 3 old";

Deno.test("ProgressLine shows a text, and erases it at the end", () => {
  const screen = new Screen(true);
  {
    using line = new ProgressLine(screen);
    line.show(SO_FAR);
  }
  assertEquals(screen.text, "\r\x1b[K12 sessions seen, 3 old\r\x1b[K");
});

Deno.test("ProgressLine.show() writes at most ten times a second", () => {
  const screen = new Screen(true);
  let now = 5;
  const line = new ProgressLine(screen, () => now);
  for (; now < 305; now++) line.show(SO_FAR);
  assertEquals(screen.text.match(/seen/g)?.length, 3);
});

Deno.test("ProgressLine erases nothing when it showed nothing", () => {
  const screen = new Screen(true);
  new ProgressLine(screen)[Symbol.dispose]();
  assertEquals(screen.text, "");
});

Deno.test("ProgressLine writes nothing when the output is not a terminal", () => {
  const screen = new Screen(false);
  {
    using line = new ProgressLine(screen);
    line.show(SO_FAR);
  }
  assertEquals(screen.text, "");
});
