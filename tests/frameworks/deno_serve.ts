/** Servers that `deno serve` runs, in processes of their own. */

import { spawnDeno } from "../spawn.ts";
import { type Application, type Framework, testFramework } from "./scenario.ts";

/** The flag with the names of packages. */
export const CONFIG: string = `--config=${
  new URL("../../deno.json", import.meta.url).pathname
}`;

/** What `deno serve` is told. */
export interface ServerOptions {
  /** Further flags of Deno. */
  readonly flags: readonly string[];
  /** The module's arguments. */
  readonly args?: readonly string[];
  readonly cwd?: string;
}

/**
 * Starts a module that `deno serve` can run.
 *
 * @param path The module; it prints its URL when it listens.
 */
export async function startServer(
  path: string,
  { flags, args = [], ...options }: ServerOptions,
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
    // With `--parallel`, the number of threads.
  ], { env: { DENO_JOBS: "2" }, ...options });
  const line = await child.readLine();
  const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line ?? "") ?? [];
  if (url === undefined) {
    const { stderr } = await child.end(1000);
    throw new Error(`The server printed ${line}, and no URL: ${stderr}`);
  }
  return { url, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

/**
 * Defines the tests of an application that is started once for all of them,
 * because that takes long.
 */
export function testServer(name: string, { start, lacks }: Framework): void {
  let application: Application | undefined;
  Deno.test.beforeAll(async () => {
    application = await start();
  });
  Deno.test.afterAll(async () => {
    await application?.[Symbol.asyncDispose]();
  });
  testFramework(name, {
    ...lacks !== undefined && { lacks },
    start: () => ({
      url: application!.url,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  });
}
