/** A cleanup ends, whatever has the name of its lock file. */

import { assert, assertEquals } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import { ID } from "../constants.ts";
import { makeSpecialFile, type SpecialFile } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { callInProcess, type Calls } from "./caller_script.ts";

/** The kind of the file, and the error of a cleanup that cannot lock it. */
const MARKERS: Readonly<Record<string, readonly [SpecialFile, string?]>> = {
  "a pipe": ["pipe"],
  "a device": ["device"],
  "a link to a device": [{ link: "/dev/null" }],
  "a link to nowhere": [{ link: "nowhere" }, "SessionLockTimeoutError"],
  "a link to itself": [{ link: ".latchkey" }, "FilesystemLoop"],
  "a directory": ["directory", "IsADirectory"],
  "a socket": ["socket", "Error"],
};

for (const [what, [obstacle, error]] of Object.entries(MARKERS)) {
  Deno.test(`a cleanup whose marker is ${what} ${error ? "fails" : "is done"}, and does not hang`, async () => {
    using directory = new TemporaryDirectory();
    const record = { data: {}, createdAt: 1, expiresAt: 1 };
    Deno.writeFileSync(directory.join(ID), encodeRecord(ID, record));
    if (!makeSpecialFile(directory.join(".latchkey"), obstacle)) {
      console.log("left out: this user or machine cannot make it");
      return;
    }
    const call: Calls = {
      directory: directory.path,
      ids: [ID],
      calls: ["cleanup"],
    };
    assertEquals(await callInProcess(call, directory.path), {
      [`cleanup ${ID}`]: error ?? { deleted: 1, remaining: 0, orphans: 0 },
    });
    const { isFile } = Deno.lstatSync(directory.join(".latchkey"));
    assert(!isFile);
    assertEquals(directory.list().includes(ID), error !== undefined);
  });
}
