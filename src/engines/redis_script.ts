import { createHash } from "node:crypto";
import type { RedisConnection } from "./redis_client.ts";

/** A Lua script on one key, which Redis runs as one step. */
export class RedisScript {
  readonly #text: string;
  readonly #hash: string;

  /** @param text The script; it knows the key as `KEYS[1]`. */
  constructor(text: string) {
    this.#text = text;
    this.#hash = createHash("sha1").update(text).digest("hex");
  }

  /**
   * Runs it by its hash, and where Redis does not know that, sends the text.
   *
   * @param redis Where.
   * @param key The key.
   * @param args What the script knows as `ARGV`.
   * @returns What it returns.
   */
  async run(
    redis: RedisConnection,
    key: string,
    args: readonly string[],
  ): Promise<unknown> {
    const rest = ["1", key, ...args];
    try {
      return await redis.send(key, ["EVALSHA", this.#hash, ...rest]);
    } catch (error) {
      const isUnknown = error instanceof Error &&
        error.message.startsWith("NOSCRIPT");
      if (!isUnknown) throw error;
      return await redis.send(key, ["EVAL", this.#text, ...rest]);
    }
  }
}
