import { assertEquals, assertStringIncludes } from "@std/assert";
import type { StoreWarning } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, recordOf } from "../constants.ts";
import { replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { spawn } from "../spawn.ts";

Deno.test("setup() warns once of a file system that may be mounted more than once, and keeps sessions there", async () => {
  for (
    const [type, name] of [
      [0x65735546, "FUSE"],
      [0x6969, "NFS"],
      [0xff534d42, "CIFS"],
      [0xfe534d42, "SMB"],
      [0x01021997, "9p"],
    ] as const
  ) {
    using directory = new TemporaryDirectory();
    using _replaced = replaceSystem({ fileSystemType: () => type });
    const warnings: StoreWarning[] = [];
    const store = new DirectorySessionStore(directory.path, {
      onWarning: (warning) => warnings.push(warning),
    });
    await store.setup();
    await store.setup();
    await store.save(ID, recordOf());
    assertEquals(await store.load(ID), recordOf());
    const [warning] = warnings;
    assertEquals(warnings.length, 1, name);
    assertEquals([warning?.type, warning?.path], ["setup", directory.path]);
    assertStringIncludes(warning!.message, `${directory.path} is on ${name}`);
    assertStringIncludes(warning!.message, "one mount on one host");
  }
});

Deno.test("setup() says nothing of other file systems, nor where it may not ask", async () => {
  for (const type of [0xef53, 0x01021994, 0x794c7630, 0x9123683e, undefined]) {
    using directory = new TemporaryDirectory();
    using _replaced = replaceSystem({ fileSystemType: () => type });
    const warnings: StoreWarning[] = [];
    const store = new DirectorySessionStore(directory.path, {
      onWarning: (warning) => warnings.push(warning),
    });
    await store.setup();
    assertEquals(warnings, []);
  }
});

Deno.test("the type of a file system is asked for where that is granted, and never prompts", async () => {
  using directory = new TemporaryDirectory();
  const script = new URL("./file_system_script.ts", import.meta.url);
  for (const [flags, isTold] of [[["--allow-sys=statfs"], true], [[], false]]) {
    const { stdout, stderr } = await spawn(script, [directory.path], {
      paths: [directory.path],
      flags: flags as string[],
    }).end();
    assertEquals(stderr, "");
    const isNumber = typeof JSON.parse(stdout) === "number";
    assertEquals(isNumber, isTold && Deno.build.os === "linux");
  }
});
