/*
 * The command line. `mod.ts` loads it only when it is run as a program:
 *
 *   deno run --allow-read=DIR --allow-write=DIR mod.ts cleanup DIR --minutes 30
 *   deno run --allow-read=DIR,FILE --allow-write=DIR,FILE mod.ts migrate DIR FILE
 */
import { cleanup, CLEANUP_USAGE } from "./cleanup.ts";
import { migrate, MIGRATE_USAGE } from "./migrate.ts";
import { type Command, refuseUsage, runCommand } from "./usage.ts";

/** The version in deno.json; a test compares them. */
const VERSION = "0.1.0";

const COMMANDS: Readonly<Record<string, Command & { summary: string }>> = {
  cleanup: {
    usage: CLEANUP_USAGE,
    summary: "deletes old sessions from a directory",
    run: cleanup,
  },
  migrate: {
    usage: MIGRATE_USAGE,
    summary: "moves sessions from a directory to an SQLite file",
    run: migrate,
  },
};

const HELP = `@latchkey/session ${VERSION}

Commands:
${
  Object.values(COMMANDS)
    .map(({ usage, summary }) => `  ${usage}\n      ${summary}`).join("\n")
}

Options:
  -h, --help     print this; after a command, the help of that command
  -V, --version  print the version`;

/**
 * Runs the command line.
 *
 * @param args The arguments after the module.
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. It
 * never throws; what went wrong is printed on stderr.
 */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (/^(-h|--help)(=.*)?$/.test(name ?? "")) return print(HELP);
  if (name === "--version" || name === "-V") return print(VERSION);
  const command = name !== undefined && Object.hasOwn(COMMANDS, name)
    ? COMMANDS[name]
    : undefined;
  if (command === undefined) {
    return refuseUsage(
      name === undefined
        ? "No command"
        : `Unknown ${name.startsWith("-") ? "option" : "command"} ${name}`,
      Object.values(COMMANDS),
    );
  }
  return await runCommand(command, rest);
}

function print(text: string): number {
  console.log(text);
  return 0;
}
