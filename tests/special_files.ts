/**
 * Makes what is no file. Each by a child process with permissions of its own:
 * symbolic links need `--allow-read` and `--allow-write` for everything, and
 * Deno makes no pipes.
 */

const LINK = `
for (let at = 0; at < Deno.args.length; at += 2) {
  Deno.symlinkSync(Deno.args[at], Deno.args[at + 1]);
}`;

const PIPE = `
try {
  const { code } = new Deno.Command("mkfifo", { args: Deno.args }).outputSync();
  Deno.exit(code);
} catch (error) {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
  Deno.exit(3);
}`;

const NO_MKFIFO = 3;

/**
 * Makes symbolic links.
 *
 * @param links Where each leads, by its path.
 */
export function makeLinks(links: Readonly<Record<string, string>>): void {
  const pairs = Object.entries(links).flatMap(([path, to]) => [to, path]);
  const code = run(LINK, pairs);
  if (code !== 0) throw new Error(`Cannot make links: exit code ${code}`);
}

/**
 * Makes a pipe with a name.
 *
 * @param path The name.
 * @returns `false` on a machine without `mkfifo`.
 */
export function makePipe(path: string): boolean {
  const code = run(PIPE, [path]);
  if (code !== 0 && code !== NO_MKFIFO) {
    throw new Error(`Cannot make a pipe: exit code ${code}`);
  }
  return code === 0;
}

function run(script: string, args: readonly string[]): number {
  const { code } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", script, ...args],
    stderr: "inherit",
  }).outputSync();
  return code;
}
