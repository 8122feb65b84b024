/** Whether the errors that this room injects are those that Deno would give. */

import { assert, assertEquals } from "@std/assert";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { findObstacle } from "./strace.ts";
import { describeError, ERROR_NAMES, makeError } from "./system_errors.ts";

const SCRIPT = new URL("./error_script.ts", import.meta.url);
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
      const { stdout, stderr } = await new Deno.Command("strace", {
        args: [
          "-f",
          "-o",
          "/dev/null",
          "-e",
          `inject=?link,?linkat:error=${name}`,
          Deno.execPath(),
          "run",
          "--no-prompt",
          "--no-check",
          `--allow-read=${directory.path}`,
          `--allow-write=${directory.path}`,
          SCRIPT.href,
          from,
          directory.join("to"),
        ],
        stdin: "null",
      }).output();
      const decoder = new TextDecoder();
      const text = decoder.decode(stdout);
      assert(text !== "", `${name}: ${decoder.decode(stderr)}`);
      const made = JSON.parse(JSON.stringify(describeError(makeError(name))));
      assertEquals(JSON.parse(text), made, name);
    }
  },
});
