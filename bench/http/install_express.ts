import { stripTypeScriptTypes } from "node:module";
import { installPackages } from "../install_packages.ts";

/**
 * Installs Express and its packages for Node, and the server beside them,
 * without its types, which older versions of Node cannot take off themselves.
 *
 * @param directory An empty directory outside of the repository.
 * @param dependencies The packages, each with its exact version.
 * @returns The version of Node, and the path of the server.
 * @throws {Error} If there is no Node or no npm, or the packages cannot be had.
 */
export async function installExpress(
  directory: string,
  dependencies: Readonly<Record<string, string>>,
): Promise<{ node: string; server: string }> {
  const node = await installPackages(directory, dependencies);
  const url = new URL("servers/express.ts", import.meta.url);
  const server = `${directory}/express.mjs`;
  const source = await Deno.readTextFile(url);
  await Deno.writeTextFile(server, stripTypeScriptTypes(source));
  return { node, server };
}
