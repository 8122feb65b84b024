import type { Death } from "./death_script.ts";

const SCRIPT = new URL("./death_script.ts", import.meta.url);

/**
 * Starts a process that is to die or stop; see `death_script.ts`.
 *
 * @param death What it does.
 * @param allowed The only directory that it may touch.
 */
export function startDeath(death: Death, allowed: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-check",
      `--allow-read=${allowed}`,
      `--allow-write=${allowed}`,
      "--allow-run", // to send signals, even to oneself
      SCRIPT.href,
      JSON.stringify(death),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
