/*
 * The command line. `mod.ts` loads it only when it is run as a program:
 *
 *   deno run --allow-read=DIR --allow-write=DIR mod.ts cleanup DIR --minutes 30
 *   deno run --allow-net=HOST:PORT mod.ts list redis://HOST:PORT
 */
import { cleanup } from "./cleanup.ts";
import type { ProgramCommand } from "./command.ts";
import { type Streams, SYSTEM } from "./console.ts";
import { doctor } from "./doctor.ts";
import { DRIVERS_HELP } from "./driver.ts";
import { exportSessions } from "./export.ts";
import { importSessions } from "./import.ts";
import { list } from "./list.ts";
import { migrate } from "./migrate.ts";
import { revoke } from "./revoke.ts";
import { schema } from "./schema.ts";
import { show } from "./show.ts";
import { stats } from "./stats.ts";
import { writeText } from "./terminal.ts";
import { refuseUsage, runCommand } from "./usage.ts";

/** The version in deno.json; a test compares them. */
const VERSION = "0.1.0";

/** The commands, in the order of the help. */
export const COMMANDS: readonly ProgramCommand[] = [
  cleanup,
  list,
  show,
  revoke,
  stats,
  doctor,
  migrate,
  exportSessions,
  importSessions,
  schema,
];

const NAMES = COMMANDS.map(({ name }) => name).join(", ");
const CALL_LENGTH = Math.max(...COMMANDS.map(({ call }) => call.length));

const HELP = `@latchkey/session ${VERSION}

Commands:
${
  COMMANDS.map(({ call, summary }) =>
    `  ${call.padEnd(CALL_LENGTH)}  ${summary}`
  ).join("\n")
}

Options:
  -h, --help     print this; after a command, the help of that command
  -V, --version  print the version

${DRIVERS_HELP}`;

/**
 * Runs the command line.
 *
 * @param args The arguments after the module.
 * @param streams What it reads and writes.
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141
 * when nothing reads the output. It never throws; what went wrong is printed on
 * stderr.
 */
export async function main(
  args: readonly string[],
  streams: Streams = SYSTEM,
): Promise<number> {
  const [name, ...rest] = args;
  if (/^(-h|--help)(=.*)?$/.test(name ?? "")) return await print(HELP, streams);
  if (name === "--version" || name === "-V") {
    return await print(VERSION, streams);
  }
  const command = COMMANDS.find((command) => command.name === name);
  if (command === undefined) {
    return refuseUsage(
      name === undefined
        ? "No command"
        : `Unknown ${name.startsWith("-") ? "option" : "command"} ${name}`,
      [{ usage: `COMMAND …, one of ${NAMES}` }],
      streams,
    );
  }
  return await runCommand(command, rest, streams);
}

function print(text: string, streams: Streams): Promise<number> {
  const run = (): Promise<number> => {
    writeText(streams.stdout, `${text}\n`);
    return Promise.resolve(0);
  };
  return runCommand({ usage: "", run }, [], streams);
}
