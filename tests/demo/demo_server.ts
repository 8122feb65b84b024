import { fromFileUrl } from "@std/path";
import { type Child, type Ending, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const MAIN = "src/demo/main.ts";

/** The certificate of a demo over https. */
export const CERT: string = pathOf("localhost.crt");
/** The key of the certificate. */
export const KEY: string = pathOf("localhost.key");

function pathOf(name: string): string {
  return fromFileUrl(new URL(`../browser/${name}`, import.meta.url));
}

/**
 * The demo, as `deno task demo` runs it: a process of its own with only the
 * permissions that it needs. Disposing ends it, and removes its sessions.
 */
export class DemoServer implements AsyncDisposable {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Where the sessions are; the demo creates it. */
  readonly directory: string;

  readonly #child: Child;
  readonly #temporary: TemporaryDirectory | undefined;

  private constructor(
    child: Child,
    url: string,
    directory: string,
    temporary?: TemporaryDirectory,
  ) {
    this.#child = child;
    this.url = url;
    this.directory = directory;
    this.#temporary = temporary;
  }

  /**
   * Starts the demo on a directory.
   *
   * @param other Another server, whose sessions it shares.
   * @param isBound Whether it is over https, and binds sessions to devices.
   */
  static async start(
    other?: DemoServer,
    isBound = false,
  ): Promise<DemoServer> {
    const temporary = other === undefined
      ? new TemporaryDirectory()
      : undefined;
    const directory = other?.directory ?? temporary!.join("sessions");
    const args = isBound ? ["--cert", CERT, "--key", KEY] : [];
    const { child, url } = await startDemo(["--at", directory, ...args], [
      "--allow-net=localhost",
      `--allow-read=${[directory, ...isBound ? [CERT, KEY] : []]}`,
      `--allow-write=${directory}`,
    ]);
    return new DemoServer(child, url, directory, temporary);
  }

  /** Starts the demo over https, where it binds sessions to devices. */
  static async startBound(): Promise<DemoServer> {
    return await DemoServer.start(undefined, true);
  }

  /** Starts the demo on another store; its sessions are left there. */
  static async startOn(
    kind: string,
    where: string,
    flags: readonly string[],
  ): Promise<DemoServer> {
    const args = ["--store", kind, "--at", where];
    const { child, url } = await startDemo(args, flags);
    return new DemoServer(child, url, where);
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
  async end(): Promise<Ending> {
    return await this.#child.end();
  }

  /** Ends it if it has not ended, and removes its sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
    this.#temporary?.[Symbol.dispose]();
  }
}

/** Runs the demo to its end. */
export async function runDemo(
  args: readonly string[],
  flags: readonly string[] = [],
): Promise<Ending> {
  return await spawn(MAIN, args, { flags }).end();
}

async function startDemo(
  args: readonly string[],
  flags: readonly string[],
): Promise<{ child: Child; url: string }> {
  const child = spawn(MAIN, ["--port", "0", ...args], { flags });
  const line = await child.readLine();
  const [, url] = /(https?:\/\/localhost:\d+)\//.exec(line ?? "") ?? [];
  if (url === undefined) throw new Error(`Cannot start the demo: ${line}`);
  return { child, url };
}
