import type { Action } from "./contestant.ts";

const PATIENCE = 120_000;
const TROUBLE_LENGTH = 2_000;

/** One contestant in a process of its own. */
export class ServerProcess {
  readonly #process: Deno.ChildProcess;
  #trouble = "";
  #ports: Readonly<Record<Action | "make", number>> | undefined;

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
      env: { NO_COLOR: "1", NODE_ENV: "production" },
    }).spawn();
  }

  /**
   * Waits for its ports.
   *
   * @throws {Error} If it ended, or says nothing for two minutes.
   */
  async listening(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(
      () => reject(new Error("Cannot start: it says nothing")),
      PATIENCE,
    );
    this.#hear(this.#process.stderr, (text) => {
      this.#trouble = (this.#trouble + text).slice(-TROUBLE_LENGTH);
    });
    let heard = "";
    // To the end, or what it prints later would stop it.
    const whole = this.#hear(this.#process.stdout, (text) => {
      if (this.#ports !== undefined) return;
      heard += text;
      const line = /^@(.*)\n/m.exec(heard)?.[1];
      if (line !== undefined) resolve(line);
    });
    whole.then(() => reject(new Error(`Cannot start: ${this.#trouble}`)));
    try {
      this.#ports = JSON.parse(await promise);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The port of a handler. */
  port(handler: Action | "make"): number {
    return this.#ports![handler];
  }

  /** What it complained about, if anything. */
  get trouble(): string {
    return this.#trouble.trim();
  }

  /** Ends it, whatever it does. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#process.stdin.close().catch(() => {});
    await this.#process.status;
  }

  async #hear(
    stream: ReadableStream<BufferSource>,
    say: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      say(text);
    }
  }
}
