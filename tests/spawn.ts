/** Starts processes of tests, and ends each by its own process ID. */

const ROOT = new URL("../", import.meta.url);

/** What a child process may do, and where it runs. */
export interface ChildOptions {
  /** Paths that it may read and write. */
  readonly paths?: readonly string[];
  /** Further flags of `deno run`, for other permissions. */
  readonly flags?: readonly string[];
  /** A program and its arguments that start it: a shell with limits, strace. */
  readonly through?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** How a process ended, and its output that was not read before. */
export interface Ending {
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal?: Deno.Signal;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Starts a module as a process of its own.
 *
 * @param module Its URL, or its path from the root of the repository.
 * @param args Its arguments.
 */
export function spawn(
  module: string | URL,
  args: readonly string[],
  { paths = [], flags = [], ...options }: ChildOptions = {},
): Child {
  const access = ["read", "write"].map((what) => `--allow-${what}=${paths}`);
  return spawnDeno([
    ...["run", "--quiet", "--no-prompt"],
    ...paths.length > 0 ? access : [],
    ...flags,
    new URL(module, ROOT).href,
    ...args,
  ], options);
}

/**
 * Starts this Deno.
 *
 * @param args What follows `deno`.
 */
export function spawnDeno(
  args: readonly string[],
  { through = [], ...options }: Omit<ChildOptions, "paths" | "flags"> = {},
): Child {
  const [program, ...rest] = [...through, Deno.execPath(), ...args];
  return new Child(program!, rest, options);
}

/** Runs a program to its end, while this process waits. */
export function runSync(program: string, args: readonly string[]): Ending {
  return textOf(
    new Deno.Command(program, { args: [...args], stdin: "null" }).outputSync(),
  );
}

/** A process that was started; disposing ends it, wherever it is. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stdout: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;
  #text = "";

  /** Starts any program; {@linkcode spawn} is for modules. */
  constructor(
    program: string,
    args: readonly string[],
    { cwd = ROOT.pathname, env = {} }: Pick<ChildOptions, "cwd" | "env"> = {},
  ) {
    this.#process = new Deno.Command(program, {
      args: [...args],
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#process.stdin.getWriter();
    this.#stdout = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    this.#stderr = this.#process.stderr.text();
  }

  /** Its process ID. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Writes a line to its standard input. */
  async writeLine(line = ""): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Reads the next line that it prints; `undefined` when it has ended. */
  async readLine(): Promise<string | undefined> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#stdout.read();
      if (done) break;
      this.#text += value;
    }
    if (this.#text === "") return undefined;
    const [line = "", ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return line;
  }

  /**
   * Reads the next line.
   *
   * @throws {Error} If it is a different line; the process is ended first.
   */
  async expectLine(expected: string): Promise<void> {
    const line = await this.readLine();
    if (line === expected) return;
    this.kill();
    const error = await this.#stderr;
    throw new Error(`A process printed ${line}, not ${expected}: ${error}`);
  }

  /** Sends a signal; a process that has ended takes none. */
  kill(signal: Deno.Signal = "SIGKILL"): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /**
   * Closes its standard input, and waits for its end.
   *
   * @param longest The longest wait, in milliseconds.
   * @throws {Error} If it takes longer; the process is ended first.
   */
  async end(longest?: number): Promise<Ending> {
    await this.#closeStdin();
    let isLate = false;
    const alarm = longest === undefined ? undefined : setTimeout(() => {
      isLate = true;
      this.kill();
    }, longest);
    let stdout = this.#text;
    for (;;) {
      const { value, done } = await this.#stdout.read();
      if (done) break;
      stdout += value;
    }
    const stderr = await this.#stderr;
    const { code, signal } = await this.#process.status;
    clearTimeout(alarm);
    if (isLate) throw new Error(`A process hangs: ${stdout}${stderr}`);
    return { code, ...signal !== null && { signal }, stdout, stderr };
  }

  /** Ends it with SIGKILL if it has not ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#process.status;
    await this.#closeStdin();
    await this.#stdout.cancel();
    await this.#stderr;
  }

  async #closeStdin(): Promise<void> {
    // A process that has ended takes no more input.
    await this.#stdin.close().catch(() => {});
  }
}

function textOf(
  { code, signal, stdout, stderr }: Deno.CommandOutput,
): Ending {
  const decoder = new TextDecoder();
  return {
    code,
    ...signal !== null && { signal },
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}
