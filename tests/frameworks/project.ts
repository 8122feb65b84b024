/** Projects of frameworks that have a compiler of their own. */

import { assertEquals } from "@std/assert";
import { copySync } from "@std/fs/copy";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { CONFIG, startServer } from "./deno_serve.ts";
import type { Application } from "./scenario.ts";

const HERE = new URL("./", import.meta.url).pathname;

/** What a project is made of. */
export interface ProjectOptions {
  /** What documentation shows: a directory below `projects`. */
  readonly name: string;
  /** From npm, by the names by which it imports them. */
  readonly packages: Readonly<Record<string, string>>;
  /** Further files, by their paths; `entry.js` is for `deno serve`. */
  readonly files: Readonly<Record<string, string>>;
  /** What builds it, as arguments of `deno run`. */
  readonly build: readonly string[];
}

/**
 * Builds a project in a directory of its own, with its packages and our package
 * as one file, `session.js`, and starts what was built.
 */
export async function startProject(
  { name, packages, files, build }: ProjectOptions,
): Promise<Application> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(new TemporaryDirectory());
  const cwd = directory.path;
  copySync(`${HERE}projects/${name}`, cwd, { overwrite: true });
  directory.writeFiles({
    "deno.json": JSON.stringify({ nodeModulesDir: "auto", imports: packages }),
    "package.json": JSON.stringify({ type: "module" }),
    "sessions.ts": Deno.readTextFileSync(`${HERE}examples/sessions.ts`),
    ...files,
  });
  const steps = [
    ["bundle", "--quiet", CONFIG, "--output=session.js", `${HERE}../../mod.ts`],
    ["install", "--quiet"],
    ["run", "--quiet", "--allow-all", ...build],
  ];
  for (const step of steps) {
    const { code, stdout, stderr } = await spawnDeno(step, { cwd }).end();
    assertEquals(code, 0, `${step}: ${stdout}${stderr}`);
  }
  const flags = ["--allow-env", "--allow-read"];
  const { url } = stack.use(await startServer("entry.js", { flags, cwd }));
  const kept = stack.move();
  return { url, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
