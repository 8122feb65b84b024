/** Makes one system call, and prints the error that it gives. */

import { describeError } from "./system_errors.ts";

if (import.meta.main) {
  const [from = "", to = ""] = Deno.args;
  try {
    Deno.linkSync(from, to);
  } catch (error) {
    console.log(JSON.stringify(describeError(error)));
  }
}
