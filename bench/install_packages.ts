/**
 * Installs packages for Node.
 *
 * @param directory An empty directory outside of the repository.
 * @param dependencies The packages, each with its exact version.
 * @returns The version of Node.
 * @throws {Error} If there is no Node or no npm, or the packages cannot be had.
 */
export async function installPackages(
  directory: string,
  dependencies: Readonly<Record<string, string>>,
): Promise<string> {
  const version = (await run("node", ["--version"], directory)).trim();
  await Deno.writeTextFile(
    `${directory}/package.json`,
    JSON.stringify({ private: true, dependencies }),
  );
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier"];
  await run("npm", ["install", ...quiet], directory);
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
