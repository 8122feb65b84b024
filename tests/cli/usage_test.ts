import { assertEquals } from "@std/assert";
import { readArguments } from "../../src/cli/usage.ts";

const USAGE = { options: ["minutes"], flags: ["json"], positionals: ["DIR"] };

Deno.test("readArguments() returns help however -h and --help are written", () => {
  for (const arg of ["--help", "-h", "-h=", "-h0", "-h=0", "-h=no", "-hx"]) {
    const args = ["sessions", "--minutes", "30", arg];
    assertEquals(readArguments(args, USAGE), "help", arg);
  }
});

Deno.test("readArguments() returns the arguments when no help is asked for", () => {
  for (const args of [[], ["--help=false"]]) {
    assertEquals(readArguments(["007", "--minutes=30", ...args], USAGE), {
      options: { minutes: "30" },
      flags: { json: false },
      positionals: ["007"],
    });
  }
});
