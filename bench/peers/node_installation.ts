import { stripTypeScriptTypes } from "node:module";
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
  const version = (await run("node", ["--version"], directory)).trim();
  const dependencies = Object.assign(
    {},
    ...[...adapters.values()].map(({ packages }) => packages),
  ) as Record<string, string>;
  await Deno.writeTextFile(
    `${directory}/package.json`,
    JSON.stringify({ private: true, dependencies }),
  );
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier"];
  await run("npm", ["install", ...quiet], directory);

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
  return version.replace(/^v/, "");
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(
    `Cannot ${program} ${args.join(" ")}: ${decoder.decode(stderr).trim()}`,
  );
}
