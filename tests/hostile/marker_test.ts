/** A cleanup and a server end at once, whatever has the name of the marker. */

import { assert, assertEquals } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import { ID } from "../constants.ts";
import { spawn } from "../spawn.ts";
import { makeSpecialFile, type SpecialFile } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { callInProcess, type Calls, LONGEST } from "./caller_script.ts";

const MARKERS: Readonly<Record<string, SpecialFile>> = {
  "a pipe": "pipe",
  "a device": "device",
  "a link to a device": { link: "/dev/null" },
  "a link to nowhere": { link: "nowhere" },
  "a link to itself": { link: ".latchkey" },
  "a directory": "directory",
  "a socket": "socket",
};

for (const [what, obstacle] of Object.entries(MARKERS)) {
  Deno.test(`a directory whose marker is ${what} is refused by every operation, a dry run among them, and none hangs`, async () => {
    using directory = new TemporaryDirectory();
    const record = { data: {}, createdAt: 1, expiresAt: 1 };
    Deno.writeFileSync(directory.join(ID), encodeRecord(ID, record));
    if (!makeSpecialFile(directory.join(".latchkey"), obstacle)) {
      console.log("left out: this user or machine cannot make it");
      return;
    }
    const names = directory.list();
    const call: Calls = {
      directory: directory.path,
      ids: [ID],
      calls: ["cleanup", "load", "save"],
    };
    assertEquals(await callInProcess(call, directory.path), {
      [`cleanup ${ID}`]: "SessionDirectoryError",
      [`load ${ID}`]: "SessionDirectoryError",
      [`save ${ID}`]: "SessionDirectoryError",
    });
    const args = ["cleanup", directory.path, "--minutes=0", "--dry-run"];
    const child = spawn("mod.ts", args, { paths: [directory.path] });
    const { code, stderr } = await child.end(LONGEST);
    assertEquals(code, 1);
    assert(stderr.includes("its .latchkey is not a regular file"), stderr);
    assert(!Deno.lstatSync(directory.join(".latchkey")).isFile);
    assertEquals(directory.list(), names);
  });
}
