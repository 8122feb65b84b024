/**
 * A client that sees each byte as it arrives, and disconnects at any moment:
 * `fetch` hides cookies, upgrades and what came when.
 */

import { assert } from "@std/assert";

/** The status line and headers of an answer. */
export interface Head {
  readonly status: number;
  readonly headers: Headers;
}

/** One connection. */
export class RawClient implements AsyncDisposable {
  /** All that has arrived so far. */
  received = "";
  readonly #connection: Deno.TcpConn;
  readonly #listening: Promise<void>;
  #isClosed = false;
  #news = Promise.withResolvers<void>();

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.#listening = this.#listen();
  }

  /** Connects to a server on this machine. */
  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) this.disconnect();
    await this.#listening;
  }

  /** Sends a request line and headers; `host` is added. */
  async ask(line: string, ...headers: readonly string[]): Promise<void> {
    const lines = [`${line} HTTP/1.1`, "host: a", ...headers, "", ""];
    await this.send(new TextEncoder().encode(lines.join("\r\n")));
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array): Promise<void> {
    const writer = this.#connection.writable.getWriter();
    await writer.write(bytes);
    writer.releaseLock();
  }

  /** Waits for the head of an answer. */
  async head(): Promise<Head> {
    await this.#until(() => this.received.includes("\r\n\r\n"));
    const [line = "", ...lines] = this.received.split("\r\n\r\n", 1)[0]!
      .split("\r\n");
    const headers = lines.map((text): [string, string] => {
      const at = text.indexOf(":");
      return [text.slice(0, at), text.slice(at + 1).trim()];
    });
    return {
      status: Number(line.split(" ")[1]),
      headers: new Headers(headers),
    };
  }

  /** Waits for a text. */
  async arrival(text: string): Promise<void> {
    await this.#until(() => this.received.includes(text));
  }

  /** Waits until the server disconnects, and returns what followed the head. */
  async body(): Promise<string> {
    await this.#listening;
    return this.received.slice(this.received.indexOf("\r\n\r\n") + 4);
  }

  /** Disconnects, whatever the server is doing. */
  disconnect(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      assert(!this.#isClosed, `the connection is closed: ${this.received}`);
      await this.#news.promise;
    }
  }

  async #listen(): Promise<void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const length = await this.#connection.read(buffer);
        if (length === null) break;
        const bytes = buffer.subarray(0, length);
        this.received += decoder.decode(bytes, { stream: true });
        this.#tell();
      }
    } catch (error) {
      // A read that was under way when we disconnected fails.
      if (!this.#isClosed) throw error;
    }
    if (!this.#isClosed) this.disconnect();
    this.#tell();
  }

  #tell(): void {
    const { resolve } = this.#news;
    this.#news = Promise.withResolvers();
    resolve();
  }
}
