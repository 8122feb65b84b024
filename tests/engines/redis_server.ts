/** Real Redis servers, as children on loopback ports of their own. */

import { drawPort } from "../ports.ts";
import { Child, runSync } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { type Answer, ask } from "./redis_wire.ts";

const PAUSE = 20;
const TIMEOUT = 60_000;

/** What this machine lacks to run Redis, if anything. */
export const missingRedis: string | undefined = findRedis();

/** What {@linkcode RedisServer.start} takes. */
export interface RedisServerOptions {
  /** Whether it keeps what it holds when it ends. */
  readonly isDurable?: boolean;
  /** Settings beside, each name with its value. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The file by which it is a sentinel, which watches other servers. */
  readonly sentinel?: string;
}

/** A Redis server, empty at first. */
export class RedisServer implements AsyncDisposable {
  /** Where it listens, on the loopback. */
  readonly port: number;
  readonly #directory: TemporaryDirectory;
  readonly #options: RedisServerOptions;
  #process: Child | undefined;

  private constructor(port: number, options: RedisServerOptions) {
    this.port = port;
    this.#directory = new TemporaryDirectory();
    this.#options = options;
  }

  /** Starts one on a port that is free. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    for (;;) {
      const port = drawPort();
      const server = new RedisServer(port, options);
      try {
        await server.resume();
        return server;
      } catch (error) {
        const isTaken = server.#log().includes("Address already in use");
        await server[Symbol.asyncDispose]();
        if (!isTaken) throw error;
      }
    }
  }

  /** Sends a command. */
  ask(...command: (string | number)[]): Promise<Answer> {
    return ask(this.port, ...command);
  }

  /** Starts it again, after it was stopped. */
  async resume(): Promise<void> {
    const { isDurable = false, settings = {}, sentinel } = this.#options;
    const place = {
      port: String(this.port),
      bind: "127.0.0.1",
      dir: this.#directory.path,
      logfile: "log",
    };
    const all = {
      ...place,
      save: "",
      appendonly: isDurable ? "yes" : "no",
      appendfsync: "always",
      "enable-debug-command": "yes",
      // By default it waits 5 s for further replicas.
      "repl-diskless-sync-delay": "0",
      ...settings,
    };
    const args = Object.entries(sentinel === undefined ? all : place)
      .flatMap(([name, value]) => [`--${name}`, value]);
    if (sentinel !== undefined) args.unshift(sentinel, "--sentinel");
    const process = this.#process = new Child("redis-server", args);
    let hasEnded = false;
    this.#process.end().then(() => hasEnded = true);
    await waitUntil("the server answers", async () => {
      if (hasEnded) throw new Error(`redis-server ended: ${this.#log()}`);
      try {
        // Another one may have the port already, as of a test beside this one.
        const info = String(await this.ask("INFO", "server"));
        return info.includes(`process_id:${process.pid}\r\n`);
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) return false;
        if (error instanceof Deno.errors.ConnectionReset) return false;
        if ((error as Error).message.startsWith("LOADING")) return false;
        throw error;
      }
    });
  }

  /** Stops it where it is: it takes connections, and answers nothing. */
  pause(): void {
    this.#process!.kill("SIGSTOP");
  }

  /** Lets it go on. */
  continue(): void {
    this.#process!.kill("SIGCONT");
  }

  /** Kills it; its data is lost, unless it is durable. */
  async stop(): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
    this.#process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#directory[Symbol.dispose]();
  }

  #log(): string {
    try {
      return Deno.readTextFileSync(this.#directory.join("log"));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }
}

/**
 * Waits until a replica has all that was written to its master before; `WAIT`
 * would tell that of its own connection only.
 */
export async function waitForReplica(
  master: RedisServer,
  replica: RedisServer,
): Promise<void> {
  const written = await offsetOf(master);
  await waitUntil(
    "the replica has received all",
    async () => await offsetOf(replica) >= written,
  );
}

/** How much it has written, or received of its master's. */
async function offsetOf(server: RedisServer): Promise<number> {
  const info = String(await server.ask("INFO", "replication"));
  return Number(/^master_repl_offset:(\d+)/m.exec(info)![1]);
}

/**
 * Polls until a condition is true.
 *
 * @param what The condition, for the error.
 * @param isSo Tests the condition.
 * @throws {Error} If it is not true within a minute.
 */
export async function waitUntil(
  what: string,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const end = performance.now() + TIMEOUT;
  while (!await isSo()) {
    if (performance.now() > end) throw new Error(`Timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

function findRedis(): string | undefined {
  try {
    runSync("redis-server", ["--version"]);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "no redis-server here";
    if (error instanceof Deno.errors.NotCapable) {
      return "may not run redis-server";
    }
    throw error;
  }
}
