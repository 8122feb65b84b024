import { assertEquals } from "@std/assert";
import { ProgressLine } from "../../src/cli/terminal.ts";

class Screen {
  text = "";
  readonly #isTerminal: boolean;

  constructor(isTerminal: boolean) {
    this.#isTerminal = isTerminal;
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** Takes a few bytes at a time, as a terminal may. */
  writeSync(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, 7);
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }
}

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
