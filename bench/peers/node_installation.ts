import { stripTypeScriptTypes } from "node:module";
import { installPackages } from "../install_packages.ts";
import type { Adapter } from "./contestant.ts";

const FILES = ["contestant.ts", "values.ts", "runner.ts"];

/**
 * Installs the packages of the adapters for Node, and beside them `runner.mjs`
 * and the adapters without their types, which older versions of Node cannot
 * take off themselves.
 *
 * @param directory An empty directory outside of the repository.
 * @param adapters By the name of their module.
 * @returns The version of Node.
 * @throws {Error} If there is no Node or no npm, or the packages cannot be had.
 */
export async function installForNode(
  directory: string,
  adapters: ReadonlyMap<string, Adapter>,
): Promise<string> {
  const dependencies = Object.assign(
    {},
    ...[...adapters.values()].map(({ packages }) => packages),
  ) as Record<string, string>;
  const version = await installPackages(directory, dependencies);

  await Deno.mkdir(`${directory}/adapters`);
  const modules = [...adapters.keys()].map((name) => `adapters/${name}.ts`);
  for (const file of [...FILES, ...modules]) {
    const source = await Deno.readTextFile(new URL(file, import.meta.url));
    await Deno.writeTextFile(
      `${directory}/${file.replace(/\.ts$/, ".mjs")}`,
      stripTypeScriptTypes(source).replaceAll(
        /(from "\.[^"]*)\.ts"/g,
        '$1.mjs"',
      ),
    );
  }
  return version;
}
