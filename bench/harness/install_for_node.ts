import { stripTypeScriptTypes } from "node:module";
import { runProgram } from "./child.ts";
import type { Packages } from "./import_package.ts";

/**
 * Installs packages for Node, and modules of ours beside them, without their
 * types: older versions of Node cannot strip them.
 *
 * @param directory An empty directory outside of the repository.
 * @param modules Become `NAME.mjs`, all in `directory`.
 * @returns Node with its version.
 * @throws {Error} If Node, npm or a package is missing.
 */
export async function installForNode(
  directory: string,
  packages: Packages,
  modules: readonly URL[],
): Promise<string> {
  const version = await runProgram("node", ["--version"]);
  await Deno.writeTextFile(
    `${directory}/package.json`,
    JSON.stringify({ private: true, dependencies: packages }),
  );
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier"];
  await runProgram("npm", ["install", "--prefix", directory, ...quiet]);
  for (const url of modules) {
    const name = url.pathname.match(/([^/]+)\.[jt]s$/)![1]!;
    const source = stripTypeScriptTypes(await Deno.readTextFile(url));
    await Deno.writeTextFile(
      `${directory}/${name}.mjs`,
      source.replaceAll(/(from ")\.[^"]*?([^"/]+)\.[jt]s"/g, '$1./$2.mjs"'),
    );
  }
  return version.replace(/^v/, "Node ");
}
