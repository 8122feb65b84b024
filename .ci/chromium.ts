/**
 * First half of task `test:browser`: makes sure that there is a Chromium. It is
 * `CHROMIUM_PATH` when that is set, else the first of the usual names in
 * `PATH`, else Debian's package `chromium`, which root can have installed here.
 *
 * @module
 */

const NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/** Returns the path of a Chromium, or undefined when there is none. */
export async function findChromium(): Promise<string | undefined> {
  const chosen = Deno.env.get("CHROMIUM_PATH");
  if (chosen) return chosen;
  const directories = (Deno.env.get("PATH") ?? "").split(":");
  for (const directory of [...directories, "/usr/bin"]) {
    for (const name of NAMES) {
      const path = `${directory}/${name}`;
      if (directory !== "" && await isExecutable(path)) return path;
    }
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false; // PATH may name anything: what cannot be looked at is not it
  }
}

async function installChromium(): Promise<string | undefined> {
  const apt = await isExecutable("/usr/bin/apt-get");
  if (!apt || Deno.uid() !== 0) return undefined;
  console.error("chromium: not found, installing Debian's package");
  const commands = [
    ["update", "--quiet"],
    ["install", "--quiet", "--yes", "--no-install-recommends", "chromium"],
  ];
  for (const args of commands) {
    await new Deno.Command("/usr/bin/apt-get", {
      args,
      env: { DEBIAN_FRONTEND: "noninteractive" },
      stdin: "null",
      // All of it is the story of the installation, none of it a result.
      stdout: "inherit",
      stderr: "inherit",
    }).spawn().status;
  }
  return await findChromium();
}

if (import.meta.main) {
  const path = await findChromium() ?? await installChromium();
  if (path === undefined) {
    console.error(
      `Cannot drive a browser: no Chromium here. Install it ` +
        `("apt-get install chromium"), or set CHROMIUM_PATH`,
    );
    Deno.exit(1);
  }
  console.error(`chromium: ${path}`);
}
