/** A PostgreSQL server of a test's own, on loopback. */

import { removeIfThere } from "../../src/system/files.ts";
import { drawPort } from "../ports.ts";
import { findPostgres } from "./find_postgres.ts";

const READY = /database system is ready to accept (read-only )?connections/;
const TAKEN = "could not bind";
const ATTEMPTS = 5;
/** PostgreSQL refuses to run as root; it runs as the user "nobody", which owns no files. */
export const NOBODY = 65534;

// With few permissions the variable names the directory, so that none is searched.
const PROGRAMS = Deno.env.get("POSTGRES_BIN") ?? findPostgres() ?? "";
const IS_ROOT = Deno.uid() === 0;

/** What this machine lacks to start a server, if anything. */
export const missing: string | undefined = PROGRAMS === ""
  ? "no initdb and postgres here"
  : undefined;

/** How a server is started. */
export interface PostgresServerOptions {
  /** Settings, by name. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A server with an empty cluster in a temporary directory. It ends with the
 * process that started it; disposing it removes the directory.
 */
export class PostgresServer implements AsyncDisposable {
  /** Where it listens, on 127.0.0.1; the same after a restart. */
  port = 0;
  readonly #directory: string;
  readonly #settings: Readonly<Record<string, string>>;
  #process: Deno.ChildProcess | undefined;
  #log = "";
  #logged: Promise<void> = Promise.resolve();

  private constructor({ settings = {} }: PostgresServerOptions) {
    this.#directory = Deno.makeTempDirSync({ prefix: "latchkey-postgres-" });
    this.#settings = settings;
  }

  /** Makes the cluster and starts the server; it takes connections then. */
  static async start(
    options: PostgresServerOptions = {},
  ): Promise<PostgresServer> {
    const server = new PostgresServer(options);
    try {
      await server.#initialize();
      for (let attempt = 1; !await server.#start(drawPort()); attempt++) {
        if (attempt === ATTEMPTS) throw new Error("Cannot find a free port");
      }
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /**
   * Starts it again after {@linkcode PostgresServer.stop}, where it was.
   *
   * @param isStandby Whether as the standby of a server that is gone: until it is
   * started again otherwise, it takes no changes.
   */
  async restart(isStandby = false): Promise<void> {
    const signal = `${this.#data}/standby.signal`;
    if (isStandby) {
      Deno.writeTextFileSync(signal, "");
      if (IS_ROOT) Deno.chownSync(signal, NOBODY, NOBODY);
    } else removeIfThere(signal);
    if (await this.#start(this.port)) return;
    throw new Error("Cannot restart PostgreSQL: its port is taken");
  }

  /**
   * Ends it, and all connections with it.
   *
   * @param signal `SIGQUIT` to let it recover from its log when it starts again.
   */
  async stop(signal: "SIGINT" | "SIGQUIT" = "SIGINT"): Promise<void> {
    this.#process?.kill(signal);
    await this.#process?.status;
    await this.#logged;
    this.#process = undefined;
  }

  /** Ends it and removes the cluster. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.#directory, { recursive: true });
  }

  get #data(): string {
    return `${this.#directory}/data`;
  }

  async #initialize(): Promise<void> {
    Deno.mkdirSync(this.#data, { mode: 0o700 });
    if (IS_ROOT) {
      letThrough(this.#directory);
      Deno.chownSync(this.#data, NOBODY, NOBODY);
    }
    const { success, stderr } = await commandFor("initdb", [
      `--pgdata=${this.#data}`,
      "--username=postgres",
      "--auth=trust",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
    ]).output();
    if (success) return;
    throw new Error(
      `Cannot make a cluster: ${new TextDecoder().decode(stderr)}`,
    );
  }

  /** Starts it; returns `false` when the port is taken. */
  async #start(port: number): Promise<boolean> {
    this.port = port;
    const settings = {
      port: String(port),
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      fsync: "off",
      shared_buffers: "32MB",
      lc_messages: "C",
      ...this.#settings,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ]);
    this.#process = commandFor("postgres", ["-D", this.#data, ...args]).spawn();
    const { promise: isReady, resolve } = Promise.withResolvers<boolean>();
    this.#logged = this.#read(this.#process.stderr, () => resolve(true))
      .then(() => resolve(false));
    if (await isReady) return true;
    await this.stop();
    if (this.#log.includes(TAKEN)) return false;
    throw new Error(`Cannot start PostgreSQL: ${this.#log}`);
  }

  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    tellReady: () => void,
  ): Promise<void> {
    this.#log = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#log += text;
      if (READY.test(this.#log)) tellReady();
    }
  }
}

/** Makes the command of a program that ends with this process and is not root. */
function commandFor(program: string, args: string[]): Deno.Command {
  const rights = IS_ROOT
    ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"]
    : [];
  const path = `${PROGRAMS}/${program}`;
  const [command, ...rest] = Deno.build.os === "linux"
    ? ["setpriv", ...rights, "--pdeathsig=QUIT", path]
    : [path];
  return new Deno.Command(command!, {
    args: [...rest, ...args],
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
}

/** Lets other users enter a directory, and the one above it. */
export function letThrough(directory: string): void {
  const above = directory.slice(0, directory.lastIndexOf("/"));
  for (const path of [directory, above]) {
    const { mode } = Deno.statSync(path);
    if ((mode! & 0o001) === 0) Deno.chmodSync(path, mode! & 0o777 | 0o011);
  }
}
