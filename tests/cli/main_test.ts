import { assertEquals, assertStringIncludes } from "@std/assert";
import { spawn } from "../spawn.ts";

Deno.test("main() prints its help, and the help of each command, without any permission", async () => {
  for (
    const [args, start] of [
      [["--help"], "@latchkey/session "],
      [["-h"], "@latchkey/session "],
      [["cleanup", "--help"], "Usage: cleanup STORE [--minutes N]"],
      [["cleanup", "-h"], "Usage: cleanup STORE [--minutes N]"],
      [["migrate", "--help"], "Usage: migrate FROM TO"],
    ] as const
  ) {
    const { code, stdout, stderr } = await spawn("mod.ts", args).end();
    assertEquals([code, stderr], [0, ""], args.join(" "));
    assertEquals(stdout.startsWith(start), true, stdout);
  }
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
      ["cleanup . --minutes 1 more", "One argument too many: more"],
      ["migrate", "FROM is missing"],
      ["migrate .", "TO is missing"],
      ["migrate . file.db more", "One argument too many: more"],
      ["migrate . file.db --minutes 1", "Unknown option --minutes"],
    ] as const
  ) {
    const args = line.split(" ").filter((arg) => arg !== "");
    const { code, stdout, stderr } = await spawn("mod.ts", args).end();
    assertEquals([code, stdout], [2, ""], line);
    assertEquals(stderr.split("\n")[0], reason, line);
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
