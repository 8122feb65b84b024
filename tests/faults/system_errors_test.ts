/** Whether the errors that this room injects are those that Deno would give. */

import { assert, assertEquals } from "@std/assert";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { findObstacle } from "./strace.ts";
import { describeError, ERROR_NAMES, makeError } from "./system_errors.ts";

const obstacle = findObstacle();

Deno.test({
  name: `an injected error is like a real one in class, code and message${
    obstacle === undefined ? "" : ` (skipped: ${obstacle})`
  }`,
  ignore: obstacle !== undefined,
  fn: async () => {
    using directory = new TemporaryDirectory();
    const from = directory.join("from");
    Deno.writeTextFileSync(from, "");
    for (const name of ERROR_NAMES) {
      const inject = `inject=?link,?linkat:error=${name}`;
      const { stdout, stderr } = await spawn(
        "tests/faults/system_errors.ts",
        [from, directory.join("to")],
        {
          paths: [directory.path],
          through: ["strace", "-f", "-o", "/dev/null", "-e", inject],
        },
      ).end();
      assert(stdout !== "", `${name}: ${stderr}`);
      const made = JSON.parse(JSON.stringify(describeError(makeError(name))));
      assertEquals(JSON.parse(stdout), made, name);
    }
  },
});
