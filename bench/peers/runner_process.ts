import type { Request } from "./protocol.ts";

const TROUBLE_LENGTH = 2_000;

/** A running runner, and the way to tell it something. */
export class RunnerProcess {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncGenerator<string>;
  readonly #stderr: Promise<void>;
  #trouble = "";

  /**
   * Starts one.
   *
   * @param command What to execute, and its arguments.
   */
  constructor([program, ...args]: readonly [string, ...string[]]) {
    this.#process = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#answers = linesOf(this.#process.stdout);
    this.#stderr = this.#keepTrouble();
  }

  /**
   * Tells it something.
   *
   * @typeParam T What it answers to this.
   * @param request What it is told; one at a time.
   * @returns Its answer.
   * @throws {Error} If it failed, or ended.
   */
  async ask<T>(request: Request): Promise<T> {
    const line = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
    await this.#input.write(line).catch(() => {});
    for (;;) {
      const { done, value } = await this.#answers.next();
      if (done) {
        await this.#stderr;
        throw new Error(`Cannot go on: it ended. ${this.#trouble}`);
      }
      // Whatever else is printed is the package's.
      if (!value.startsWith("@")) continue;
      const answer = JSON.parse(value.slice(1)) as { done: T; error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.done;
    }
  }

  /**
   * Tells the most memory that it ever had.
   *
   * @returns In bytes; `undefined` where that cannot be told, as outside of Linux.
   */
  async peakMemory(): Promise<number | undefined> {
    // Deno itself reads nothing there without all permissions.
    const path = `/proc/${this.#process.pid}/status`;
    try {
      const { stdout } = await new Deno.Command("grep", {
        args: ["^VmHWM:", path],
        stderr: "null",
      }).output();
      const [kibibytes] = new TextDecoder().decode(stdout).match(/\d+/) ?? [];
      return kibibytes === undefined ? undefined : Number(kibibytes) * 1_024;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** Ends it, whatever it does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.ask({ act: "close" }).catch(() => {});
    await this.#input.close().catch(() => {});
    await this.#process.status;
    await this.#stderr;
  }

  async #keepTrouble(): Promise<void> {
    const chunks = this.#process.stderr.pipeThrough(new TextDecoderStream());
    for await (const chunk of chunks) {
      this.#trouble = (this.#trouble + chunk).slice(-TROUBLE_LENGTH);
    }
  }
}

async function* linesOf(
  stream: ReadableStream<BufferSource>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
