import { parseArgs } from "@std/cli/parse-args";
import {
  hidePasswords,
  printable,
  reasonOf,
  type Streams,
  SYSTEM,
} from "./console.ts";
import { writeText } from "./terminal.ts";

/** Reports an invalid command line; {@linkcode runCommand} adds the usage. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The arguments that a command takes. */
export interface Usage<Option extends string, Flag extends string> {
  /** Names of the options with a value: `--port 80`. */
  readonly options: readonly Option[];
  /** Names of the options without a value: `--json`. */
  readonly flags: readonly Flag[];
  /** The arguments without a name, in order, as the usage calls them. */
  readonly positionals: readonly string[];
  /** Whether any number of arguments may follow. */
  readonly isOpen?: boolean | undefined;
}

/** The arguments that a command was given. */
export interface Given<Option extends string, Flag extends string> {
  /** The values of the options, as written. */
  readonly options: Readonly<Partial<Record<Option, string>>>;
  /** Whether each flag was given. */
  readonly flags: Readonly<Record<Flag, boolean>>;
  /** As many as the usage names, and any that may follow. */
  readonly positionals: readonly string[];
}

/**
 * Reads a command's arguments. Every command also takes `--help` and `-h`, and
 * requires nothing else then.
 *
 * @param args The arguments after the command.
 * @param usage The arguments that the command takes.
 * @returns The arguments it was given, or `"help"`.
 * @throws {UsageError} If an argument is unknown or missing.
 */
export function readArguments<Option extends string, Flag extends string>(
  args: readonly string[],
  usage: Usage<Option, Flag>,
): Given<Option, Flag> | "help" {
  const unknown: string[] = [];
  const parsed: Record<string, unknown> = parseArgs([...args], {
    // With `_`, a directory named 007 does not become the number 7.
    string: [...usage.options, "_"] as string[],
    boolean: [...usage.flags, "help"] as string[],
    alias: { help: "h" },
    unknown: (arg: string, key?: string) => {
      if (key !== undefined) unknown.push(arg);
      return key === undefined;
    },
  });
  // `-h=` is "" in @std/cli since 1.0.28, and `-h0` is 0.
  if (parsed.help !== false) return "help";
  if (unknown.length > 0) {
    throw new UsageError(`Unknown option ${unknown[0]}`);
  }

  const options: Partial<Record<Option, string>> = {};
  for (const name of usage.options) {
    const value = parsed[name];
    if (value === "") throw new UsageError(`--${name} needs a value`);
    if (typeof value === "string") options[name] = value;
  }
  const positionals = parsed._ as string[];
  const missing = usage.positionals[positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  if (positionals.length > usage.positionals.length && !usage.isOpen) {
    const extra = positionals[usage.positionals.length];
    throw new UsageError(`One argument too many: ${extra}`);
  }
  const flags = usage.flags.map((name) => [name, parsed[name] === true]);
  return { options, flags: Object.fromEntries(flags), positionals };
}

/**
 * Reads a number from 0 up, such as 30 or 0.5.
 *
 * @param name The option, for the message.
 * @param text Its value, as written.
 * @throws {UsageError} If it is not such a number.
 */
export function readNumber(name: string, text: string): number {
  if (/^\d{1,15}(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`--${name} is not a number from 0 up: ${text}`);
}

/** What a shell gives for a program whose output nothing reads. */
const BROKEN_PIPE = 141;

/** A command of a command line. */
export interface Command {
  /** How it is called, in one line. */
  readonly usage: string;
  /**
   * Runs it.
   *
   * @param args The arguments after the command.
   * @param streams What it reads and writes.
   * @returns The exit code.
   */
  readonly run: (
    args: readonly string[],
    streams: Streams,
  ) => Promise<number>;
}

/**
 * Runs a command. If it fails, the reason is printed on stderr.
 *
 * @param command The command.
 * @param args The arguments after the command.
 * @param streams What it reads and writes.
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141
 * when nothing reads the output.
 */
export async function runCommand(
  command: Command,
  args: readonly string[],
  streams: Streams = SYSTEM,
): Promise<number> {
  try {
    return await command.run(args, streams);
  } catch (error) {
    if (error instanceof UsageError) {
      return refuseUsage(error.message, [command], streams);
    }
    if (error instanceof Deno.errors.BrokenPipe) return BROKEN_PIPE;
    writeText(streams.stderr, `${reasonOf(error)}\n`);
    return 1;
  }
}

/** Prints on stderr what is wrong with a command line; returns the exit code. */
export function refuseUsage(
  problem: string,
  commands: readonly Pick<Command, "usage">[],
  { stderr }: Streams,
): number {
  const lines = [
    problem,
    ...commands.map(({ usage }) => `Usage: ${usage}`),
    "Try --help",
  ];
  writeText(stderr, `${printable(hidePasswords(lines.join("\n")), "\n")}\n`);
  return 2;
}
