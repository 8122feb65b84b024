import { type Child, spawn } from "../spawn.ts";

/**
 * Another process, which holds the exclusive lock of a file until it is
 * disposed. Run as a program, this module is that process.
 */
export class LockHolder implements AsyncDisposable {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  /** Starts the process; it has the lock when the promise resolves. */
  static async start(path: string): Promise<LockHolder> {
    const child = spawn(import.meta.url, [path], { paths: [path] });
    await child.expectLine("locked");
    return new LockHolder(child);
  }

  /** Frees the lock; the process has ended when the promise resolves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.end();
  }
}

if (import.meta.main) {
  using file = Deno.openSync(Deno.args[0]!, { read: true, write: true });
  if (!file.tryLockSync(true)) Deno.exit(1);
  console.log("locked");
  await Array.fromAsync(Deno.stdin.readable); // until the other end is closed
}
