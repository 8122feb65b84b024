import { fromFileUrl } from "@std/path/from-file-url";

/** What one run of wrk found. */
export interface Run {
  /** How many were answered, with whatever status. */
  readonly requests: number;
  /** How long it took. */
  readonly seconds: number;
  /** How many were answered with a status from 400 on. */
  readonly refused: number;
  /** How many were not answered: connect, read, write, 2 seconds without. */
  readonly broken: number;
  /** The latency that half of the requests stayed below, in milliseconds. */
  readonly p50: number;
  /** The latency that 99 % of the requests stayed below, in milliseconds. */
  readonly p99: number;
}

/** What {@linkcode runWrk} takes. */
export interface WrkOptions {
  /** A file of cookies, one a line. */
  readonly cookies: string;
  /** How many connections are kept open. */
  readonly connections: number;
  /** For how long, in whole seconds. */
  readonly seconds: number;
}

const SCRIPT = fromFileUrl(new URL("requests.lua", import.meta.url));

/** Tells which wrk there is. */
export async function wrkVersion(): Promise<string> {
  // It takes `-v` for a wrong usage, and says its version all the same.
  const { stdout } = await wrk(["-v"]);
  return /^wrk (?:debian\/)?([\d.]+)/.exec(stdout)?.[1] ?? "unknown";
}

/**
 * Lets wrk ask a server on this machine, as fast as it answers.
 *
 * @param port The server's.
 * @param options See there.
 * @throws {Error} If there is no wrk, or it failed.
 */
export async function runWrk(port: number, options: WrkOptions): Promise<Run> {
  const { cookies, connections, seconds } = options;
  const { stdout, stderr } = await wrk([
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--latency",
    "-s",
    SCRIPT,
    `http://127.0.0.1:${port}/`,
    "--",
    cookies,
  ]);
  const line = /^@(.*)$/m.exec(stdout)?.[1];
  if (line !== undefined) return JSON.parse(line) as Run;
  throw new Error(`Cannot measure: wrk says ${stderr.trim() || stdout.trim()}`);
}

async function wrk(
  args: string[],
): Promise<{ stdout: string; stderr: string }> {
  const decoder = new TextDecoder();
  try {
    const { stdout, stderr } = await new Deno.Command("wrk", { args }).output();
    return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const message = "Cannot measure: there is no wrk (apt-get install wrk)";
    throw new Error(message, { cause: error });
  }
}
