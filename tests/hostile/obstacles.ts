/**
 * What is no file, under a session's name. Made by child processes, which may
 * do what a test may not: see tests/special_files.ts.
 */

/** What stands in the way, and where it leads. */
export type Obstacle =
  | "directory"
  | "socket"
  | "pipe"
  | "device"
  | { readonly link: string };

const SCRIPT = `
const [path, obstacle] = JSON.parse(Deno.args[0]);
const run = (command, ...args) => {
  try {
    return new Deno.Command(command, { args, stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
};
switch (obstacle) {
  case "directory":
    Deno.mkdirSync(path);
    break;
  case "socket":
    // Whoever listened is gone, the name stays.
    Deno.listen({ transport: "unix", path });
    break;
  case "pipe":
    if (!run("mkfifo", path)) Deno.exit(3);
    break;
  case "device":
    // What /dev/zero is on Linux; only root may make it.
    if (!run("mknod", path, "c", "1", "5")) Deno.exit(3);
    break;
  default:
    Deno.symlinkSync(obstacle.link, path);
}
Deno.exit(0);`;

const CANNOT = 3;

/**
 * Puts something under a name.
 *
 * @param path The name.
 * @param obstacle What it is.
 * @returns `false` on a machine, or for a user, that cannot.
 */
export function putObstacle(path: string, obstacle: Obstacle): boolean {
  const { code } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", SCRIPT, JSON.stringify([path, obstacle])],
    stderr: "inherit",
  }).outputSync();
  if (code !== 0 && code !== CANNOT) {
    throw new Error(
      `Cannot make ${JSON.stringify(obstacle)}: it ended ${code}`,
    );
  }
  return code === 0;
}
