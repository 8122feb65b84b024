/** Servers behind a proxy. */

import type { Child } from "../spawn.ts";
import { type RunningProxy, startProxy } from "./proxy.ts";
import {
  type RunningServer,
  type ServerCounts,
  type ServerOptions,
  startServer,
} from "./server.ts";

/** What may differ from server to server. */
type Deployed = Pick<ServerOptions, "secrets" | "version">;

const SERVERS = 3;

/** Three servers, and the proxy in front of them. */
export class Fleet implements AsyncDisposable {
  readonly #options: ServerOptions;
  readonly #proxy: RunningProxy;
  readonly #servers: RunningServer[] = [];
  readonly #deployed: Deployed[] = [];
  /** Per server, what is being done to it. */
  readonly #turns: Promise<void>[] = Array(SERVERS).fill(Promise.resolve());
  /** What servers have counted that have ended. */
  readonly #ended: ServerCounts[] = [];

  private constructor(options: ServerOptions, proxy: RunningProxy) {
    this.#options = options;
    this.#proxy = proxy;
  }

  /** Starts them. */
  static async start(options: ServerOptions): Promise<Fleet> {
    const fleet = new Fleet(options, await startProxy());
    try {
      for (let n = 0; n < SERVERS; n++) {
        fleet.#deployed[n] = options;
        fleet.#servers[n] = await startServer(options);
      }
      await fleet.#tellProxy();
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where requests go. */
  get port(): number {
    return this.#proxy.port;
  }

  /** Kills the n-th of the servers, counted round, and starts it anew after a while, in ms. */
  kill(nth: number, away: number): Promise<void> {
    const n = nth % SERVERS;
    return this.#inTurn(n, async () => {
      // What it has counted is lost with it.
      await this.#servers[n]!.process[Symbol.asyncDispose]();
      await new Promise((resolve) => setTimeout(resolve, away));
      await this.#startAnew(n);
    });
  }

  /**
   * Replaces the servers one after the other by others: each new one is started,
   * gets the requests, and the old one finishes those that it has.
   *
   * @param change What is different.
   */
  async deploy(change: Partial<Deployed>): Promise<void> {
    for (let n = 0; n < SERVERS; n++) {
      await this.#inTurn(n, async () => {
        this.#deployed[n] = { ...this.#deployed[n]!, ...change };
        const { process } = this.#servers[n]!;
        await this.#startAnew(n);
        this.#ended.push(await countsOf(process));
        process.kill("SIGTERM");
        await process.end();
      });
    }
  }

  /** Adds up what all servers have counted that were not killed. */
  async count(): Promise<ServerCounts> {
    const running = await Promise.all(
      this.#servers.map((_, n) =>
        new Promise<ServerCounts>((resolve, reject) => {
          this.#inTurn(n, async () => {
            resolve(await countsOf(this.#servers[n]!.process));
          }).catch(reject);
        })
      ),
    );
    const all = [...this.#ended, ...running];
    const sumOf = (name: "resealed" | "unopenable" | "dropped") =>
      all.reduce((sum, counts) => sum + counts[name], 0);
    return {
      resealed: sumOf("resealed"),
      unopenable: sumOf("unopenable"),
      dropped: sumOf("dropped"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [this.#proxy, ...this.#servers];
    await Promise.all(
      all.map(({ process }) => process[Symbol.asyncDispose]()),
    );
  }

  async #startAnew(n: number): Promise<void> {
    this.#servers[n] = await startServer({
      ...this.#options,
      ...this.#deployed[n]!,
    });
    await this.#tellProxy();
  }

  async #tellProxy(): Promise<void> {
    await this.#proxy.serve(this.#servers.map(({ port }) => port));
  }

  #inTurn(n: number, work: () => Promise<void>): Promise<void> {
    const turn = this.#turns[n]!.then(work);
    this.#turns[n] = turn.catch(() => {}); // it reaches the caller
    return turn;
  }
}

async function countsOf(process: Child): Promise<ServerCounts> {
  await process.writeLine();
  const line = await process.readLine();
  if (line === undefined) {
    throw new Error(`A server has ended: ${(await process.end()).stderr}`);
  }
  return JSON.parse(line);
}
