import { type CommandResult, runCommand } from "../cli/command.ts";

const ROOT = new URL("../../", import.meta.url);

/**
 * The demo, as `deno task demo` runs it: a process of its own that may do what
 * the demo needs and no more. Disposing ends it, and removes its sessions.
 */
export class DemoServer implements AsyncDisposable {
  /** Where the sessions are; the demo makes it. */
  readonly directory: string;
  /** Where it listens, without a slash at the end. */
  readonly url: string;

  /** The temporary directory around it all. */
  readonly parent: string;
  readonly #child: Deno.ChildProcess;

  private constructor(parent: string, child: Deno.ChildProcess, url: string) {
    this.parent = parent;
    this.#child = child;
    this.directory = `${parent}/sessions`;
    this.url = url;
  }

  /** Starts it, on the sessions that another one has left, if there is one. */
  static async start(before?: DemoServer): Promise<DemoServer> {
    const parent = before?.parent ?? Deno.realPathSync(Deno.makeTempDirSync());
    const directory = `${parent}/sessions`;
    return await DemoServer.startOn(["--at", directory], [
      "--allow-net=localhost",
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
    ], parent);
  }

  /** Starts it with options and permissions of one's own. */
  static async startOn(
    options: readonly string[],
    flags: readonly string[],
    parent: string = Deno.realPathSync(Deno.makeTempDirSync()),
  ): Promise<DemoServer> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-prompt",
        ...flags,
        new URL("src/demo/main.ts", ROOT).pathname,
        ...["--port", "0", ...options],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const line = await readLine(child.stdout);
    const [, url] = /(http:\/\/localhost:\d+)\//.exec(line) ?? [];
    if (url === undefined) throw new Error(`Cannot start the demo: ${line}`);
    return new DemoServer(parent, child, url);
  }

  /** Lists the names of the sessions' files. */
  list(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name)
      .filter((name) => !name.startsWith("."));
  }

  /** Reads a session's file. */
  read(name: string): string {
    return Deno.readTextFileSync(`${this.directory}/${name}`);
  }

  /** Sends a signal. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits until it has ended. */
  async end(): Promise<Deno.CommandStatus> {
    return await this.#child.status;
  }

  /** Ends it if it has not ended, and removes its sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.signal("SIGKILL");
    } catch (error) {
      // It has ended; a process that is gone takes no signal.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.end();
    try {
      Deno.removeSync(this.parent, { recursive: true });
    } catch (error) {
      // The one that took over the sessions has removed them.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Runs the demo to its end. */
export async function runDemo(
  args: readonly string[],
  permissions: readonly string[] = [],
): Promise<CommandResult> {
  return await runCommand(args, { permissions, module: "src/demo/main.ts" });
}

/** Reads the first line that a process prints; the rest is not read. */
export async function readLine(
  stream: ReadableStream<Uint8Array>,
): Promise<string> {
  let text = "";
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return text.split("\n")[0]!;
}
