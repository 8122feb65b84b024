import { assertEquals, assertStringIncludes } from "@std/assert";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { runDemo } from "./demo_server.ts";

Deno.test("demo prints its help without any permission, and names what it downloads", async () => {
  for (const option of ["--help", "-h"]) {
    const { code, stdout, stderr } = await runDemo([option]);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "Usage: deno task demo ");
    assertStringIncludes(stdout, "npm:redis@^5.10.0, npm:pg@^8.16.0");
    assertStringIncludes(stdout, "--no-lock");
  }
});

Deno.test("demo refuses invalid arguments with code 2, a reason and the usage", async () => {
  for (
    const [line, reason] of [
      ["--port 65536", "--port is not a port: 65536"],
      ["--port 80.5", "--port is not a port: 80.5"],
      ["here", "One argument too many: here"],
      ["--cert c.pem", "--cert and --key are given both, or neither"],
      [
        "--store disk",
        "--store is not one of directory, sqlite, kv, redis, postgres: disk",
      ],
    ] as const
  ) {
    const { code, stdout, stderr } = await runDemo(line.split(" "));
    assertEquals([code, stdout], [2, ""], line);
    assertEquals(stderr.split("\n")[0], reason, line);
    assertStringIncludes(stderr, "\nUsage: ");
  }
});

Deno.test("demo names a driver that it cannot load, and the command that fetches it", async () => {
  using directory = new TemporaryDirectory();
  const lock = `--lock=${directory.join("deno.lock")}`;
  const main = "src/demo/main.ts";
  const cached = await spawnDeno(["cache", lock, "--frozen=false", main]).end();
  assertEquals(cached.code, 0, cached.stderr);
  const { code, stderr } = await runDemo(["--store", "redis"], [
    lock,
    "--frozen",
  ]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot load npm:redis@^5.10.0: ");
  assertStringIncludes(stderr, "deno cache --no-lock npm:redis@^5.10.0");
  assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
});
