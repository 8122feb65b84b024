/** Whatever bears the name of the cleaner's lock, a cleaning comes to an end. */

import { assert, assertEquals } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { runBounded } from "./bounded_child.ts";
import type { Calls } from "./caller_script.ts";
import { type Obstacle, putObstacle } from "./obstacles.ts";

const ID = "0123456789abcdef";

/** What it is, and what a cleaning that cannot lock it throws. */
const MARKERS: Readonly<Record<string, readonly [Obstacle, string?]>> = {
  "a pipe": ["pipe"],
  "a device": ["device"],
  "a link to a device": [{ link: "/dev/null" }],
  "a link to nowhere": [{ link: "nowhere" }, "SessionLockTimeoutError"],
  "a link to itself": [{ link: ".latchkey" }, "FilesystemLoop"],
  "a directory": ["directory", "IsADirectory"],
  "a socket": ["socket", "Error"],
};

for (const [what, [obstacle, error]] of Object.entries(MARKERS)) {
  Deno.test(`a cleaning whose mark is ${what} ${error ? "fails" : "is done"}, and does not hang`, async () => {
    using directory = new TemporaryDirectory();
    const record = { data: {}, createdAt: 1, expiresAt: 1 };
    Deno.writeFileSync(directory.join(ID), encodeRecord(ID, record));
    if (!putObstacle(directory.join(".latchkey"), obstacle)) {
      console.log("left out: this user or machine makes no such thing");
      return;
    }
    const call = { directory: directory.path, ids: [ID], calls: ["cleanup"] };
    const { code, stdout, stderr } = await runBounded(
      `${directory.path},/dev`,
      "tests/hostile/caller_script.ts",
      JSON.stringify(call satisfies Record<keyof Omit<Calls, "swap">, unknown>),
    );
    assertEquals(code, 0, stderr);
    assertEquals(JSON.parse(stdout), {
      [`cleanup ${ID}`]: error ?? { deleted: 1, remaining: 0, orphans: 0 },
    });
    const { isFile } = Deno.lstatSync(directory.join(".latchkey"));
    assert(!isFile);
    assertEquals(directory.list().includes(ID), error !== undefined);
  });
}
