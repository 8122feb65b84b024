import { Console, type Streams } from "./console.ts";
import { Interruption, writeText } from "./terminal.ts";
import { type Command, readArguments, UsageError } from "./usage.ts";

/** The options of a command: what each takes, and what it does. */
export type OptionTable = Readonly<
  Record<string, {
    /** What follows the option, as the usage calls it; missing for none. */
    readonly value?: string;
    /** What it does, in one line or more. */
    readonly help: string;
  }>
>;

/** What a command was asked to do, and how it speaks. */
export interface Call<Name extends string> {
  /** The values of the options, as written. */
  readonly options: Readonly<Partial<Record<Name, string>>>;
  /** Whether each option without a value was given. */
  readonly flags: Readonly<Record<Name, boolean>>;
  /** The other arguments. */
  readonly positionals: readonly string[];
  /** What the command prints. */
  readonly console: Console;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /**
   * Sets what is said if the command is interrupted: what it has done.
   *
   * @param describe Called then.
   */
  onInterruption(describe: () => string): void;
}

/** A command of this program. */
export interface CommandDefinition<Name extends string> {
  /** Its name. */
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** The arguments without a name, as the usage calls them. */
  readonly positionals: readonly string[];
  /** What may follow them, as the usage calls it. */
  readonly more?: string;
  /** Its options. */
  readonly options: { readonly [K in Name]: OptionTable[string] };
  /** What it does, in sentences. */
  readonly about: string;
  /** What the exit codes mean, where they mean more than usually. */
  readonly exitCodes?: string;
  /** Which permissions it needs. */
  readonly permissions: string;
  /**
   * Does it.
   *
   * @returns The exit code.
   */
  readonly run: (call: Call<Name>) => Promise<number>;
}

/** A command of this program, ready to run. */
export interface ProgramCommand extends Command {
  readonly name: string;
  /** How it is called, without its options. */
  readonly call: string;
  readonly summary: string;
}

const HELP_OPTION = ["-h, --help", "print this"] as const;
const EXIT_CODES = "0 done; 1 failed; 2 wrong usage; 130 interrupted.";

/** Makes a command of its definition. */
export function defineCommand<Name extends string>(
  definition: CommandDefinition<Name>,
): ProgramCommand {
  const { name, summary, positionals, more } = definition;
  const table: OptionTable = definition.options;
  const names = Object.keys(table) as Name[];
  const usage = {
    options: names.filter((option) => table[option]!.value !== undefined),
    flags: names.filter((option) => table[option]!.value === undefined),
    positionals,
    isOpen: more !== undefined,
  };
  const words = names.map((option) => `[${wordsOf(option, table)}]`);
  const brief = [name, ...positionals, ...more ? [more] : []].join(" ");
  const line = [brief, ...words].join(" ");
  return {
    name,
    call: brief,
    summary,
    usage: line,
    run: async (args, streams) => {
      const given = readArguments(args, usage);
      if (given === "help") {
        writeText(streams.stdout, `${helpOf(line, definition)}\n`);
        return 0;
      }
      for (const [n, positional] of positionals.entries()) {
        if (given.positionals[n] === "") {
          throw new UsageError(`${positional} is missing`);
        }
      }
      const { options, flags } = given;
      return await runUntilInterrupted(streams, (call) =>
        definition.run({
          options: options as Call<Name>["options"],
          flags: flags as Call<Name>["flags"],
          positionals: given.positionals,
          ...call,
        }));
    },
  };
}

type Circumstances = Pick<
  Call<string>,
  "console" | "signal" | "onInterruption"
>;

async function runUntilInterrupted(
  streams: Streams,
  run: (circumstances: Circumstances) => Promise<number>,
): Promise<number> {
  using interruption = new Interruption();
  const { signal } = interruption;
  let describe = (): string => "";
  try {
    using console = new Console(streams);
    return await run({
      console,
      signal,
      onInterruption: (describeIt) => describe = describeIt,
    });
  } catch (error) {
    const exitCode = interruption.exitCodeOf(error);
    const done = describe();
    writeText(
      streams.stderr,
      `Interrupted${done === "" ? "" : `: ${done}`}\n`,
    );
    return exitCode;
  }
}

function wordsOf(option: string, table: OptionTable): string {
  const { value } = table[option]!;
  return value === undefined ? `--${option}` : `--${option} ${value}`;
}

function helpOf<Name extends string>(
  usage: string,
  definition: CommandDefinition<Name>,
): string {
  const table: OptionTable = definition.options;
  const rows = [
    ...Object.keys(table).map((option) =>
      [wordsOf(option, table), table[option]!.help] as const
    ),
    HELP_OPTION,
  ];
  const width = Math.max(...rows.map(([words]) => words.length)) + 2;
  const lines = rows.map(([words, help]) =>
    `  ${words.padEnd(width)}${
      help.replaceAll("\n", `\n${" ".repeat(width + 2)}`)
    }`
  );
  return [
    `Usage: ${usage}`,
    definition.about,
    `Options:\n${lines.join("\n")}`,
    `Exit codes: ${
      definition.exitCodes ?? EXIT_CODES
    }\n${definition.permissions}`,
  ].join("\n\n");
}
