import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMANDS, main } from "../../src/cli/main.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { ID } from "../constants.ts";
import { spawn } from "../spawn.ts";
import { makeScreens } from "./screen.ts";

/** Runs a command in this process. */
async function run(line: string) {
  const screens = makeScreens();
  const args = line.split(" ").filter((arg) => arg !== "");
  const code = await main(args, screens);
  return { code, stdout: screens.stdout.text, stderr: screens.stderr.text };
}

Deno.test("main() prints its help, and the help of each command, with options, exit codes and permissions", async () => {
  for (const line of ["--help", "-h"]) {
    const { code, stdout, stderr } = await run(line);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^@latchkey\/session \d/);
    for (const { call, summary } of COMMANDS) {
      assertMatch(
        stdout,
        new RegExp(
          `^  ${RegExp.escape(call)} +${RegExp.escape(summary)}$`,
          "m",
        ),
      );
    }
  }
  for (const { name, call } of COMMANDS) {
    for (const help of ["--help", "-h"]) {
      const { code, stdout, stderr } = await run(`${name} ${help}`);
      assertEquals([code, stderr], [0, ""], name);
      assertEquals(stdout.startsWith(`Usage: ${call}`), true, stdout);
      assertMatch(stdout, /^Options:$/m);
      assertMatch(stdout, /^Exit codes: 0 /m);
      assertMatch(stdout, /^Permissions:/m);
    }
  }
});

Deno.test("main() prints a help without any permission", async () => {
  const child = spawn("mod.ts", ["doctor", "--help"]);
  const { code, stdout, stderr } = await child.end();
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.startsWith("Usage: doctor STORE"), true, stdout);
});

Deno.test("main() prints the version in deno.json", async () => {
  const config = new URL("../../deno.json", import.meta.url);
  const { version } = JSON.parse(await Deno.readTextFile(config));
  for (const option of ["--version", "-V"]) {
    const { code, stdout } = await spawn("mod.ts", [option]).end();
    assertEquals([code, stdout], [0, `${version}\n`]);
  }
});

Deno.test("main() refuses invalid arguments with code 2, a reason and the usage", async () => {
  for (
    const [line, reason] of [
      ["", "No command"],
      ["clean", "Unknown command clean"],
      ["constructor", "Unknown command constructor"],
      ["--verbose", "Unknown option --verbose"],
      ["cleanup", "STORE is missing"],
      ["cleanup . --minutes", "--minutes needs a value"],
      ["cleanup . --minutes soon", "--minutes is not a number from 0 up: soon"],
      ["cleanup . --minutes=-1", "--minutes is not a number from 0 up: -1"],
      ["cleanup . --minutes 1e3", "--minutes is not a number from 0 up: 1e3"],
      [
        "cleanup . --minutes Infinity",
        "--minutes is not a number from 0 up: Infinity",
      ],
      [
        "cleanup . --minutes 1 --grace-seconds=-1",
        "--grace-seconds is not a number from 0 up: -1",
      ],
      ["cleanup . --minutes 1 --force", "Unknown option --force"],
      ["cleanup . --minutes 1 -x", "Unknown option -x"],
      ["cleanup redis://h --table t", "--table is not an option of redis"],
      ["list . --prefix p", "--prefix is not an option of directory"],
      ["show .", "ID is missing"],
      ["show . ../passwd", "ID is not a session ID: ../passwd"],
      ["revoke .", "Either --user or IDs say what is to be ended"],
      [
        `revoke . --user ann ${ID}`,
        "Either --user or IDs say what is to be ended",
      ],
      [
        `revoke . ${revocationId("ann")}`,
        `ID is not a session ID: ${revocationId("ann")}`,
      ],
      ["schema mysql", "There is no schema of mysql, only of postgres"],
      ["schema postgres --table A", "Cannot use table: "],
      ["cleanup . --minutes 1 more", "One argument too many: more"],
      ["migrate", "FROM is missing"],
      ["migrate .", "TO is missing"],
      ["migrate . file.db more", "One argument too many: more"],
      ["migrate . file.db --minutes 1", "Unknown option --minutes"],
    ] as const
  ) {
    const { code, stdout, stderr } = await run(line);
    assertEquals([code, stdout], [2, ""], line);
    const [first = ""] = stderr.split("\n");
    if (reason.endsWith(" ")) assertStringIncludes(first, reason);
    else assertEquals(first, reason, line);
    assertStringIncludes(stderr, "\nUsage: ");
  }
});

Deno.test("main() reports a failure with code 1 and a message without a stack", async () => {
  const { code, stdout, stderr } = await spawn("mod.ts", [
    "cleanup",
    ".",
    "--minutes",
    "30",
  ]).end();
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "Requires read access");
  assertEquals(/^\s+at /m.test(stderr), false, stderr);
});
