/** A network that loses a connection after Redis has carried out a command. */

const HOST = "127.0.0.1";
const decoder = new TextDecoder();

/** Hands connections on to a server, and can cut one before an answer. */
export class CutConnection implements AsyncDisposable {
  /** Where it listens, on the loopback. */
  readonly port: number;
  readonly #server: number;
  readonly #listener = Deno.listen({ hostname: HOST, port: 0 });
  readonly #serving: Promise<void>;
  #meanwhile: (() => Promise<unknown>) | undefined;

  /** @param server The port of the server. */
  constructor(server: number) {
    this.#server = server;
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#serving = this.#serve();
  }

  /** Whether the connection was cut since it was last asked for. */
  get hasCut(): boolean {
    return this.#meanwhile === undefined;
  }

  /**
   * Cuts the connection that sends the next script, once that is carried out.
   *
   * @param meanwhile What happens before the client connects again.
   */
  cutNext(meanwhile: () => Promise<unknown>): void {
    this.#meanwhile = meanwhile;
  }

  async #serve(): Promise<void> {
    const connections: Promise<void>[] = [];
    for await (const client of this.#listener) {
      connections.push(this.#connect(client));
    }
    await Promise.all(connections);
  }

  async #connect(client: Deno.Conn): Promise<void> {
    const server = await Deno.connect({ hostname: HOST, port: this.#server });
    let isArmed = false;
    const sent = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        const isScript = decoder.decode(chunk).includes("EVAL");
        isArmed ||= isScript && this.#meanwhile !== undefined;
        controller.enqueue(chunk);
      },
    });
    const answered = new TransformStream<Uint8Array, Uint8Array>({
      transform: async (chunk, controller) => {
        const meanwhile = this.#meanwhile;
        if (!isArmed || meanwhile === undefined) {
          controller.enqueue(chunk);
          return;
        }
        await meanwhile();
        this.#meanwhile = undefined;
        throw new Error("cut");
      },
    });
    // Either end may close the connection, and a cut is an error on purpose.
    await Promise.allSettled([
      client.readable.pipeThrough(sent).pipeTo(server.writable),
      server.readable.pipeThrough(answered).pipeTo(client.writable),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }
}
