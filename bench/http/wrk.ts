import { fromFileUrl } from "@std/path/from-file-url";
import { settle } from "../harness/benchmark.ts";
import { Child } from "../harness/child.ts";

/** What one run of wrk found. */
export interface WrkRun {
  /** How many were answered, with whatever status. */
  readonly requests: number;
  readonly seconds: number;
  /** How many were answered with a status from 400 on. */
  readonly refused: number;
  /** How many were not answered: connect, read, write, 2 seconds without. */
  readonly broken: number;
  /** Latencies, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** How wrk asks. */
export interface WrkOptions {
  /** How many connections it keeps open. */
  readonly connections: number;
  /** How long it asks, in whole seconds. */
  readonly seconds: number;
  /**
   * How long a connection waits on average before it asks again, in milliseconds.
   *
   * @default {undefined} not at all
   */
  readonly pause?: number;
}

const SCRIPT = fromFileUrl(new URL("requests.lua", import.meta.url));

/**
 * Lets wrk ask a server.
 *
 * @param port Where it answers, on this machine.
 * @param cookies A file of cookies, one a line.
 */
export async function runWrk(
  port: number,
  cookies: string,
  { connections, seconds, pause }: WrkOptions,
): Promise<WrkRun> {
  await settle(cookies);
  await using wrk = new Child([
    "wrk",
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    ...["--latency", "-s", SCRIPT, `http://127.0.0.1:${port}/`, "--", cookies],
    ...pause === undefined ? [] : [String(pause)],
  ]);
  return await wrk.next<WrkRun>();
}
