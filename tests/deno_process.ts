/** Runs modules of this repository as users do: as processes of their own. */

const ROOT = new URL("../", import.meta.url);

/** How a module is started. */
export interface StartOptions {
  /** Its permissions and other flags of `deno run`; without them it has none. */
  readonly flags?: readonly string[];
  /** The directory in which it runs; this repository without it. */
  readonly cwd?: string;
  /** Whether something will be written to it, or only closed. */
  readonly stdin?: "null" | "piped";
  /** Where its errors go: to the caller, or to the output of the test. */
  readonly stderr?: "piped" | "inherit";
}

/** How a process ended, and what it printed. */
export interface ProcessResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Starts a module, with only the permissions that the flags give. The caller
 * waits for its end, or ends it.
 *
 * @param module Its path in this repository, or any other absolute path.
 */
export function startModule(
  module: string,
  args: readonly string[],
  options: StartOptions = {},
): Deno.ChildProcess {
  const { flags = [], cwd = ROOT.pathname, stdin = "null", stderr = "piped" } =
    options;
  const path = new URL(module, ROOT).pathname;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...flags, path, ...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin,
    stdout: "piped",
    stderr,
  }).spawn();
}

/** Runs a module to its end. */
export async function runModule(
  module: string,
  args: readonly string[],
  options?: StartOptions,
): Promise<ProcessResult> {
  return await readResult(startModule(module, args, options));
}

/** Runs a subcommand of Deno in this repository, to its end. */
export async function runDeno(args: readonly string[]): Promise<ProcessResult> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  return await readResult(command.spawn());
}

/** Waits for the end of a process whose output was not read yet. */
export async function readResult(
  child: Deno.ChildProcess,
): Promise<ProcessResult> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/**
 * Reads the first line that a process prints, and nothing after it.
 *
 * @returns The line, or what there was when the process ended.
 */
export async function readLine({ stdout }: Deno.ChildProcess): Promise<string> {
  let text = "";
  const reader = stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return text.split("\n")[0]!;
}
