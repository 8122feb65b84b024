import { readArguments, readNumber, UsageError } from "./usage.ts";
import { Interruption } from "./interruption.ts";

/** How the command is called, in one line. */
export const DEMO_USAGE = "demo [--port N] [--hostname NAME] [--dir DIR]";

const DEFAULT_PORT = 8080;
const DEFAULT_HOSTNAME = "localhost";
const DEFAULT_DIRECTORY = "./sessions";
const HIGHEST_PORT = 65_535;

const HELP = `Usage: ${DEMO_USAGE}

Starts a web server with a page on which to try sessions. Ctrl-C ends it.

Options:
  --port N         port to listen at, 0 for any free one (default: ${DEFAULT_PORT})
  --hostname NAME  address to listen at (default: ${DEFAULT_HOSTNAME})
  --dir DIR        where the sessions are kept, made when it is missing
                   (default: ${DEFAULT_DIRECTORY})
  -h, --help       print this

Permissions: --allow-net=HOSTNAME --allow-read=DIR --allow-write=DIR`;

/**
 * Serves the demo until Ctrl-C: `demo --port 8080`. Only here is it loaded.
 *
 * @param args The arguments after the command.
 * @returns The exit code.
 * @throws {UsageError} If they make no sense.
 */
export async function demo(args: readonly string[]): Promise<number> {
  const given = readArguments(args, {
    options: ["port", "hostname", "dir"],
    flags: [],
    positionals: [],
  });
  if (given === "help") {
    console.log(HELP);
    return 0;
  }
  const {
    port: portText = String(DEFAULT_PORT),
    hostname = DEFAULT_HOSTNAME,
    dir: directory = DEFAULT_DIRECTORY,
  } = given.options;
  const port = readNumber("port", portText);
  if (!Number.isInteger(port) || port > HIGHEST_PORT) {
    throw new UsageError(`--port is not a port: ${portText}`);
  }

  using interruption = new Interruption();
  const { serveDemo } = await import("../demo/server.ts");
  const { signal } = interruption;
  await serveDemo({ hostname, port, directory, signal });
  return 0;
}
