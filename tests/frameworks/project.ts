/** Projects of frameworks that have a compiler of their own. */

import { assertEquals } from "@std/assert";
import { copySync } from "@std/fs/copy";
import { spawnDeno } from "../spawn.ts";
import type { TemporaryDirectory } from "../temporary_directory.ts";
import { CONFIG } from "./deno_serve.ts";

const HERE = new URL("./", import.meta.url).pathname;

/** What a project is made of. */
export interface ProjectOptions {
  /** What documentation shows: a directory below `projects`. */
  readonly name: string;
  /** From npm, by the names by which it imports them. */
  readonly packages: Readonly<Record<string, string>>;
  /** Further files, by their paths. */
  readonly files: Readonly<Record<string, string>>;
  /** What builds it, as arguments of `deno run`. */
  readonly build: readonly string[];
}

/**
 * Builds a project in a directory, with its packages and `session.js`, our
 * package as one file.
 */
export async function buildProject(
  directory: TemporaryDirectory,
  { name, packages, files, build }: ProjectOptions,
): Promise<void> {
  const { path } = directory;
  copySync(`${HERE}projects/${name}`, path, { overwrite: true });
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
    const { code, stdout, stderr } = await spawnDeno(step, { cwd: path }).end();
    assertEquals(code, 0, `${step}: ${stdout}${stderr}`);
  }
}
