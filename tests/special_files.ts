/**
 * Makes files that are not regular files, in a child process with all permissions:
 * symbolic links need `--allow-read` and `--allow-write` for everything, and
 * Deno makes no pipes.
 */

import { runSync } from "./spawn.ts";

/** The kind of file to make; a link has a target. */
export type SpecialFile =
  | "directory"
  | "socket"
  | "pipe"
  | "device"
  | { readonly link: string };

const SCRIPT = `
const run = (command, ...args) => {
  try {
    return new Deno.Command(command, { args, stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
};
for (const [path, kind] of JSON.parse(Deno.args[0])) {
  switch (kind) {
    case "directory":
      Deno.mkdirSync(path);
      break;
    case "socket":
      // Its listener ends with this process, the name stays.
      Deno.listen({ transport: "unix", path });
      break;
    case "pipe":
      if (!run("mkfifo", path)) Deno.exit(3);
      break;
    case "device":
      // The device number of /dev/zero on Linux; only root may make it.
      if (!run("mknod", path, "c", "1", "5")) Deno.exit(3);
      break;
    default:
      Deno.symlinkSync(kind.link, path);
  }
}
Deno.exit(0);`;

const CANNOT = 3;

/**
 * Makes one.
 *
 * @param path Its name.
 * @returns `false` if this machine or user cannot make it.
 */
export function makeSpecialFile(path: string, kind: SpecialFile): boolean {
  return makeAll([[path, kind]]);
}

/**
 * Makes a pipe with a name.
 *
 * @returns `false` on a machine without `mkfifo`.
 */
export function makePipe(path: string): boolean {
  return makeSpecialFile(path, "pipe");
}

/**
 * Makes symbolic links.
 *
 * @param links Where each leads, by its path.
 */
export function makeLinks(links: Readonly<Record<string, string>>): void {
  makeAll(Object.entries(links).map(([path, link]) => [path, { link }]));
}

function makeAll(
  files: readonly (readonly [path: string, kind: SpecialFile])[],
): boolean {
  const { code, stderr } = runSync(Deno.execPath(), [
    "eval",
    "--no-config",
    SCRIPT,
    JSON.stringify(files),
  ]);
  if (code !== 0 && code !== CANNOT) {
    throw new Error(`Cannot make ${JSON.stringify(files)}: ${stderr}`);
  }
  return code === 0;
}
