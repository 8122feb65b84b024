/** A PgBouncer of a test's own, on loopback. */

import { drawPort } from "../ports.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { letThrough, NOBODY } from "./postgres_server.ts";

const READY = "process up";
const TAKEN = "Address already in use";
const ATTEMPTS = 5;
/** From this version on it can prepare statements in transaction mode. */
const PREPARES = 21;

/** PgBouncer refuses to run as root. */
const RIGHTS = Deno.uid() === 0
  ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"]
  : [];
const VERSION = findVersion();

/** What this machine lacks to start one, if anything. */
export const missingPgBouncer: string | undefined = VERSION === undefined
  ? "no pgbouncer and setpriv here"
  : undefined;

/**
 * Stands before a server: each transaction runs on one of two connections, and
 * no statement can be prepared. It ends with the process that started it.
 */
export class PgBouncer implements AsyncDisposable {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  readonly #directory = new TemporaryDirectory();
  readonly #process: Deno.ChildProcess;
  #log = "";
  #logged: Promise<void> = Promise.resolve();

  private constructor(port: number, server: number) {
    this.port = port;
    letThrough(this.#directory.path);
    const settings = this.#directory.join("pgbouncer.ini");
    Deno.writeTextFileSync(
      settings,
      `[databases]
       * = host=127.0.0.1 port=${server} user=postgres
       [pgbouncer]
       listen_addr = 127.0.0.1
       listen_port = ${port}
       unix_socket_dir =
       auth_type = any
       pool_mode = transaction
       default_pool_size = 2
       ${VERSION! < PREPARES ? "" : "max_prepared_statements = 0"}
      `.replaceAll(/^ +/gm, ""),
    );
    this.#process = commandFor([settings]).spawn();
  }

  /**
   * Starts one; it takes connections then.
   *
   * @param server The port of the server behind it.
   */
  static async start(server: number): Promise<PgBouncer> {
    for (let attempt = 1;; attempt++) {
      const bouncer = new PgBouncer(drawPort(), server);
      if (await bouncer.#isReady()) return bouncer;
      const log = bouncer.#log;
      await bouncer[Symbol.asyncDispose]();
      if (attempt < ATTEMPTS && log.includes(TAKEN)) continue;
      throw new Error(`Cannot start PgBouncer: ${log}`);
    }
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGINT");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#process.status;
    await this.#logged;
    this.#directory[Symbol.dispose]();
  }

  #isReady(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#logged = this.#read(() => resolve(true)).then(() => resolve(false));
    return promise;
  }

  async #read(tellReady: () => void): Promise<void> {
    const texts = this.#process.stderr.pipeThrough(new TextDecoderStream());
    for await (const text of texts) {
      this.#log += text;
      if (this.#log.includes(READY)) tellReady();
    }
  }
}

function commandFor(args: string[]): Deno.Command {
  return new Deno.Command("setpriv", {
    args: [...RIGHTS, "--pdeathsig=QUIT", "pgbouncer", ...args],
    env: { PATH: "/usr/sbin:/usr/bin:/bin" },
    clearEnv: true,
    stdin: "null",
    stdout: args[0] === "--version" ? "piped" : "null",
    stderr: "piped",
  });
}

/** Returns the second number of its version. */
function findVersion(): number | undefined {
  try {
    const { stdout } = commandFor(["--version"]).outputSync();
    const version = /PgBouncer 1\.(\d+)/.exec(new TextDecoder().decode(stdout));
    return version === null ? undefined : Number(version[1]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
