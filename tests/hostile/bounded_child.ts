/** A child process that must come to an end, and is ended when it does not. */

const ROOT = new URL("../../", import.meta.url);

/** Far more than any of them needs: whoever takes longer hangs. */
const LONGEST = 60_000;

/** What a child said, and how it ended. */
export interface Ending {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a module of this repository as a process of its own.
 *
 * @param directory All that it may read and write.
 * @param module Its path from the root.
 * @param args Its arguments.
 * @returns How it ended.
 * @throws {Error} If it hangs; it is ended first.
 */
export async function runBounded(
  directory: string,
  module: string,
  ...args: readonly string[]
): Promise<Ending> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      new URL(module, ROOT).href,
      ...args,
    ],
    cwd: ROOT.pathname,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let hangs = false;
  const alarm = setTimeout(() => {
    hangs = true;
    child.kill("SIGKILL");
  }, LONGEST);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(alarm);
  if (hangs) throw new Error(`${module} ${args.join(" ")} hangs`);
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}
