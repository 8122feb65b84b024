import { assertEquals } from "@std/assert";
import {
  Console,
  hidePasswords,
  printable,
  reasonOf,
} from "../../src/cli/console.ts";
import { makeScreens } from "./screen.ts";

function makeConsole(isTerminal: boolean, now?: () => number) {
  const screens = makeScreens(isTerminal);
  return { ...screens, console: new Console(screens, now) };
}

Deno.test("printable() escapes what moves the cursor or turns the writing", () => {
  assertEquals(
    printable(
      "a\u001b[2J\r\n\u007f\u009b1m\u202eb\u2066\u2028\ufeff\ud800é日🍪",
    ),
    "a\\u001b[2J\\u000d\\u000a\\u007f\\u009b1m\\u202eb\\u2066\\u2028\\ufeff\\ud800é日🍪",
  );
  const hostile = JSON.stringify({ a: "\u{e0001}\u009b" });
  assertEquals(JSON.parse(printable(hostile)), JSON.parse(hostile));
});

Deno.test("hidePasswords() hides those of all URLs, whatever they hold", () => {
  for (
    const [text, shown] of [
      ["at redis://u:a@b:c/d@h:1/0 now", "at redis://u:***@h:1/0 now"],
      ["redis://:secret@h", "redis://:***@h"],
      ["postgres://u@h/d", "postgres://u@h/d"],
      ["redis://u@x:secret@h", "redis://u@x:***@h"],
      ["redis://u:a secret@h", "redis://u:***@h"],
      ["redis:u:secret@h", "redis:u:***@h"],
      ["redis:/u:secret@h", "redis:/u:***@h"],
      ["?x=1&password=secret&y=2", "?x=1&password=***&y=2"],
      ["a path: a:b", "a path: a:b"],
      [
        "npm:redis@^5.1.0: not npm:redis@4",
        "npm:redis@^5.1.0: not npm:redis@4",
      ],
    ] as const
  ) assertEquals(hidePasswords(text), shown);
});

Deno.test("reasonOf() says the first of several reasons", () => {
  const several = new AggregateError([new Error("refused"), new Error("x")]);
  assertEquals(reasonOf(several), "refused");
  assertEquals(reasonOf("text"), "text");
});

Deno.test("Console shows progress with total and rate, on a terminal alone", () => {
  let now = 0;
  const shown = makeConsole(true, () => now);
  for (; now <= 4000; now += 500) {
    shown.console.showProgress(3 * now, "sessions moved", 20_000);
  }
  const last = "12,000 of 20,000 sessions moved, 3,000/s";
  assertEquals(shown.stderr.text.endsWith(`\r\x1b[K${last}`), true);
  const hidden = makeConsole(false, () => now);
  hidden.console.showProgress(1, "sessions moved");
  assertEquals(hidden.stderr.text, "");
});

Deno.test("Console makes room for a message, and holds results of a file back until the end", () => {
  const screen = makeConsole(true);
  screen.console.showProgress(1, "sessions moved");
  screen.console.tell("a \u001b[2J problem at redis://u:secret@h");
  assertEquals(
    screen.stderr.text,
    "\r\x1b[K1 sessions moved\r\x1b[Ka \\u001b[2J problem at redis://u:***@h\n",
  );
  const file = makeConsole(false);
  file.console.print("one");
  assertEquals(file.stdout.text, "");
  file.console[Symbol.dispose]();
  assertEquals(file.stdout.text, "one\n");
});
