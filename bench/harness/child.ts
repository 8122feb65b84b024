import { fromFileUrl } from "@std/path/from-file-url";

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]];

const TROUBLE_LENGTH = 2_000;
/** How Linux counts processor time, in milliseconds. */
const TICK = 10;

/**
 * A process that answers with lines of stdout: "@" and JSON, either `{"done":…}`
 * or `{"error":"…"}`. Other lines are what its packages print. It ends when its
 * stdin does.
 */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<void>;
  #trouble = "";

  constructor(
    [program, ...args]: Command,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#process = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...env },
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#answers = this.#process.stdout
      .pipeThrough(new TextDecoderStream()).pipeThrough(answerLines())
      .getReader();
    this.#stderr = this.#keepTrouble();
  }

  /**
   * Waits for its next answer.
   *
   * @throws {Error} If it failed, or ended.
   */
  async next<T>(): Promise<T> {
    const { done, value } = await this.#answers.read();
    if (done) {
      await this.#stderr;
      throw new Error(
        `Cannot go on: the process ended. ${this.#trouble.trim()}`,
      );
    }
    const answer = JSON.parse(value) as { done: T; error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.done;
  }

  /** Sends a request, one at a time, and waits for the answer. */
  async ask<T>(request: object): Promise<T> {
    const line = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
    // Where it has ended, the answer says so.
    await this.#input.write(line).catch(() => {});
    return await this.next();
  }

  /**
   * Returns the most memory that it ever had, in bytes; `undefined` where that
   * cannot be told, as outside of Linux.
   */
  async peakMemory(): Promise<number | undefined> {
    // Deno itself reads nothing there without all permissions.
    const text = await readProgram("grep", [
      "VmHWM:",
      `/proc/${this.#process.pid}/status`,
    ]);
    const [kibibytes] = text?.match(/\d+/) ?? [];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1_024;
  }

  /**
   * Returns the processor time that it has taken, in milliseconds; `undefined` where
   * that cannot be told, as outside of Linux.
   */
  async processorTime(): Promise<number | undefined> {
    const text = await readProgram("cat", [`/proc/${this.#process.pid}/stat`]);
    // The program's name may hold blanks, and stands in brackets.
    const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
    const [user, system] = [fields?.[11], fields?.[12]].map(Number);
    return fields && TICK * (user! + system!);
  }

  /** Ends its stdin. */
  async close(): Promise<void> {
    await this.#input.close().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.#process.status;
    await this.#stderr;
    await this.#answers.cancel();
  }

  async #keepTrouble(): Promise<void> {
    const chunks = this.#process.stderr.pipeThrough(new TextDecoderStream());
    for await (const chunk of chunks) {
      this.#trouble = (this.#trouble + chunk).slice(-TROUBLE_LENGTH);
    }
  }
}

/** Prints an answer, as a {@linkcode Child} does. */
export function answer(done: unknown): void {
  console.log(`@${JSON.stringify({ done })}`);
}

/** Returns the command that runs a module of this repository. */
export function denoCommand(
  module: URL,
  args: readonly string[],
  permissions: readonly string[] = ["--allow-all"],
): Command {
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    ...permissions,
    fromFileUrl(module),
    ...args,
  ];
}

/**
 * Runs a program, and returns what it printed, without the blanks around it.
 *
 * @throws {Deno.errors.NotFound} If it is not installed.
 * @throws {Error} If it failed.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
): Promise<string> {
  const { success, stdout, stderr } = await execute(program, args);
  if (success) return stdout;
  throw new Error(`Cannot ${program} ${args.join(" ")}: ${stderr}`);
}

/** The same; `undefined` where it is not installed, or failed. */
export async function readProgram(
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { success, stdout } = await execute(program, args);
    return success ? stdout : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function execute(program: string, args: readonly string[]) {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
  }).output();
  const [text, trouble] = [stdout, stderr]
    .map((bytes) => new TextDecoder().decode(bytes).trim()) as [string, string];
  return { success, stdout: text, stderr: trouble };
}

/** Keeps the lines that are answers, without their "@". */
function answerLines(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream(
    {
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          if (line.startsWith("@")) controller.enqueue(line.slice(1));
        }
      },
      // Reads on without a demand, or what a package prints would block it.
    },
    undefined,
    { highWaterMark: 16 },
  );
}
