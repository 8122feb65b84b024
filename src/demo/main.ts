/*
 * Task `demo`: a server with a page on which to try sessions. It is not
 * published, and `mod.ts` does not reach it.
 */
import { DRIVERS_HELP } from "../cli/driver.ts";
import { Interruption } from "../cli/terminal.ts";
import {
  readArguments,
  readNumber,
  runCommand,
  UsageError,
} from "../cli/usage.ts";
import {
  defaultStoreKind,
  DEMO_STORES,
  isDemoStoreKind,
} from "./demo_store.ts";
import { serveDemo } from "./server.ts";

const USAGE =
  "deno task demo [--port N] [--hostname NAME] [--store KIND] [--at WHERE] [--cert FILE --key FILE]";

const DEFAULT_PORT = 8080;
const DEFAULT_HOSTNAME = "localhost";
const HIGHEST_PORT = 65_535;
/** How long requests that are under way at the end may take, in ms. */
const LONGEST_END = 5_000;

const HELP = `Usage: ${USAGE}

Starts a web server with a page on which to try sessions. Ctrl-C ends it.

Options:
  --port N         port to listen at, 0 for any free one (default: ${DEFAULT_PORT})
  --hostname NAME  address to listen at (default: ${DEFAULT_HOSTNAME})
  --store KIND     directory, sqlite, kv, redis or postgres
                   (default: directory, on Windows sqlite)
  --at WHERE       where the sessions are kept: a directory or a file, created
                   if it is missing, or the URL of a server
                   (default: ./sessions, ./sessions.db, ./sessions.kv,
                   redis://localhost:6379, postgres://localhost/postgres)
  --cert FILE      certificate for https, as PEM: sessions are bound to the
                   device, where the browser can do it and trusts it
  --key FILE       its key, as PEM
  -h, --help       print this

Permissions: --allow-net=HOSTNAME --allow-read=DIR --allow-write=DIR; kv also
needs --unstable-kv, redis and postgres --allow-env and their server in --allow-net

${DRIVERS_HELP}`;

/**
 * Serves the demo until it is interrupted, and returns the exit code: 0, or what
 * a shell expects when that was before the demo had begun to listen.
 */
async function demo(args: readonly string[]): Promise<number> {
  const given = readArguments(args, {
    options: ["port", "hostname", "store", "at", "cert", "key"],
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
    store: kind = defaultStoreKind(),
  } = given.options;
  const port = readNumber("port", portText);
  if (!Number.isInteger(port) || port > HIGHEST_PORT) {
    throw new UsageError(`--port is not a port: ${portText}`);
  }
  if (!isDemoStoreKind(kind)) {
    const kinds = Object.keys(DEMO_STORES).join(", ");
    throw new UsageError(`--store is not one of ${kinds}: ${kind}`);
  }
  const { at: where = DEMO_STORES[kind], cert, key } = given.options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--cert and --key are given both, or neither");
  }
  const tls = cert === undefined || key === undefined ? undefined : {
    cert: await Deno.readTextFile(cert),
    key: await Deno.readTextFile(key),
  };

  using interruption = new Interruption();
  const { signal } = interruption;
  signal.addEventListener("abort", () => void setTimeout(giveUp, LONGEST_END));
  try {
    await serveDemo({ hostname, port, kind, where, tls, signal });
  } catch (error) {
    return interruption.exitCodeOf(error);
  }
  return 0;
}

function giveUp(): never {
  console.error("Ended without an answer to requests that take too long.");
  Deno.exit(1);
}

if (import.meta.main) {
  Deno.exit(await runCommand({ usage: USAGE, run: demo }, Deno.args));
}
