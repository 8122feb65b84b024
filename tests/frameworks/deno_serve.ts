/** Servers that `deno serve` runs, in processes of their own. */

import { assert } from "@std/assert";
import { spawnDeno } from "../spawn.ts";
import type { Application } from "./scenario.ts";

/** The flag with the names of packages. */
export const CONFIG: string = `--config=${
  new URL("../../deno.json", import.meta.url).pathname
}`;

/**
 * Starts a module that `deno serve` can run.
 *
 * @param path The module; it prints its URL when it listens.
 * @param flags Further flags of Deno.
 * @param args The module's arguments.
 * @param cwd Where the server runs, if that matters.
 */
export async function startServer(
  path: string,
  flags: readonly string[],
  args: readonly string[] = [],
  cwd?: string,
): Promise<Application> {
  const child = spawnDeno([
    "serve",
    "--quiet",
    "--no-prompt",
    "--host=127.0.0.1",
    "--port=0",
    ...flags,
    path,
    ...args,
  ], { env: { DENO_JOBS: "2" }, ...cwd !== undefined && { cwd } });
  const line = await child.readLine();
  const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line ?? "") ?? [];
  if (url === undefined) {
    const { stderr } = await child.end(1000);
    assert(false, `The server printed ${line}: ${stderr}`);
  }
  return { url, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}
