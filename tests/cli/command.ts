/** Runs `mod.ts` as a user does: as a process of its own, with few rights. */

const ROOT = new URL("../../", import.meta.url);

/** What the command is run with. */
export interface CommandOptions {
  /** The only permissions it has. */
  readonly permissions: readonly string[];
  /** Where it is run. */
  readonly cwd?: string;
  /** The module to run; `mod.ts` without it. */
  readonly module?: string;
}

/** What the command said, and how it ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command; whoever starts it waits for it, or ends it. */
export function startCommand(
  args: readonly string[],
  { permissions, cwd, module = "mod.ts" }: CommandOptions,
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      ...permissions,
      new URL(module, ROOT).pathname,
      ...args,
    ],
    cwd: cwd ?? ROOT.pathname,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the command to its end. */
export async function runCommand(
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return await readResult(startCommand(args, options));
}

/** Waits for the end of a command. */
export async function readResult(
  child: Deno.ChildProcess,
): Promise<CommandResult> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}
